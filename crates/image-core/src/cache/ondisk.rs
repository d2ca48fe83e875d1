//! An entry as bytes. The format is ours; numbers are little-endian.
//!
//! ```text
//!   blocks     back to back, in whatever order they were finished
//!   index      the entry's key, then a record for each block, in the entry's order
//!   trailer    where the index starts, and its hash
//! ```
//!
//! The index comes last because blocks are written as workers finish them; the trailer has a fixed
//! size, so it is found from the end. Every byte that is used is checked: blocks by the hashes in the
//! index, the index by the hash in the trailer, the trailer by having to fit the file.

use super::Key;
use crate::pack::Block;
use crate::units::Bytes;

/// Counts changes to this format: entries of another version are made anew.
pub(super) const VERSION: u32 = 1;

/// The first bytes of every trailer.
pub(super) const MAGIC: [u8; 8] = *b"calvepak";

/// The end of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trailer {
    /// 0 magic: [`MAGIC`]
    pub(super) magic: [u8; 8],
    /// 8 version: [`VERSION`]
    pub(super) version: u32,
    /// 12 blocks: how many records the index has
    pub(super) blocks: u32,
    /// 16 index_start: its offset in the file
    pub(super) index_start: Bytes,
    /// 24 index_sha256
    pub(super) index_sha256: [u8; 32],
}

impl Trailer {
    pub(super) const SIZE: usize = 56;

    pub(super) fn encode(&self) -> [u8; Self::SIZE] {
        let mut out = [0; Self::SIZE];
        let fields = [
            &self.magic[..],
            &self.version.to_le_bytes(),
            &self.blocks.to_le_bytes(),
            &self.index_start.get().to_le_bytes(),
            &self.index_sha256,
        ];
        fields.concat().iter().zip(&mut out).for_each(|(from, to)| *to = *from);
        out
    }

    pub(super) fn decode(bytes: &[u8; Self::SIZE]) -> Self {
        Self {
            magic: take(bytes, 0),
            version: u32::from_le_bytes(take(bytes, 8)),
            blocks: u32::from_le_bytes(take(bytes, 12)),
            index_start: Bytes::new(u64::from_le_bytes(take(bytes, 16))),
            index_sha256: take(bytes, 24),
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
    /// 32 sha256: of its bytes in the file
    pub(super) sha256: [u8; 32],
}

impl Record {
    pub(super) const SIZE: usize = 64;

    fn encode(&self) -> [u8; Self::SIZE] {
        let Block { start, size, unpacked, tag } = self.block;
        let mut out = [0; Self::SIZE];
        let (numbers, sha256) = out.split_at_mut(32);
        let fields = [start.get(), size.get(), unpacked.get(), tag];
        for (to, from) in numbers.chunks_exact_mut(8).zip(fields) {
            to.copy_from_slice(&from.to_le_bytes());
        }
        sha256.copy_from_slice(&self.sha256);
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
            sha256: take(bytes, 32),
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
            magic: MAGIC,
            version: 0x0403_0201,
            blocks: 0x0d0c_0b0a,
            index_start: Bytes::new(0x2726_2524_2322_2120),
            index_sha256: [7; 32],
        };
        let bytes = trailer.encode();
        assert_eq!(&bytes[..24], b"calvepak\x01\x02\x03\x04\x0a\x0b\x0c\x0d !\"#$%&'");
        assert_eq!(bytes[24..], [7; 32]);
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
            sha256: [9; 32],
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
