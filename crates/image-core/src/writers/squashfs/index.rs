//! What a slab says of its data: the last bytes of each packed block, their length its tag.
//!
//! ```text
//!   data   blocks of the file that began before   (only the first file can)
//!          fragments
//!          blocks of the other large files
//!   index  0   magic       "sqx" and the version
//!          4   blocks      how many blocks of large files
//!          8   small       how many small files
//!          12  fragments   how many fragments
//!          16  records     of blocks: word, CRC-32C of what is stored of it
//!              records     of small files: fragment, offset in it
//!              records     of fragments: word
//!          end check       CRC-32 of all before it
//! ```
//!
//! The format is ours; numbers are 32 bits, little-endian. Which files they are is not told: the row
//! knows (see `row`). What is here is checked all the same, because it was on a disk.

use super::Word;
use crate::units::Bytes;

/// The last byte counts changes to this format and to the order of data.
pub(super) const MAGIC: [u8; 4] = *b"sqx\x02";

const HEADER: usize = 16;
const BLOCK: usize = 8;
const SMALL: usize = 8;
const FRAGMENT: usize = 4;
const CHECK: usize = 4;

/// A block of a large file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) word: Word,
    /// CRC-32C of the stored bytes. Encoders are deterministic, so the same data have the same; of files
    /// whose sums are the same, who wants to be certain compares what is stored.
    pub(super) sum: u32,
}

/// Where a small file lies; fragments are counted within the slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Small {
    pub(super) fragment: u32,
    pub(super) offset: u32,
}

/// The index of one slab.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    /// The blocks of large files, in the order of the row.
    pub(super) blocks: Vec<Block>,
    /// The small files, in the order of the row.
    pub(super) small: Vec<Small>,
    /// The fragments, in the order of the data.
    pub(super) fragments: Vec<Word>,
}

/// An index that cannot be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// Its length is not what it says itself.
    #[error("it has {found} bytes: expected {expected}")]
    Size {
        /// What it should have.
        expected: u64,
        /// What it has.
        found: u64,
    },
    /// It is of another version, or no index at all.
    #[error("it starts with {found:02x?}: expected {MAGIC:02x?}")]
    Magic {
        /// Its first bytes.
        found: [u8; 4],
    },
    /// Something in it changed.
    #[error("its check sum is {found:08x}: expected {expected:08x}")]
    Check {
        /// What its bytes give.
        expected: u32,
        /// What it says.
        found: u32,
    },
    /// It is the index of something else.
    #[error("it tells of {found} {what}: expected {expected}")]
    Count {
        /// Of what.
        what: &'static str,
        /// As many as the files have.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// What it is of begins or ends within a block.
    #[error(
        "its data have a file of {size} bytes up to byte {end}: expected a border between blocks"
    )]
    Cut {
        /// Where the data end in the file.
        end: u64,
        /// The file's size.
        size: u64,
    },
    /// A block takes more space than there is data in it.
    #[error("a block is said to be {word:#x}: expected at most {expected} bytes")]
    Word {
        /// What it is said to be.
        word: u32,
        /// How large it is unpacked.
        expected: u64,
    },
    /// A small file lies where no fragment is.
    #[error("a file is said to lie at byte {offset} of fragment {fragment}, which is not there")]
    Place {
        /// Which fragment.
        fragment: u32,
        /// Where in it.
        offset: u32,
    },
}

