//! Compressing: the one step between a tree and a plan that is an effect.
//!
//! ```text
//!   Serial ──► shelves ──► blocks, pressed ──► Packed ──► Plan of the compressed image
//!   (a plan)   (cut at     from the cache,                (pure: ranges of files)
//!              content)    or fresh
//! ```
//!
//! - [`shelf`]: the row cut into runs of store paths: what is cached as a whole
//! - [`press`]: what becomes of a block: the format's part
//! - [`codec`]: an archive's: zstd, xz and gzip, and what holds the blocks together
//! - [`nar`]: whether the bytes that were compressed are what Nix registered
//! - `key`: what a shelf is known by
//! - [`spool`]: a file without a name, for what is not cached
//! - [`run`]: the work: read, check, compress, keep; `work`: one shelf of it
//!
//! Bytes depend on the row, the press and its version, and on nothing else: neither on threads
//! nor on what the cache held.

pub mod codec;
mod key;
pub mod nar;
pub mod press;
pub mod run;
pub mod shelf;
pub mod spool;
mod work;

use std::sync::Arc;

pub use codec::Codec;
pub use press::Press;
pub use run::{Error, Request, pack};

use crate::plan::{Label, Plan, PlanBuilder, PlanError};
use crate::tree::{HostFile, Source, TreePath};
use crate::units::Bytes;

/// A block as it lies in some file: a cache entry or a spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Where it starts in its file.
    pub start: Bytes,
    /// How long it is there.
    pub size: Bytes,
    /// How long it is unpacked.
    pub unpacked: Bytes,
    /// What its press remembers of it: gzip the CRC-32 of the unpacked bytes, xz the size without
    /// padding, zstd nothing.
    pub tag: u64,
}

/// Everything that compressing produced: planning is pure after it.
#[derive(Debug)]
pub struct Packed {
    /// The blocks in the order of the row, which they cover, each with the file that holds it.
    pub blocks: Vec<(Arc<HostFile>, Block)>,
    /// Bytes of the row that came from the cache.
    pub reused: Bytes,
    /// Store paths whose files do not hash to what is registered; they were not cached.
    pub unverified: Vec<TreePath>,
}

impl Packed {
    /// Plans an archive whose blocks a codec compressed.
    ///
    /// # Errors
    /// An archive larger than a plan can be.
    pub fn plan(&self, codec: Codec) -> Result<Plan, PlanError> {
        let mut plan = PlanBuilder::new();
        let before = codec.before();
        let mut at = Bytes::of(&before);
        plan.bytes(Bytes::ZERO, Label::new("header"), before);
        for (index, (file, block)) in self.blocks.iter().enumerate() {
            let label = Label::numbered("block", u32::try_from(index).unwrap_or(u32::MAX));
            let source = Source::Host(Arc::clone(file));
            plan.range(at, label, &source, block.start, block.size);
            at += block.size;
        }
        let after = codec.after(self.blocks.iter().map(|(_, block)| block));
        let size = at + Bytes::of(&after);
        plan.bytes(at, Label::new("trailer"), after);
        plan.finish(size)
    }
}
