//! A file without a name, for blocks that are not kept.
//!
//! The system removes it with its last user, however the program ends, so nothing of a build that
//! was killed stays behind, and a secret in it is nowhere to be found.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::tree::HostFile;
use crate::tree::source::SourceError;
use crate::units::Bytes;

/// A file that grows at its end, by several workers at once.
#[derive(Debug)]
pub struct Spool {
    file: File,
    name: PathBuf,
    end: AtomicU64,
}

impl Spool {
    /// Makes an empty one on the file system of a directory.
    ///
    /// # Errors
    /// The system's answer.
    pub fn new_in(directory: &Path) -> Result<Self, SourceError> {
        let name = directory.join("(a file without a name)");
        match tempfile::tempfile_in(directory) {
            Ok(file) => Ok(Self { file, name, end: AtomicU64::new(0) }),
            Err(source) => Err(SourceError::Io { action: "make", path: name, source }),
        }
    }

    /// Adds bytes; returns where they start.
    ///
    /// # Errors
    /// The system's answer: most often that the file system is full.
    pub fn add(&self, bytes: &[u8]) -> Result<Bytes, SourceError> {
        let start = self.end.fetch_add(Bytes::of(bytes).get(), Ordering::Relaxed);
        let written: io::Result<()> = self.file.write_all_at(bytes, start);
        match written {
            Ok(()) => Ok(Bytes::new(start)),
            Err(source) => {
                Err(SourceError::Io { action: "write to", path: self.name.clone(), source })
            }
        }
    }

    /// Returns the file as it is now: nothing is added any more.
    ///
    /// # Errors
    /// The system's answer.
    pub fn close(self) -> Result<Arc<HostFile>, SourceError> {
        HostFile::held(self.file, self.name).map(Arc::new)
    }
}
