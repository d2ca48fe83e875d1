//! One gzip member, as RFC 1952 has it, around deflate data, as RFC 1951 has it.
//!
//! Not a member for each block: old readers stop after the first. A block is a run of deflate data
//! that looks back at nothing before it and ends in a full flush, which is on a byte's border. So
//! runs can be put one after the other, and the stream ends in a last block without contents.
//!
//! A block's tag is the CRC-32 of its unpacked bytes; that of the member is combined from them.

use std::ops::RangeInclusive;

use crc32fast::Hasher;
use flate2::{Compress, Compression, FlushCompress};

use super::low_half;
use crate::pack::Block;
use crate::units::{Bytes, MIB};

pub(super) const LEVELS: RangeInclusive<u8> = 1..=9;

/// The library does not tell its version; a test holds this against Cargo.lock.
pub(super) const LIBRARY: &str = "zlib-rs 0.6.8";

/// Windows, hash chains and symbols: some hundred KiB at any level.
pub(super) const MEMORY: Bytes = MIB;

/// RFC 1952, section 2.3: deflate, no name, no time, of no known system.
const HEADER: [u8; 10] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF];

/// RFC 1951, section 3.2.3: the last block, of fixed codes, and no more than its end.
const LAST: [u8; 2] = [3, 0];

/// Appends a run of deflate data.
pub(super) fn encode(level: u8, data: &[u8], out: &mut Vec<u8>) -> Result<u64, String> {
    let mut encoder = Compress::new(Compression::new(level.into()), false);
    // Fixed codes, which level 1 uses, take 9 bits for a byte at worst. The space is for all of the run:
    // what is left of it must not decide where the encoder stops.
    out.reserve(data.len() + data.len() / 4 + 4096);
    encoder.compress_vec(data, out, FlushCompress::Full).map_err(|e| e.to_string())?;
    let (read, size) = (encoder.total_in(), Bytes::of(data).get());
    if read != size || out.len() == out.capacity() {
        return Err(format!("the block did not end ({read} of {size} bytes read)"));
    }
    Ok(crc32fast::hash(data).into())
}

/// Returns the member's header.
pub(super) fn before() -> Vec<u8> {
    HEADER.to_vec()
}

/// Returns the last deflate block and RFC 1952's CRC32 and ISIZE.
pub(super) fn after<'b>(blocks: impl Iterator<Item = &'b Block>) -> Vec<u8> {
    let mut check = Hasher::new();
    let mut size = 0u64;
    for block in blocks {
        let crc = u32::from_le_bytes(low_half(block.tag));
        check.combine(&Hasher::new_with_initial_len(crc, block.unpacked.get()));
        size = size.wrapping_add(block.unpacked.get());
    }
    [LAST.as_slice(), &check.finalize().to_le_bytes(), &low_half(size)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_beyond_4_gib_are_told_modulo_2_32() {
        let unpacked = Bytes::new(3 << 30);
        let block = Block { start: Bytes::ZERO, size: Bytes::ZERO, unpacked, tag: 0 };
        let trailer = after([block, block].iter());
        assert_eq!(trailer[6..], (2u32 << 30).to_le_bytes());
    }

    #[test]
    fn the_check_of_the_whole_is_made_from_those_of_the_blocks() {
        let (one, two) = (vec![1; 70_000], b"two".to_vec());
        let block = |data: &[u8]| {
            let tag = crc32fast::hash(data).into();
            Block { start: Bytes::ZERO, size: Bytes::ZERO, unpacked: Bytes::of(data), tag }
        };
        let trailer = after([block(&one), block(&[]), block(&two)].iter());
        assert_eq!(trailer[2..6], crc32fast::hash(&[one, two].concat()).to_le_bytes());
        assert_eq!(after([].iter()), [3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
}
