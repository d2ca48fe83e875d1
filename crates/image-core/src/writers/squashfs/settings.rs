//! How a tree is written.

use super::Codec;
use crate::epoch::Epoch;
use crate::units::{Bytes, KIB, MIB};

/// The superblock of squashfs 4.0.
const SUPERBLOCK: Bytes = Bytes::new(96);

/// The header of a metadata block.
const METADATA_HEADER: Bytes = Bytes::new(2);

/// How a tree is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How data and tables are compressed.
    pub codec: Codec,
    /// What files are cut into: 4 KiB to 1 MiB, a power of two.
    pub block: Bytes,
    /// When the image was made.
    pub epoch: Epoch,
}

/// Settings that no reader knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("squashfs blocks of {} bytes: expected a power of two from 4 KiB to 1 MiB", found.get())]
pub struct BlockSizeError {
    /// The size asked for.
    pub found: Bytes,
}

impl Settings {
    /// The largest block that readers know, which compresses best.
    pub const BLOCK: Bytes = MIB;

    /// Takes blocks of 1 MiB.
    pub const fn new(codec: Codec, epoch: Epoch) -> Self {
        Self { codec, block: Self::BLOCK, epoch }
    }

    /// Checks that readers know the block size.
    ///
    /// # Errors
    /// The size that was found.
    pub fn check(&self) -> Result<(), BlockSizeError> {
        let known = (KIB * 4..=MIB).contains(&self.block) && self.block.get().is_power_of_two();
        if known { Ok(()) } else { Err(BlockSizeError { found: self.block }) }
    }

    /// Returns where data start: after the superblock and the codec's options.
    pub fn data_start(&self) -> Bytes {
        let options = self.codec.options();
        if options.is_empty() {
            return SUPERBLOCK;
        }
        SUPERBLOCK + METADATA_HEADER + Bytes::of(&options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_powers_of_two_that_readers_know() {
        let settings = Settings::new(Codec::Lz4, Epoch::default());
        for (size, known) in [
            (0, false),
            (2048, false),
            (4096, true),
            (6144, false),
            (131_072, true),
            (1 << 20, true),
            (1 << 21, false),
        ] {
            let settings = Settings { block: Bytes::new(size), ..settings };
            assert_eq!(settings.check().is_ok(), known, "{size}");
        }
        let error = Settings { block: Bytes::new(5000), ..settings }.check().unwrap_err();
        let message = "squashfs blocks of 5000 bytes: expected a power of two from 4 KiB to 1 MiB";
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn data_start_after_what_the_codec_says_of_itself() {
        let start = |codec| Settings::new(codec, Epoch::default()).data_start().get();
        assert_eq!(start(Codec::Zstd(15)), 96);
        assert_eq!(start(Codec::Zstd(3)), 96 + 2 + 4);
        assert_eq!(start(Codec::Lz4), 96 + 2 + 8);
        assert_eq!(start(Codec::Gzip(9)), 96);
        assert_eq!(start(Codec::Xz(6)), 96);
        assert_eq!(start(Codec::Plain), 96);
    }
}
