//! Skeleton; see the brief.

use crate::pack::Block;
use crate::units::Bytes;

/// How blocks are compressed, and how hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// zstd frames, level 1 to 19.
    Zstd(u8),
    /// Blocks of one xz stream, preset 0 to 9.
    Xz(u8),
    /// Full-flushed deflate runs of one gzip member, level 1 to 9.
    Gzip(u8),
}

/// A block that could not be compressed.
#[derive(Debug, thiserror::Error)]
#[error("{codec} cannot compress: {found}")]
pub struct Error {
    /// Which encoder.
    pub codec: &'static str,
    /// What it says.
    pub found: String,
}

impl Codec {
    /// Names encoder, its version and its settings: what a block's bytes depend on beside its data.
    pub fn version(self) -> String {
        String::new()
    }

    /// Returns what one encoder takes of memory beside its input and output.
    pub fn memory(self) -> Bytes {
        Bytes::ZERO
    }

    /// Starts an encoder; it is used for many blocks, and none depends on those before.
    ///
    /// # Errors
    /// The library's answer.
    pub fn encoder(self) -> Result<Encoder, Error> {
        Ok(Encoder {})
    }

    /// Returns what stands before the first block.
    pub fn before(self) -> Vec<u8> {
        Vec::new()
    }

    /// Returns what stands after the last block.
    pub fn after<'b>(self, _blocks: impl Iterator<Item = &'b Block>) -> Vec<u8> {
        Vec::new()
    }
}

/// A single-threaded encoder.
#[derive(Debug)]
pub struct Encoder {}

impl Encoder {
    /// Compresses a block to the end of `out`; returns its [`Block::tag`].
    ///
    /// # Errors
    /// The library's answer.
    pub fn encode(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<u64, Error> {
        out.extend_from_slice(data);
        Ok(0)
    }
}
