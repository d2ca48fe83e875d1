//! A host directory, read in an order that is ours.
//!
//! The one place that lists directories. Entries come parents first and by the bytes of their
//! names, whatever order the file system gives. It reports what is there; what that means for owner
//! and mode in the image is the visitor's rule (store paths and overlays have different ones).

use std::ffi::{CStr, CString};
use std::os::fd::AsFd;

use rustix::fs::{self, AtFlags, FileType, OFlags, RawDir};

use super::entry::{Device, Kind};
use super::source::{HostDir, SourceError, field};

/// How much of a directory the system tells at once: hundreds of names.
const LISTING: usize = 32 << 10;

/// One thing found below a host directory.
#[derive(Debug)]
pub struct Found<'a> {
    /// Path below the scanned directory's root, components joined by `/`.
    pub path: &'a [u8],
    /// What it is, its source included.
    pub kind: Kind,
    /// All of `st_mode`'s low twelve bits.
    pub mode: u16,
    /// Owner on the host.
    pub uid: u32,
    /// Group on the host.
    pub gid: u32,
}

/// A directory that could not be read into a tree.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The host refused, or changed underneath.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Something that no image can hold.
    #[error("{} is a socket: expected a file, directory, link, device or pipe; remove it", path.display())]
    Socket {
        /// Which one.
        path: std::path::PathBuf,
    },
}

/// Walks `start` and everything below it; `start` is a path below `dir`, empty for `dir` itself.
///
/// Links are reported, never followed. `visit` may refuse an entry with an error of its own, which ends the walk.
///
/// # Errors
/// What the host refused, a socket, or the visitor's own error.
pub fn scan<E: From<ScanError>>(
    dir: &HostDir,
    start: &[u8],
    visit: &mut dyn FnMut(Found<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut path = start.to_vec();
    let stat = if start.is_empty() {
        fs::fstat(dir)
    } else {
        fs::statat(dir, start, AtFlags::SYMLINK_NOFOLLOW)
    };
    let stat = stat.map_err(|errno| refused(dir, "read the metadata of", start, errno))?;
    entry(dir, &mut path, &stat, visit)
}

fn entry<E: From<ScanError>>(
    dir: &HostDir,
    path: &mut Vec<u8>,
    stat: &fs::Stat,
    visit: &mut dyn FnMut(Found<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Kind::Directory,
        FileType::RegularFile => Kind::File(dir.source(path, stat)),
        FileType::Symlink => {
            let target = fs::readlinkat(dir, path.as_slice(), Vec::new())
                .map_err(|errno| refused(dir, "read the link", path, errno))?;
            Kind::Symlink(target.into_bytes().into())
        }
        FileType::BlockDevice => Kind::Device(device(stat, true)),
        FileType::CharacterDevice => Kind::Device(device(stat, false)),
        FileType::Fifo => Kind::Fifo,
        FileType::Socket | FileType::Unknown => {
            return Err(ScanError::Socket { path: dir.resolve(path) }.into());
        }
    };
    let is_directory = matches!(kind, Kind::Directory);
    let mode = field::<_, u16>(stat.st_mode & 0o7777);
    visit(Found { path, kind, mode, uid: stat.st_uid, gid: stat.st_gid })?;
    if is_directory { children(dir, path, visit) } else { Ok(()) }
}

fn children<E: From<ScanError>>(
    dir: &HostDir,
    path: &mut Vec<u8>,
    visit: &mut dyn FnMut(Found<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let below = if path.is_empty() { b".".as_slice() } else { path.as_slice() };
    let opened = dir
        .open_below(below, OFlags::RDONLY | OFlags::DIRECTORY)
        .map_err(|error| ScanError::from(dir.io("open directory", path, error)))?;
    let listed = names(&opened).map_err(|errno| refused(dir, "list directory", path, errno))?;
    let length = path.len();
    for name in listed {
        let name: &CStr = &name;
        if length > 0 {
            path.push(b'/');
        }
        path.extend_from_slice(name.to_bytes());
        let stat = fs::statat(&opened, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| refused(dir, "read the metadata of", path, errno))?;
        entry(dir, path, &stat, visit)?;
        path.truncate(length);
    }
    Ok(())
}

/// Lists the names in an open directory, sorted, without `.` and `..`.
pub(crate) fn names(directory: impl AsFd) -> rustix::io::Result<Vec<CString>> {
    let mut listing = Vec::with_capacity(LISTING);
    let mut entries = RawDir::new(directory, listing.spare_capacity_mut());
    let mut names: Vec<CString> = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn device(stat: &fs::Stat, block: bool) -> Device {
    Device { block, major: fs::major(stat.st_rdev), minor: fs::minor(stat.st_rdev) }
}

fn refused(
    dir: &HostDir,
    action: &'static str,
    path: &[u8],
    errno: rustix::io::Errno,
) -> ScanError {
    ScanError::Source(dir.io(action, path, errno.into()))
}
