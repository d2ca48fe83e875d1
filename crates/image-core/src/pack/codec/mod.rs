//! zstd, xz and gzip: one block at a time, and what holds the blocks together.
//!
//! A block is compressed by itself, by one thread, into a run of bytes that may stand between any
//! others of its kind; what comes before the first and after the last makes the whole a standard file
//! that other people's programs unpack.
//!
//! - [`zstd`]: a frame for each block
//! - [`xz`]: one stream, its index made from the blocks
//! - [`gzip`]: one member, its check sum combined from the blocks
//! - [`compression`]: the same as a person writes it
//!
//! A block's bytes depend on its data, the codec, its level and the library that [`Codec::version`]
//! names. The libraries' contexts are made anew for each block: so nothing of other blocks can be left
//! in them, and no cost of it could be measured. Splitting data into blocks is the caller's;
//! [`Codec::memory`] holds for blocks of up to 16 MiB.

pub(crate) mod compression;
mod gzip;
mod xz;
pub(crate) mod zstd;

use std::fmt;
use std::ops::RangeInclusive;

pub use compression::{Compression, ParseError};

use crate::pack::Block;
use crate::units::Bytes;

/// Part of every [`Codec::version`]: raised when this folder changes what it makes of a block.
const REVISION: u32 = 1;

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
    /// All codecs, each at the level that is meant when none is named.
    ///
    /// gzip has 7: zlib-rs makes of a system then 2.7 % more than `gzip -6` does, in 0.6 of the time.
    /// At 6 it would be 3.6 % more.
    pub const DEFAULTS: [Self; 3] = [Self::Zstd(9), Self::Xz(6), Self::Gzip(7)];

    /// Returns the program that people know it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zstd(_) => "zstd",
            Self::Xz(_) => "xz",
            Self::Gzip(_) => "gzip",
        }
    }

    /// Names encoder, its version and its settings: what a block's bytes depend on beside its data.
    pub fn version(self) -> String {
        let library = match self {
            Self::Zstd(_) => zstd::library(),
            Self::Xz(_) => xz::LIBRARY.to_owned(),
            Self::Gzip(_) => gzip::LIBRARY.to_owned(),
        };
        format!("{self} by {library}, revision {REVISION}")
    }

    /// Returns what one encoder takes of memory beside its input and output.
    pub fn memory(self) -> Bytes {
        match self {
            Self::Zstd(level) => zstd::memory(level),
            Self::Xz(preset) => xz::memory(preset),
            Self::Gzip(_) => gzip::MEMORY,
        }
    }

    /// Starts an encoder; it is used for many blocks, and none depends on those before.
    ///
    /// # Errors
    /// A level that the codec does not have.
    pub fn encoder(self) -> Result<Encoder, Error> {
        let levels = self.levels();
        if levels.contains(&self.level()) {
            return Ok(Encoder { codec: self });
        }
        let found =
            format!("level {} is not in {} to {}", self.level(), levels.start(), levels.end());
        Err(Error { codec: self.name(), found })
    }

    /// Returns what stands before the first block.
    pub fn before(self) -> Vec<u8> {
        match self {
            Self::Zstd(_) => Vec::new(),
            Self::Xz(_) => xz::before(),
            Self::Gzip(_) => gzip::before(),
        }
    }

    /// Returns what stands after the last block.
    pub fn after<'b>(self, blocks: impl Iterator<Item = &'b Block>) -> Vec<u8> {
        match self {
            Self::Zstd(_) => zstd::after(blocks),
            Self::Xz(_) => xz::after(blocks),
            Self::Gzip(_) => gzip::after(blocks),
        }
    }

    /// Returns its level.
    pub fn level(self) -> u8 {
        match self {
            Self::Zstd(level) | Self::Xz(level) | Self::Gzip(level) => level,
        }
    }

    /// Returns the levels it has.
    fn levels(self) -> RangeInclusive<u8> {
        match self {
            Self::Zstd(_) => zstd::LEVELS,
            Self::Xz(_) => xz::PRESETS,
            Self::Gzip(_) => gzip::LEVELS,
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name(), self.level())
    }
}

/// A single-threaded encoder.
#[derive(Debug)]
pub struct Encoder {
    codec: Codec,
}

impl Encoder {
    /// Compresses a block to the end of `out`; returns its [`Block::tag`].
    ///
    /// # Errors
    /// The library's answer; `out` is then worth nothing.
    pub fn encode(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<u64, Error> {
        let tag = match self.codec {
            Codec::Zstd(level) => zstd::encode(level, true, data, out).map(|()| 0),
            Codec::Xz(preset) => xz::encode(preset, data, out),
            Codec::Gzip(level) => gzip::encode(level, data, out),
        };
        tag.map_err(|found| Error { codec: self.codec.name(), found })
    }
}

/// Returns the low half of a number, little-endian: CRC-32s travel in tags, and gzip counts modulo 2^32.
fn low_half(number: u64) -> [u8; 4] {
    let [a, b, c, d, ..] = number.to_le_bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests;
