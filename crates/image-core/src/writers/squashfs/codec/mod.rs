//! gzip, xz, lz4 and zstd as squashfs has them: each block is a whole of its own.
//!
//! - [`compression`]: the same as a person writes it
//! - `gzip`, `lz4`, `xz`: the forms that archives do not have; zstd's frames are the archives' own
//!
//! What the kernel's decoders accept counts (`fs/squashfs/*_wrapper.c`): xz with a CRC32 check or
//! none, no dictionary or window larger than a block, and zstd without a check sum: where that lies
//! in another page than the rest of its block, the kernel has no room left to go on and reports an
//! input/output error (`zstd_wrapper.c`, seen with Linux 6.18). A block that would not shrink is stored as it is.
//!
//! A block's bytes depend on its data, the codec, its level and the library that [`Codec::version`]
//! names, not on the blocks before it: contexts are made anew for each.

mod compression;
mod gzip;
mod lz4;
mod xz;

use std::fmt;
use std::ops::RangeInclusive;

use crate::pack::codec::{Error, zstd};
use crate::units::{Bytes, MIB};

/// Part of every [`Codec::version`]: raised when this folder changes what it makes of a block.
const REVISION: u32 = 2;

/// zstd's levels; the windows of the last three are cut down to a block like all others.
const ZSTD_LEVELS: RangeInclusive<u8> = 1..=22;

/// How blocks are compressed, and how hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Not at all: all blocks are stored as they are.
    Plain,
    /// zlib streams, level 1 to 9.
    Gzip(u8),
    /// xz streams of one block, preset 0 to 9.
    Xz(u8),
    /// LZ4 blocks without a frame.
    Lz4,
    /// zstd frames, level 1 to 22.
    Zstd(u8),
}

impl Codec {
    /// All codecs, each at the level that is meant when none is named.
    pub const DEFAULTS: [Self; 5] =
        [Self::Zstd(9), Self::Xz(6), Self::Lz4, Self::Gzip(9), Self::Plain];

    /// Returns the name that `mksquashfs -comp` knows it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "none",
            Self::Gzip(_) => "gzip",
            Self::Xz(_) => "xz",
            Self::Lz4 => "lz4",
            Self::Zstd(_) => "zstd",
        }
    }

    /// Returns the superblock's `compression`; where nothing is compressed it must still name one,
    /// and gzip is the one that every kernel has.
    pub fn id(self) -> u16 {
        match self {
            Self::Plain | Self::Gzip(_) => 1,
            Self::Xz(_) => 4,
            Self::Lz4 => 5,
            Self::Zstd(_) => 6,
        }
    }

    /// Returns the options that stand behind the superblock; empty where they are the defaults.
    pub fn options(self) -> Vec<u8> {
        match self {
            Self::Gzip(level) => gzip::options(level),
            Self::Lz4 => lz4::options(),
            // The default of squashfs-tools' zstd_wrapper.h.
            Self::Zstd(level) if level != 15 => u32::from(level).to_le_bytes().to_vec(),
            // A preset is not recorded, and the largest dictionary is a block's size.
            Self::Plain | Self::Xz(_) | Self::Zstd(_) => Vec::new(),
        }
    }

    /// Names encoder, its version and its settings: what a block's bytes depend on beside its data.
    pub fn version(self) -> String {
        let library = match self {
            Self::Plain => String::new(),
            Self::Gzip(_) => gzip::LIBRARY.to_owned(),
            Self::Xz(level) => xz::archived(level).version(),
            Self::Lz4 => lz4::LIBRARY.to_owned(),
            Self::Zstd(_) => zstd::library(),
        };
        format!("{self} by {library}, squashfs revision {REVISION}")
    }

    /// Returns what one encoder takes of memory beside its input and output, for blocks of 1 MiB.
    pub fn memory(self) -> Bytes {
        match self {
            Self::Plain => Bytes::ZERO,
            Self::Gzip(_) | Self::Lz4 => MIB,
            Self::Xz(preset) => xz::memory(preset),
            Self::Zstd(level) => zstd_memory(level),
        }
    }

    /// Starts an encoder; it is used for many blocks, and none depends on those before.
    ///
    /// # Errors
    /// A level that the codec does not have.
    pub fn encoder(self) -> Result<Encoder, Error> {
        match (self.level(), self.levels()) {
            (Some(level), Some(levels)) if !levels.contains(&level) => {
                let (first, last) = levels.into_inner();
                let found = format!("level {level} is not in {first} to {last}");
                Err(Error { codec: self.name(), found })
            }
            _ => Ok(Encoder { codec: self }),
        }
    }

    /// Returns its level, if it has any.
    pub fn level(self) -> Option<u8> {
        match self {
            Self::Plain | Self::Lz4 => None,
            Self::Gzip(level) | Self::Xz(level) | Self::Zstd(level) => Some(level),
        }
    }

    /// Returns the levels it has, if any.
    fn levels(self) -> Option<RangeInclusive<u8>> {
        match self {
            Self::Plain | Self::Lz4 => None,
            Self::Gzip(_) => Some(gzip::LEVELS),
            Self::Xz(_) => Some(xz::PRESETS),
            Self::Zstd(_) => Some(ZSTD_LEVELS),
        }
    }
}

