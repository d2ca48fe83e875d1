//! Where a plan's bytes land, and the one loop that puts them there.
//!
//! - [`write()`]: THE loop, the only code that reads files' data or writes anything
//! - `cut`: a plan as chunks of at most 1 MiB
//! - `fill`: a chunk made in memory, and encrypted there; `copy`: made inside the kernel
//! - [`random`]: files and devices, written at any offset; [`forward`]: streams, written in order
//! - [`read`]: ranges of a plan, for those that compress them before there is a region
//! - [`keys`]: what a plan only names
//! - [`progress`]: what the caller sees of it, and how it is stopped
//!
//! A region knows plans and nothing of trees, formats or layouts. Bytes never depend on the number
//! of workers or on the kind of region; only what is *left out* does (see [`random::Unwritten`]).

mod copy;
mod cut;
mod error;
mod fill;
pub mod forward;
pub mod keys;
pub mod progress;
pub mod random;
pub mod read;
mod write;

use std::fmt;
use std::io::Write;
use std::num::NonZeroUsize;

pub use error::Error;
pub use keys::Keys;
pub use progress::{Cancel, Current, Progress, Quiet};
pub use random::{Device, FreshFile, Random, Unwritten};
pub use read::Reader;
pub use write::write;

use crate::units::{Bytes, MIB};

/// Where bytes land.
pub enum Region<'a> {
    /// A file or a device: chunks are written at their offsets, by several workers at once.
    Random(&'a dyn Random),
    /// A pipe or a compressor: bytes come in order, exactly as many as the plan is long.
    Forward(&'a mut dyn Write),
}

impl fmt::Debug for Region<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Random(_) => "Region::Random(..)",
            Self::Forward(_) => "Region::Forward(..)",
        })
    }
}

/// How the loop runs; none of it changes a byte of the image.
#[derive(Clone)]
pub struct Options<'a> {
    /// How many workers there may be: the number of cores.
    pub workers: NonZeroUsize,
    /// How much memory the workers' buffers may take; one worker runs in any case.
    pub memory: Bytes,
    /// Who watches.
    pub progress: &'a dyn Progress,
    /// Who may stop it.
    pub cancel: Cancel,
    /// Whether to work out the SHA-256 of the whole image.
    pub digest: bool,
}

impl Default for Options<'_> {
    /// One worker, unwatched, no digest.
    fn default() -> Self {
        Self {
            workers: NonZeroUsize::MIN,
            memory: MIB * 64,
            progress: &Quiet,
            cancel: Cancel::new(),
            digest: false,
        }
    }
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("workers", &self.workers)
            .field("memory", &self.memory)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// What landed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The size of the image.
    pub size: Bytes,
    /// How many of its bytes were written: on files and devices the rest was left out.
    pub written: Bytes,
    /// The SHA-256 of the image, if it was asked for.
    pub digest: Option<[u8; 32]>,
}
