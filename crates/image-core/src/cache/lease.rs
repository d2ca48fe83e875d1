//! What running builds rely on.
//!
//! A build holds a file of its own, locked as long as it lives and filled with the keys it uses.
//! The kernel drops the lock with the process, however that ends, so a lease whose lock can be had
//! is nobody's. Keys rather than times: a clock that is set back must not cost a build its files.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use tempfile::NamedTempFile;

use super::place::{DRAFTS, LEASES, Lock, Place};
use super::{Error, Key};
use crate::units::Bytes;

/// Letters of a lease's name, which nobody else may have.
const NAME: usize = 16;

/// A build's own lease.
#[derive(Debug)]
pub(super) struct Lease {
    file: NamedTempFile,
    name: String,
    /// Keys in the file; changed under the directory's lock.
    keys: AtomicU64,
    drafts: AtomicU64,
}

impl Lease {
    /// Takes a lease, empty at first.
    pub(super) fn take(place: &Place) -> Result<Self, Error> {
        // Under the lock nobody sees the file before its own lock is on it.
        let _lock = place.lock()?;
        let made = tempfile::Builder::new()
            .prefix("")
            .rand_bytes(NAME)
            .tempfile_in(place.path().join(LEASES));
        let file = made.map_err(|source| place.io("make a file in", LEASES, source))?;
        flock(file.as_file(), FlockOperation::NonBlockingLockExclusive)
            .map_err(|errno| place.error("lock a file in", LEASES, errno))?;
        let name = file.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { file, name, keys: AtomicU64::new(0), drafts: AtomicU64::new(0) })
    }

    /// Adds what has to stay.
    pub(super) fn add(&self, Key(key): Key, _: &Lock) -> Result<(), Error> {
        let count = self.keys.load(Ordering::Relaxed);
        let written = self.file.as_file().write_all_at(&key, (Bytes::of(&key) * count).get());
        let path = self.file.path().to_owned();
        written.map_err(|source| Error::Io { action: "write", path, source })?;
        self.keys.store(count + 1, Ordering::Relaxed);
        Ok(())
    }

    /// Returns a path that no other draft has or had.
    pub(super) fn draft_path(&self) -> String {
        let number = self.drafts.fetch_add(1, Ordering::Relaxed);
        format!("{DRAFTS}/{}.{number}", self.name)
    }
}

/// The leases of running builds.
#[derive(Debug, Default)]
pub(super) struct Live {
    names: BTreeSet<String>,
    keys: BTreeSet<Key>,
}

impl Live {
    /// Reads the leases, and removes those that nobody holds.
    pub(super) fn read(place: &Place, _: &Lock) -> Result<Self, Error> {
        let mut live = Self::default();
        for name in place.names(LEASES)? {
            let path = format!("{LEASES}/{name}");
            let mut file = match place.open(&path, OFlags::RDWR) {
                Ok(file) => File::from(file),
                // Its build has ended since.
                Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                    continue;
                }
                Err(error) => return Err(error),
            };
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => place.remove(&path)?,
                Err(Errno::WOULDBLOCK) => {
                    let mut keys = Vec::new();
                    let read = file.read_to_end(&mut keys);
                    read.map_err(|source| place.io("read", &path, source))?;
                    live.keys.extend(keys.as_chunks().0.iter().copied().map(Key));
                    live.names.insert(name);
                }
                Err(errno) => return Err(place.error("lock", &path, errno)),
            }
        }
        Ok(live)
    }

    /// Tells whether a running build relies on an entry.
    pub(super) fn holds(&self, key: Key) -> bool {
        self.keys.contains(&key)
    }

    /// Tells whether a draft, by its name, is a running build's.
    pub(super) fn writes(&self, draft: &str) -> bool {
        draft.split_once('.').is_some_and(|(lease, _)| self.names.contains(lease))
    }
}
