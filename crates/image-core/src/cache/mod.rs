//! What was compressed once, kept: a directory of files, and nothing else.
//!
//! ```text
//!   DIR/CACHEDIR.TAG        tells backups to leave the directory out
//!      /entries/<key>       an entry: made once, never changed        (entry, ondisk)
//!      /uses/<key>          an empty file; its time is the entry's last use
//!      /leases/<random>     the keys that a running build relies on   (lease)
//!      /drafts/<lease>.<n>  entries in the making                     (draft)
//!      /lock                held for the moment in which names come, go or are looked up  (place)
//! ```
//!
//! - [`place`]: the directory itself, and its lock
//! - [`lease`]: what running builds rely on
//! - [`draft`]: an entry in the making
//! - [`entry`]: an entry found, and whether it is whole
//! - [`ondisk`]: an entry's bytes
//! - [`trim`]: what is there, and what goes when it is too much
//!
//! Why files: builds run side by side, and are killed. A name appears in `entries` by renaming a
//! finished file, so nothing half-written ever has it; locks are the kernel's, so they end with
//! whoever held them. Nothing is flushed to the disk: what a power cut leaves is found out when it
//! is read, because every byte of an entry is checked before it is used. An entry's own times must
//! stay as they are (a build checks that its sources are), so its use is recorded beside it.
//!
//! The checks find damage, not malice: whoever can write to the directory decides what images
//! hold. That is why it and all in it belong to their user alone, though store paths are no secret.
//!
//! It does not know what it keeps, nor what a key is made of: that is [`crate::pack`]'s.

mod draft;
mod entry;
mod lease;
mod ondisk;
mod place;
mod trim;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use draft::Draft;
pub use trim::{Tally, Trimmed, Usage, trim, usage};

use crate::pack::Block;
use crate::tree::HostFile;
use crate::tree::source::SourceError;
use crate::units::Bytes;
use entry::Reading;
use lease::Lease;
use place::{Lock, Place};

/// Why the cache could not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A file of the cache was refused or is not what it was a moment ago.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The directory is somebody else's.
    #[error("{} holds other files: expected a cache, an empty directory or none", path.display())]
    Foreign {
        /// Which directory.
        path: PathBuf,
    },
    /// The blocks that were added are not those that were announced.
    #[error("block {index} of an entry of {blocks} {found}")]
    Block {
        /// Its place in the entry.
        index: usize,
        /// How many there were to be.
        blocks: usize,
        /// What is wrong about it.
        found: &'static str,
    },
}

/// Names what was compressed and how: a SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key(pub [u8; 32]);

impl Key {
    /// The key as a file name.
    fn name(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads a file name; none for one that is not ours.
    fn parse(name: &str) -> Option<Self> {
        let mut key = [0; 32];
        for (index, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(name.get(index * 2..index * 2 + 2)?, 16).ok()?;
        }
        Some(Self(key)).filter(|key| key.name() == name)
    }
}

/// A directory of compressed shelves; what was taken from it stays as long as this lives.
#[derive(Debug)]
pub struct Cache {
    hold: Arc<Hold>,
    bound: Bytes,
}

/// A hold on the directory: what is used through it is not trimmed.
#[derive(Debug)]
struct Hold {
    place: Place,
    lease: Lease,
}

/// An entry that was found whole.
#[derive(Debug)]
pub struct Entry {
    /// The file that holds it.
    pub file: Arc<HostFile>,
    /// Its blocks, in order.
    pub blocks: Vec<Block>,
}

impl Cache {
    /// Opens a cache, making the directory if it is not there; entries beyond `bound` go at trimming.
    ///
    /// # Errors
    /// The system's answer, or that the directory is somebody else's.
    pub fn open(directory: &Path, bound: Bytes) -> Result<Self, Error> {
        let place = Place::make(directory)?;
        let lease = Lease::take(&place)?;
        Ok(Self { hold: Arc::new(Hold { place, lease }), bound })
    }

    /// Finds an entry and checks every byte of it; a damaged one is removed and counts as missing.
    ///
    /// # Errors
    /// The system's answer.
    pub fn get(&self, key: Key) -> Result<Option<Entry>, Error> {
        self.hold.get(key)
    }

    /// Starts an entry of `blocks` blocks.
    ///
    /// # Errors
    /// The system's answer.
    pub fn draft(&self, blocks: usize) -> Result<Draft, Error> {
        Draft::new(Arc::clone(&self.hold), blocks)
    }

    /// Lets go of all that was used, then removes what was used least recently until the rest
    /// is within the bound; call it when the image is written.
    ///
    /// What other builds use stays, and so does what drafts of this one still hold.
    ///
    /// # Errors
    /// The system's answer.
    pub fn trim(self) -> Result<Trimmed, Error> {
        let place = self.hold.place.clone();
        drop(self.hold);
        place.trim(self.bound)
    }
}

impl Hold {
    fn get(&self, key: Key) -> Result<Option<Entry>, Error> {
        let Some(file) = self.look_up(key)? else { return Ok(None) };
        // Not under the lock: it takes long, and the lease keeps the file.
        let damage = match entry::read(&file, key)? {
            Reading::Whole(blocks) => return Ok(Some(Entry { file, blocks })),
            Reading::Damaged(damage) => damage,
        };
        tracing::warn!(entry = %file.path().display(), %damage, "removing a damaged cache entry");
        let lock = self.place.lock()?;
        let found = self.place.entry(key)?;
        // Somebody else may have found it, too, and have made it anew.
        if found.is_some_and(|found| found.identity().inode == file.identity().inode) {
            self.place.remove_entry(key, &lock)?;
        }
        Ok(None)
    }

    fn look_up(&self, key: Key) -> Result<Option<Arc<HostFile>>, Error> {
        let lock = self.place.lock()?;
        let found = self.place.entry(key)?;
        if found.is_some() {
            self.used(key, &lock)?;
        }
        Ok(found)
    }

    /// Records that an entry is used, and that it has to stay.
    fn used(&self, key: Key, lock: &Lock) -> Result<(), Error> {
        self.lease.add(key, lock)?;
        self.place.touch(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_file_names_and_only_ours() {
        let key = Key(std::array::from_fn(|index| u8::try_from(index * 7).unwrap()));
        assert_eq!(Key::parse(&key.name()), Some(key));
        let name = key.name();
        for other in [&name[2..], &name.to_uppercase(), &format!("{name}00"), &"+1".repeat(32)] {
            assert_eq!(Key::parse(other), None, "{other}");
        }
        assert_eq!(Key::parse(&"é".repeat(32)), None);
    }
}
