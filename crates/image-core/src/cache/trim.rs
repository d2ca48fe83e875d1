//! What is in a cache, and what goes when it is too much.
//!
//! Sizes are those of the files, as `ls` shows them: what the file system adds to them differs from
//! one to the next. Least recently used goes first; what a running build relies on does not go at
//! all, so a cache may stay larger than it should until that build has ended.

use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::Stat;

use super::lease::Live;
use super::place::{DRAFTS, ENTRIES, Place, USES, entry_path, use_path};
use super::{Error, Key};
use crate::units::Bytes;

/// A number of entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub entries: u64,
    /// The size of their files.
    pub bytes: Bytes,
}

impl Tally {
    fn count(&mut self, size: Bytes) {
        self.entries += 1;
        self.bytes += size;
    }
}

/// What a cache holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All entries.
    pub all: Tally,
    /// When the one was used that was not used for longest.
    pub oldest: Option<SystemTime>,
    /// When any was used last.
    pub newest: Option<SystemTime>,
}

/// What trimming did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// What went.
    pub removed: Tally,
    /// What stayed; more than was asked for is what running builds rely on.
    pub left: Tally,
}

/// Tells what a cache holds, without touching it; a directory that is not there holds nothing.
///
/// # Errors
/// The system's answer, or that the directory is no cache.
pub fn usage(directory: &Path) -> Result<Usage, Error> {
    let mut usage = Usage::default();
    let Some(place) = Place::find(directory)? else { return Ok(usage) };
    for found in place.found()? {
        let used = Some(time(found.used));
        usage.all.count(found.size);
        usage.oldest = usage.oldest.map_or(used, |oldest| used.min(Some(oldest)));
        usage.newest = usage.newest.max(used);
    }
    Ok(usage)
}

/// Removes what was used least recently until the rest is within a bound; zero clears the cache.
///
/// What killed builds left behind goes, too. What running builds rely on stays.
///
/// # Errors
/// The system's answer, or that the directory is no cache.
pub fn trim(directory: &Path, bound: Bytes) -> Result<Trimmed, Error> {
    match Place::find(directory)? {
        // Nothing is made where there is no cache.
        Some(place) if place.stat(ENTRIES)?.is_some() => place.trim(bound),
        Some(_) | None => Ok(Trimmed::default()),
    }
}

/// An entry by its name.
struct Found {
    used: (i64, i64),
    key: Key,
    size: Bytes,
}

impl Place {
    /// Trims the cache; it takes no lease, so that it works on a full disk.
    pub(super) fn trim(&self, bound: Bytes) -> Result<Trimmed, Error> {
        let lock = self.lock()?;
        let live = Live::read(self, &lock)?;
        for draft in self.names(DRAFTS)?.into_iter().filter(|draft| !live.writes(draft)) {
            self.remove(&format!("{DRAFTS}/{draft}"))?;
        }
        let mut found = self.found()?;
        found.sort_unstable_by_key(|found| (found.used, found.key));
        let mut trimmed = Trimmed::default();
        for found in &found {
            trimmed.left.count(found.size);
        }
        for found in found {
            if trimmed.left.bytes <= bound {
                break;
            }
            if !live.holds(found.key) {
                self.remove_entry(found.key, &lock)?;
                trimmed.removed.count(found.size);
                trimmed.left.entries -= 1;
                trimmed.left.bytes = trimmed.left.bytes - found.size;
            }
        }
        self.forget_uses()?;
        Ok(trimmed)
    }

    /// Lists the entries; files whose names are no keys are none.
    fn found(&self) -> Result<Vec<Found>, Error> {
        let mut all = Vec::new();
        for key in self.names(ENTRIES)?.iter().filter_map(|name| Key::parse(name)) {
            let Some(stat) = self.stat(&entry_path(key))? else { continue };
            // Not there when a build was killed at the wrong moment, or by somebody's hand.
            let used = self.stat(&use_path(key))?.unwrap_or(stat);
            let size = Bytes::new(u64::try_from(stat.st_size).unwrap_or_default());
            all.push(Found { used: modified(&used), key, size });
        }
        Ok(all)
    }

    /// Removes the records of use whose entry has gone.
    fn forget_uses(&self) -> Result<(), Error> {
        for key in self.names(USES)?.iter().filter_map(|name| Key::parse(name)) {
            if self.stat(&entry_path(key))?.is_none() {
                self.remove(&use_path(key))?;
            }
        }
        Ok(())
    }
}

fn modified(stat: &Stat) -> (i64, i64) {
    let number = |value| i64::try_from(value).unwrap_or_default();
    (stat.st_mtime, number(stat.st_mtime_nsec))
}

/// Converts a file's time; those before 1970 are no times of use.
fn time((seconds, nanoseconds): (i64, i64)) -> SystemTime {
    let seconds = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    let nanoseconds = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or_default());
    SystemTime::UNIX_EPOCH.checked_add(seconds + nanoseconds).unwrap_or(SystemTime::UNIX_EPOCH)
}
