//! Skeleton; see the brief.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::pack::Block;
use crate::tree::HostFile;
use crate::units::Bytes;

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
}

/// Names what was compressed and how: a SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key(pub [u8; 32]);

/// A directory of compressed shelves, held with a lease as long as this lives.
#[derive(Debug)]
pub struct Cache {}

/// An entry that was found whole.
#[derive(Debug)]
pub struct Entry {
    /// The file that holds it.
    pub file: Arc<HostFile>,
    /// Its blocks, in order.
    pub blocks: Vec<Block>,
}

/// An entry in the making; dropping it leaves nothing.
#[derive(Debug)]
pub struct Draft {}

impl Cache {
    /// Opens a cache, making the directory if it is not there; entries beyond `bound` go at trimming.
    ///
    /// # Errors
    /// The system's answer.
    pub fn open(_directory: &Path, _bound: Bytes) -> Result<Self, Error> {
        Ok(Self {})
    }

    /// Finds an entry and checks every byte of it; a damaged one is removed and counts as missing.
    ///
    /// # Errors
    /// The system's answer.
    pub fn get(&self, _key: Key) -> Result<Option<Entry>, Error> {
        Ok(None)
    }

    /// Starts an entry of `blocks` blocks.
    ///
    /// # Errors
    /// The system's answer.
    pub fn draft(&self, _blocks: usize) -> Result<Draft, Error> {
        Ok(Draft {})
    }
}

impl Draft {
    /// Adds a block; blocks come in any order, from several workers at once.
    ///
    /// # Errors
    /// The system's answer: most often that the file system is full.
    pub fn add(
        &self,
        _index: usize,
        _data: &[u8],
        _unpacked: Bytes,
        _tag: u64,
    ) -> Result<(), Error> {
        Ok(())
    }

    /// Stores the entry under its key. Somebody else may have been faster: theirs is as good.
    ///
    /// # Errors
    /// The system's answer.
    pub fn commit(self, _key: Key) -> Result<Entry, Error> {
        Err(Error::Io {
            action: "",
            path: PathBuf::new(),
            source: std::io::ErrorKind::Other.into(),
        })
    }

    /// Keeps the blocks for this build alone: the entry has no name and goes with its last user.
    ///
    /// # Errors
    /// The system's answer.
    pub fn keep(self) -> Result<Entry, Error> {
        Err(Error::Io {
            action: "",
            path: PathBuf::new(),
            source: std::io::ErrorKind::Other.into(),
        })
    }
}