/// A text that [`Codec::parse`] reads as the same.
impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level() {
            Some(level) => write!(f, "{}:{level}", self.name()),
            None => f.write_str(self.name()),
        }
    }
}

/// Returns the size of a context for 1 MiB: a test holds these against the library.
fn zstd_memory(level: u8) -> Bytes {
    let mib = match level {
        ..=8 => 6,
        9..=12 => 11,
        13.. => 18,
    };
    MIB * mib
}

/// What the format notes of a block: its size in the image, and whether it is stored as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Word(u32);

impl Word {
    /// A block of zeros, which takes no space.
    pub const SPARSE: Self = Self(0);

    /// `SQUASHFS_COMPRESSED_BIT_BLOCK`: set where a block is not compressed.
    const PLAIN: u32 = 1 << 24;

    /// Takes it as it stands in an inode or in the fragment table.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Returns it as it stands in an inode or in the fragment table.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Returns how many bytes the block takes.
    pub fn size(self) -> Bytes {
        Bytes::new(u64::from(self.0 & (Self::PLAIN - 1)))
    }

    /// Tells whether the block is stored as it is.
    pub const fn is_plain(self) -> bool {
        self.0 & Self::PLAIN != 0
    }

    /// Tells whether no bit is set that means nothing.
    pub(super) const fn is_known(self) -> bool {
        self.0 < Self::PLAIN << 1
    }

    /// Notes a block of at most 1 MiB.
    fn of(block: &[u8], plain: bool) -> Self {
        // What does not fit is refused before.
        let size = u32::try_from(block.len()).unwrap_or_default();
        Self(size | if plain { Self::PLAIN } else { 0 })
    }
}

/// A single-threaded encoder.
#[derive(Debug)]
pub struct Encoder {
    codec: Codec,
}

impl Encoder {
    /// Puts a block of 1 byte to 1 MiB at the end of `out`: compressed, or as it is if that is not larger.
    ///
    /// # Errors
    /// The library's answer; `out` is then worth nothing.
    pub fn compress(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<Word, Error> {
        let start = out.len();
        let done = match self.codec {
            Codec::Plain => Ok(()),
            Codec::Gzip(level) => gzip::encode(level, data, out),
            Codec::Xz(preset) => xz::encode(preset, data, out),
            Codec::Lz4 => lz4::encode(data, out),
            // Not with a check sum: see above.
            Codec::Zstd(level) => zstd::encode(level, false, data, out),
        };
        done.map_err(|found| Error { codec: self.codec.name(), found })?;
        let size = out.len() - start;
        if size > 0 && size < data.len() {
            return Ok(Word::of(&out[start..], false));
        }
        out.truncate(start);
        out.extend_from_slice(data);
        Ok(Word::of(data, true))
    }
}

#[cfg(test)]
mod tests;