impl Index {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
        out.extend(MAGIC);
        for len in [self.blocks.len(), self.small.len(), self.fragments.len()] {
            out.extend(count(len));
        }
        for block in &self.blocks {
            out.extend(block.word.bits().to_le_bytes());
            out.extend(block.sum.to_le_bytes());
        }
        for small in &self.small {
            out.extend(small.fragment.to_le_bytes());
            out.extend(small.offset.to_le_bytes());
        }
        out.extend(self.fragments.iter().flat_map(|word| word.bits().to_le_bytes()));
        let check = crc32fast::hash(&out[start..]);
        out.extend(check.to_le_bytes());
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, IndexError> {
        let size = |expected| IndexError::Size { expected, found: Bytes::of(bytes).get() };
        let least = u64::try_from(HEADER + CHECK).unwrap_or_default();
        let (body, check) = bytes.split_last_chunk::<CHECK>().ok_or_else(|| size(least))?;
        let (header, records) = body.split_first_chunk::<HEADER>().ok_or_else(|| size(least))?;
        let [magic, counts @ ..] = [0, 4, 8, 12].map(|at| take::<4>(header, at));
        if magic != MAGIC {
            return Err(IndexError::Magic { found: magic });
        }
        let (expected, found) = (crc32fast::hash(body), u32::from_le_bytes(*check));
        if expected != found {
            return Err(IndexError::Check { expected, found });
        }
        let counts = counts.map(|count| Bytes::new(u32::from_le_bytes(count).into()));
        let mut sizes = counts.iter().zip([BLOCK, SMALL, FRAGMENT]);
        let sizes = sizes.try_fold(0, |sum: u64, (count, size)| {
            sum.checked_add(count.get().checked_mul(Bytes::from_len(size).get())?)
        });
        let expected = sizes.unwrap_or(u64::MAX);
        if Bytes::of(records).get() != expected {
            return Err(size(expected.saturating_add(least)));
        }
        let [blocks, small, _] = counts.map(|count| count.to_len().unwrap_or_default());
        let (blocks, rest) = records.split_at(blocks * BLOCK);
        let (small, fragments) = rest.split_at(small * SMALL);
        let number = |record: &[u8], at| u32::from_le_bytes(take(record, at));
        let word = |record: &[u8]| Word::from_bits(number(record, 0));
        let block = |record: &[u8]| Block { word: word(record), sum: number(record, 4) };
        let place =
            |record: &[u8]| Small { fragment: number(record, 0), offset: number(record, 4) };
        Ok(Self {
            blocks: blocks.chunks_exact(BLOCK).map(block).collect(),
            small: small.chunks_exact(SMALL).map(place).collect(),
            fragments: fragments.chunks_exact(FRAGMENT).map(word).collect(),
        })
    }

    /// Sums up the data before the index.
    pub(super) fn data(&self) -> Bytes {
        let blocks = self.blocks.iter().map(|block| block.word);
        blocks.chain(self.fragments.iter().copied()).map(Word::size).sum()
    }
}

/// Takes a field out of a structure; constants say where, and tests that they are right.
fn take<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|index| bytes[at + index])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Index {
        let block = |bits| Block { word: Word::from_bits(bits), sum: 9 };
        Index {
            blocks: vec![block(300), block(0), block(7 | 1 << 24)],
            small: vec![Small { fragment: 0, offset: 0 }, Small { fragment: 1, offset: 70_000 }],
            fragments: vec![Word::from_bits(1000), Word::from_bits(5 | 1 << 24)],
        }
    }

    fn encoded(index: &Index) -> Vec<u8> {
        let mut out = b"data".to_vec();
        index.encode(&mut out);
        out.split_off(4)
    }

    #[test]
    fn an_index_is_read_as_it_was_written() {
        for index in [Index::default(), sample()] {
            let bytes = encoded(&index);
            assert_eq!(Index::decode(&bytes), Ok(index));
        }
        let bytes = encoded(&sample());
        assert_eq!(bytes.len(), 16 + 3 * 8 + 2 * 8 + 2 * 4 + 4);
        assert_eq!(bytes[..20], *b"sqx\x02\x03\0\0\0\x02\0\0\0\x02\0\0\0\x2c\x01\0\0");
        assert_eq!(sample().data().get(), 300 + 7 + 1000 + 5);
    }

    #[test]
    fn whatever_is_cut_or_flipped_is_noticed() {
        let bytes = encoded(&sample());
        for len in 0..bytes.len() {
            assert!(Index::decode(&bytes[..len]).is_err(), "cut to {len}");
            assert!(Index::decode(&bytes[bytes.len() - len..]).is_err(), "the last {len}");
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << bit;
                assert!(Index::decode(&bytes).is_err(), "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn counts_beyond_all_sizes_are_refused() {
        let mut bytes = encoded(&sample());
        let end = bytes.len() - CHECK;
        bytes[4..16].fill(0xFF);
        let check = crc32fast::hash(&bytes[..end]);
        bytes[end..].copy_from_slice(&check.to_le_bytes());
        let error = Index::decode(&bytes).unwrap_err();
        assert_eq!(error.to_string(), "it has 68 bytes: expected 85899345920");
    }
}
