//! What a machine says of itself that cannot be understood.

use std::io;
use std::path::PathBuf;

/// Why a machine could not be surveyed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the kernel says of its devices could not be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// What the kernel says makes no sense.
    #[error("{}: expected {expected}, found {found:?}", path.display())]
    Nonsense {
        /// Which file.
        path: PathBuf,
        /// What should be there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
}
