//! An entry as bytes. The format is ours; numbers are little-endian.
//!
//! ```text
//!   blocks     back to back, in whatever order they were finished
//!   index      the entry's key, then a record for each block, in the entry's order
//!   trailer    where the index starts, and its check sum
//! ```
//!
//! The index comes last because blocks are written as workers finish them; the trailer has a fixed
//! size, so it is found from the end, and whatever a later version makes of it, it ends with the
//! version and the magic. Every byte that is used is checked: blocks by the sums in the index, the
//! index by the sum in the trailer, the trailer by having to fit the file.
//!
//! The sums are CRC-32C (Castagnoli, as in RFC 3720, appendix B.4): the processor has an instruction
//! for it, so reading an entry costs little more than its copying, and a rebuild reads all of them.
//! It finds every run of damage up to 32 bits and every three flipped bits in blocks of this size,
//! and misses one in 2^32 of whatever else happens to a block, such as zeros after a power cut. A
//! digest would find no more of that: it is against malice, which these sums are not meant for.

use super::Key;
use crate::pack::Block;
use crate::units::Bytes;

/// Counts changes to this format: entries of another version are made anew.
pub(super) const VERSION: u32 = 2;

/// The last bytes of every entry.
pub(super) const MAGIC: [u8; 8] = *b"calvepak";

/// The end of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trailer {
    /// 0 index_start: its offset in the file
    pub(super) index_start: Bytes,
    /// 8 blocks: how many records the index has
    pub(super) blocks: u32,
    /// 12 index_crc32c
    pub(super) index_crc32c: u32,
    /// 16 version: [`VERSION`]
    pub(super) version: u32,
    /// 20 magic: [`MAGIC`]
    pub(super) magic: [u8; 8],
}

impl Trailer {
    pub(super) const SIZE: usize = 28;

    pub(super) fn encode(&self) -> [u8; Self::SIZE] {
        let mut out = [0; Self::SIZE];
        let fields = [
            &self.index_start.get().to_le_bytes()[..],
            &self.blocks.to_le_bytes(),
            &self.index_crc32c.to_le_bytes(),
            &self.version.to_le_bytes(),
            &self.magic,
        ];
        fields.concat().iter().zip(&mut out).for_each(|(from, to)| *to = *from);
        out
    }

    pub(super) fn decode(bytes: &[u8; Self::SIZE]) -> Self {
        Self {
            index_start: Bytes::new(u64::from_le_bytes(take(bytes, 0))),
            blocks: u32::from_le_bytes(take(bytes, 8)),
            index_crc32c: u32::from_le_bytes(take(bytes, 12)),
            version: u32::from_le_bytes(take(bytes, 16)),
            magic: take(bytes, 20),
        }
    }

    /// Returns how long the index is.
    pub(super) fn index_size(&self) -> Bytes {
        Bytes::from_len(KEY) + Bytes::from_len(Record::SIZE) * u64::from(self.blocks)
    }
}

/// The size of a key, with which an index starts.
const KEY: usize = 32;

/// A block in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// 0 start, 8 size, 16 unpacked, 24 tag: see [`Block`]
    pub(super) block: Block,
    /// 32 crc32c: of its bytes in the file
    pub(super) crc32c: u32,
}

impl Record {
    pub(super) const SIZE: usize = 36;

    fn encode(&self) -> [u8; Self::SIZE] {
        let Block { start, size, unpacked, tag } = self.block;
        let mut out = [0; Self::SIZE];
        let (numbers, crc32c) = out.split_at_mut(32);
        let fields = [start.get(), size.get(), unpacked.get(), tag];
        for (to, from) in numbers.chunks_exact_mut(8).zip(fields) {
            to.copy_from_slice(&from.to_le_bytes());
        }
        crc32c.copy_from_slice(&self.crc32c.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8; Self::SIZE]) -> Self {
        let size = |bytes| Bytes::new(u64::from_le_bytes(bytes));
        Self {
            block: Block {
                start: size(take(bytes, 0)),
                size: size(take(bytes, 8)),
                unpacked: size(take(bytes, 16)),
                tag: u64::from_le_bytes(take(bytes, 24)),
            },
            crc32c: u32::from_le_bytes(take(bytes, 32)),
        }
    }
}

/// The index: whose entry it is, and its blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Index {
    /// 0 key
    pub(super) key: Key,
    /// 32 records: one for each block, in the entry's order
    pub(super) records: Vec<Record>,
}

impl Index {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = self.key.0.to_vec();
        out.extend(self.records.iter().flat_map(Record::encode));
        out
    }

    /// Decodes an index; its length is that which the trailer says.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (key, records) = bytes.split_first_chunk::<KEY>()?;
        let records = records.as_chunks().0.iter().map(Record::decode).collect();
        Some(Self { key: Key(*key), records })
    }
}

/// Takes a field out of a structure; constants say where, and tests that they are right.
fn take<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|index| bytes[at + index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_have_their_places() {
        let trailer = Trailer {
            index_start: Bytes::new(0x2726_2524_2322_2120),
            blocks: 0x0d0c_0b0a,
            index_crc32c: 0x6463_6261,
            version: 0x0403_0201,
            magic: MAGIC,
        };
        let bytes = trailer.encode();
        assert_eq!(&bytes, b" !\"#$%&'\x0a\x0b\x0c\x0dabcd\x01\x02\x03\x04calvepak");
        assert_eq!(Trailer::decode(&bytes), trailer);
    }

    #[test]
    fn an_index_is_read_as_it_was_written() {
        let record = |number: u64| Record {
            block: Block {
                start: Bytes::new(number),
                size: Bytes::new(number << 20),
                unpacked: Bytes::new(number << 40),
                tag: !number,
            },
            crc32c: 0x9000_0009,
        };
        for count in [0, 1, 5] {
            let index = Index { key: Key([3; 32]), records: (1..=count).map(record).collect() };
            let bytes = index.encode();
            let blocks = u32::try_from(count).unwrap();
            let trailer = Trailer::decode(&[0; Trailer::SIZE]);
            assert_eq!(Trailer { blocks, ..trailer }.index_size(), Bytes::of(&bytes));
            assert_eq!(Index::decode(&bytes), Some(index));
        }
        assert_eq!(Index::decode(&[0; KEY - 1]), None);
    }
}
