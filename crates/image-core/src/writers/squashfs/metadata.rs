//! Metadata: a row of records cut into blocks of 8 KiB, each compressed by itself.
//!
//! Records know nothing of blocks and may lie across two of them. What refers to one says which block
//! it starts in, by that block's place on disk, and where in the unpacked block. A lookup table is such
//! a row of records of one size, and behind it the places of its blocks, so that the block of any
//! record is found without the others.

use super::ondisk::{METADATA_RAW, METADATA_SIZE};
use super::{Codec, Encoder, Error};
use crate::units::Bytes;

/// zstd's levels above are not worth their time on 8 KiB: 19 takes eight times as long as this one, and
/// makes of 80,000 inodes 856 KB where this one makes 877.
const ENOUGH_ZSTD: u8 = 9;

/// Where a record starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Its block: where that starts, counted from the first one.
    pub(super) block: u32,
    /// Where in the unpacked block.
    pub(super) offset: u16,
}

impl Place {
    /// Returns it as inodes are referred to.
    pub(super) fn reference(self) -> u64 {
        u64::from(self.block) << 16 | u64::from(self.offset)
    }
}

/// Records being compressed.
#[derive(Debug)]
pub(super) struct Metadata {
    /// What it is called in messages.
    what: &'static str,
    encoder: Encoder,
    /// The blocks so far, each behind its two bytes.
    packed: Vec<u8>,
    /// Where each starts.
    starts: Vec<u32>,
    /// What is no whole block yet.
    open: Vec<u8>,
    scratch: Vec<u8>,
}

impl Metadata {
    /// Starts a row without records.
    pub(super) fn new(what: &'static str, codec: Codec) -> Result<Self, Error> {
        let encoder = enough(codec).encoder()?;
        let (packed, starts) = (Vec::new(), Vec::new());
        Ok(Self { what, encoder, packed, starts, open: Vec::new(), scratch: Vec::new() })
    }

    /// Returns where the next record will start.
    pub(super) fn place(&self) -> Result<Place, Error> {
        let found = self.packed.len();
        let block =
            u32::try_from(found).map_err(|_| Error::TableTooLarge { table: self.what, found })?;
        // Whole blocks are never left open.
        Ok(Place { block, offset: u16::try_from(self.open.len()).unwrap_or_default() })
    }

    /// Adds a record.
    pub(super) fn push(&mut self, mut record: &[u8]) -> Result<(), Error> {
        while !record.is_empty() {
            let room = METADATA_SIZE - self.open.len();
            let (now, later) = record.split_at(room.min(record.len()));
            self.open.extend_from_slice(now);
            record = later;
            if self.open.len() == METADATA_SIZE {
                self.close()?;
            }
        }
        Ok(())
    }

    /// Compresses what is open.
    fn close(&mut self) -> Result<(), Error> {
        self.starts.push(self.place()?.block);
        self.scratch.clear();
        let word = self.encoder.compress(&self.open, &mut self.scratch)?;
        // At most 8 KiB.
        let size = u16::try_from(self.scratch.len()).unwrap_or_default();
        let head = if word.is_plain() { size | METADATA_RAW } else { size };
        self.packed.extend(head.to_le_bytes());
        self.packed.extend_from_slice(&self.scratch);
        self.open.clear();
        Ok(())
    }

    /// Returns all blocks.
    pub(super) fn finish(mut self) -> Result<Blocks, Error> {
        if !self.open.is_empty() {
            self.close()?;
        }
        Ok(Blocks { packed: self.packed, starts: self.starts })
    }
}

/// Records that are compressed.
#[derive(Debug)]
pub(super) struct Blocks {
    /// The blocks.
    pub(super) packed: Vec<u8>,
    /// Where each starts.
    starts: Vec<u32>,
}

impl Blocks {
    /// Compresses records that are all there.
    pub(super) fn of(what: &'static str, codec: Codec, records: &[u8]) -> Result<Self, Error> {
        let mut metadata = Metadata::new(what, codec)?;
        metadata.push(records)?;
        metadata.finish()
    }

    /// Lists where each block lies if the first one lies at `at`.
    pub(super) fn places(&self, at: Bytes) -> Vec<u8> {
        self.starts.iter().flat_map(|start| (at.get() + u64::from(*start)).to_le_bytes()).collect()
    }
}

/// Returns the codec at a level that blocks of 8 KiB are worth.
fn enough(codec: Codec) -> Codec {
    match codec {
        Codec::Zstd(level) => Codec::Zstd(level.min(ENOUGH_ZSTD)),
        Codec::Plain | Codec::Gzip(_) | Codec::Xz(_) | Codec::Lz4 => codec,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_that_of_the_block_a_record_starts_in() {
        let mut metadata = Metadata::new("table", Codec::Plain).unwrap();
        for (size, block, offset) in [(8190, 0, 0), (2, 0, 8190), (8191, 8194, 0), (2, 8194, 8191)]
        {
            assert_eq!(metadata.place().unwrap(), Place { block, offset });
            metadata.push(&vec![1; size]).unwrap();
        }
        assert_eq!(metadata.place().unwrap(), Place { block: 2 * 8194, offset: 1 });
        assert_eq!(metadata.place().unwrap().reference(), ((2 * 8194) << 16) | 1);
        let blocks = metadata.finish().unwrap();
        assert_eq!(blocks.packed.len(), 2 * 8194 + 3);
        // Stored as they are: the highest bit of the size.
        assert_eq!(blocks.packed[..2], [0x00, 0xA0]);
        assert_eq!(blocks.packed[2 * 8194..], [0x01, 0x80, 1]);
        let places: Vec<u8> =
            [1000u64, 9194, 17_388].iter().flat_map(|at| at.to_le_bytes()).collect();
        assert_eq!(blocks.places(Bytes::new(1000)), places);
    }

    #[test]
    fn a_block_that_does_not_shrink_is_stored_as_it_is() {
        let zeros = Blocks::of("table", Codec::Lz4, &[0; 8192]).unwrap().packed;
        let size = u16::from_le_bytes([zeros[0], zeros[1]]);
        assert_eq!((size & METADATA_RAW, usize::from(size)), (0, zeros.len() - 2));
        assert_eq!(Blocks::of("table", Codec::Lz4, b"!").unwrap().packed, [1, 0x80, b'!']);
    }
}
