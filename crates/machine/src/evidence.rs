//! What a run leaves behind: a directory that tells what happened when it did not go well.
//!
//! It holds the console (`console.log`, `console.raw`), QEMU's command line (`command.txt`) and
//! messages (`qemu.log`), the firmware's variables (`vars.fd`) and the reason of the failure
//! (`reason.txt`). A good run removes what it wrote, and the directory if that leaves it empty;
//! nothing else in a directory that the caller chose is ever touched.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::console;

/// QEMU's command line, as a shell would take it.
pub const COMMAND: &str = "command.txt";
/// QEMU's own messages.
pub const MESSAGES: &str = "qemu.log";
/// The firmware's variables.
pub const VARS: &str = "vars.fd";
/// Why the run failed.
pub const REASON: &str = "reason.txt";

const FILES: [&str; 6] = [console::LOG, console::RAW_LOG, COMMAND, MESSAGES, VARS, REASON];

/// When evidence stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// When the run failed.
    #[default]
    OnFailure,
    /// Always.
    Always,
}

/// Evidence cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("evidence cannot be written to {}", path.display())]
pub struct Error {
    /// The file or directory.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

/// The directory of one run.
#[derive(Debug)]
pub(crate) struct Evidence {
    dir: PathBuf,
    keep: Keep,
}

impl Evidence {
    /// Makes the directory: the one named, or a new one among the temporary files.
    pub(crate) fn create(named: Option<&Path>, keep: Keep) -> Result<Self, Error> {
        let dir = match named {
            Some(dir) => {
                fs::create_dir_all(dir).map_err(|source| Error { path: dir.to_owned(), source })?;
                // QEMU takes `a:b` at the start of a relative path for a protocol.
                std::path::absolute(dir).map_err(|source| Error { path: dir.to_owned(), source })?
            }
            None => tempfile::Builder::new()
                .prefix("calve-boot-")
                .tempdir()
                .map_err(|source| Error { path: std::env::temp_dir(), source })?
                .keep(),
        };
        let evidence = Self { dir, keep };
        // What an earlier run left must not be taken for this one's.
        evidence.clear();
        Ok(evidence)
    }

    /// The directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The path of one of its files.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes one of its files.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.path(name);
        fs::write(&path, text).map_err(|source| Error { path, source })
    }

    /// Removes what the run wrote, unless it is to be kept.
    pub(crate) fn discard(&self) {
        if self.keep == Keep::Always {
            return;
        }
        self.clear();
        // Fails when the caller keeps other files there, which is as it should be.
        let _ = fs::remove_dir(&self.dir);
    }

    fn clear(&self) {
        for name in FILES {
            // A file that was never written is not missed.
            let _ = fs::remove_file(self.path(name));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_good_run_removes_its_own_files_only() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("a/b");
        let evidence = Evidence::create(Some(&dir), Keep::OnFailure).unwrap();
        evidence.write(REASON, "x").unwrap();
        fs::write(dir.join("mine"), "x").unwrap();
        evidence.discard();
        assert!(dir.join("mine").exists() && !dir.join(REASON).exists());
        fs::remove_file(dir.join("mine")).unwrap();
        evidence.discard();
        assert!(!dir.exists());
    }

    #[test]
    fn kept_when_asked_and_cleared_by_the_next_run() {
        let parent = tempfile::tempdir().unwrap();
        let evidence = Evidence::create(Some(parent.path()), Keep::Always).unwrap();
        evidence.write(REASON, "x").unwrap();
        evidence.discard();
        assert!(parent.path().join(REASON).exists());
        Evidence::create(Some(parent.path()), Keep::Always).unwrap();
        assert!(!parent.path().join(REASON).exists());
    }
}
