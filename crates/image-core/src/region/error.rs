//! What can keep a plan from landing.

use std::io;

use crate::tree::source::SourceError;

/// Why the loop stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A key that the plan names was not given; nothing was written.
    #[error("the plan needs the key {id:?}, which was not given")]
    MissingKey {
        /// The key's name.
        id: String,
    },
    /// A key has another length than its cipher wants; nothing was written.
    #[error("the key {id:?} has {found} bytes: expected {}", crate::xts::KEY_SIZE)]
    KeyLength {
        /// The key's name.
        id: String,
        /// How long it is.
        found: usize,
    },
    /// A secret that the plan names was not given; nothing was written.
    #[error("the plan needs the secret {id:?}, which was not given")]
    MissingSecret {
        /// The secret's name.
        id: String,
    },
    /// A secret has another length than the plan leaves for it; nothing was written.
    #[error("the secret {id:?} has {found} bytes: expected {expected}")]
    SecretLength {
        /// The secret's name.
        id: String,
        /// What the plan leaves for it.
        expected: u64,
        /// How long it is.
        found: usize,
    },
    /// The region cannot take the image; nothing was written.
    #[error("cannot make room for an image of {size} bytes")]
    Prepare {
        /// The image's size.
        size: u64,
        /// The system's answer, or what is wrong with the region.
        source: io::Error,
    },
    /// The region is smaller than the image; nothing was written.
    #[error("the image has {needed} bytes, but the device only {found}")]
    TooSmall {
        /// The image's size.
        needed: u64,
        /// The region's size.
        found: u64,
    },
    /// A host file could not be read, or is not what it was when the plan was made.
    #[error("cannot read what belongs to {label} (byte {offset} of the image)")]
    Source {
        /// What the bytes are for.
        label: String,
        /// Where they belong in the image.
        offset: u64,
        /// Which file, and what is wrong with it.
        source: SourceError,
    },
    /// The region did not take some bytes: it is full, it broke, or nobody reads the pipe any more.
    #[error("cannot write {label} (byte {offset} of the image)")]
    Write {
        /// What the bytes are for.
        label: String,
        /// The first byte that was not written.
        offset: u64,
        /// The system's answer.
        source: io::Error,
    },
    /// What was written could not be read back for the digest.
    #[error("cannot read byte {offset} of the image back for its digest")]
    ReadBack {
        /// Where.
        offset: u64,
        /// The system's answer.
        source: io::Error,
    },
    /// The workers could not be started.
    #[error("cannot start {workers} workers")]
    Workers {
        /// How many.
        workers: usize,
        /// Why not.
        source: rayon::ThreadPoolBuildError,
    },
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
}
