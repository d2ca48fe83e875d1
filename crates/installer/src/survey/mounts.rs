//! What is mounted, and what is swapped to.
//!
//! `proc(5)`: `/proc/self/mountinfo`, `/proc/swaps`. Both write blanks in names as octal numbers.

use std::path::{Path, PathBuf};

use super::{DeviceNumber, Error, Host};

/// A mounted file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Which device it says that it is on; file systems of several devices say a number of their own.
    pub number: DeviceNumber,
    /// Where it is mounted.
    pub at: PathBuf,
    /// Its kind.
    pub format: String,
    /// What was mounted: a device's name, for most.
    pub source: String,
    /// Its options.
    pub options: String,
}

/// Reads what is mounted, in the order in which it was.
///
/// # Errors
/// The list cannot be read.
pub fn mounts(host: &Host) -> Result<Vec<Mount>, Error> {
    let text = host.text(&host.path("/proc/self/mountinfo"))?;
    Ok(text.lines().filter_map(mount).collect())
}

fn mount(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ').skip(2);
    let (number, at) = (before.next()?.parse().ok()?, before.nth(1)?);
    let mut after = after.splitn(3, ' ');
    let (format, source) = (after.next()?.to_owned(), unescape(after.next()?));
    let options = unescape(after.next().unwrap_or_default());
    Some(Mount { number, at: PathBuf::from(unescape(at)), format, source, options })
}

/// Finds the mounted file system that a path lies in: of several at one place, the last.
pub fn holding<'m>(mounts: &'m [Mount], path: &Path) -> Option<&'m Mount> {
    let candidates = mounts.iter().filter(|mount| path.starts_with(&mount.at));
    candidates.max_by_key(|mount| mount.at.components().count())
}

/// Reads what is swapped to: devices and files.
///
/// # Errors
/// The list cannot be read.
pub fn swaps(host: &Host) -> Result<Vec<PathBuf>, Error> {
    let text = host.text(&host.path("/proc/swaps"))?;
    let names = text.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    Ok(names.map(|name| PathBuf::from(unescape(name))).collect())
}

/// `\040` is a blank.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let byte = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match byte {
            Some(byte) => {
                out.push(byte);
                out.extend(part.bytes().skip(3));
            }
            None => {
                out.push(b'\\');
                out.extend(part.bytes());
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
