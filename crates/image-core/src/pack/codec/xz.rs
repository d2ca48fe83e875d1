//! One xz stream, as "The .xz File Format" 1.2.1 has it; sections are those of that document.
//!
//! liblzma compresses a block to bare LZMA2. The header, the check and the index around that are made
//! here, because liblzma itself makes them only for a stream that it writes from end to end. Every
//! block header tells both sizes, so that decoders may work on many blocks at once. The check is
//! CRC32, which alone every decoder is asked to know (section 2.1.1.2).
//!
//! A block's tag is its Unpadded Size, which its size does not tell.

use std::ops::RangeInclusive;

use liblzma::stream::{Action, Filters, LzmaOptions, Status, Stream};

use crate::pack::Block;
use crate::units::{Bytes, KIB, MIB};

pub(super) const PRESETS: RangeInclusive<u8> = 0..=9;

/// liblzma's own version is out of reach without unsafe code, but the crate that brings it decides it.
/// A test holds this against Cargo.lock.
pub(super) const LIBRARY: &str = "liblzma-sys 0.4.9";

/// Section 2.1.1.2: no version but the first, blocks end in a CRC32.
const STREAM_FLAGS: [u8; 2] = [0, 1];
const HEADER_MAGIC: [u8; 6] = [0xFD, b'7', b'z', b'X', b'Z', 0];
const FOOTER_MAGIC: [u8; 2] = *b"YZ";

/// Section 3.1.2: one filter, both sizes present.
const BLOCK_FLAGS: u8 = 0xC0;

/// Section 5.3.1: LZMA2, and that its properties are one byte.
const LZMA2: [u8; 2] = [0x21, 1];

/// Returns what liblzma takes with the largest dictionary that a preset is given here.
pub(super) fn memory(preset: u8) -> Bytes {
    let mib = match preset {
        0 => 3,
        1 => 9,
        2 => 17,
        3 => 32,
        4 => 48,
        5 | 6 => 94,
        7.. => 186,
    };
    MIB * mib
}

/// Appends a block.
pub(super) fn encode(preset: u8, data: &[u8], out: &mut Vec<u8>) -> Result<u64, String> {
    let dictionary = Dictionary::of(preset, data);
    let mut options = LzmaOptions::new_preset(preset.into()).map_err(|e| e.to_string())?;
    options.dict_size(dictionary.size());
    let mut encoder =
        Stream::new_raw_encoder(Filters::new().lzma2(&options)).map_err(|e| e.to_string())?;
    let start = out.len();
    // What does not compress is stored in chunks of not much less than 64 KiB, each with 3 bytes before it.
    out.reserve(data.len() + data.len() / 1024 + 4096);
    match encoder.process_vec(data, out, Action::Finish) {
        Ok(Status::StreamEnd) => {}
        Ok(status) => return Err(format!("the block did not end ({status:?})")),
        Err(error) => return Err(error.to_string()),
    }

    let header = header(encoder.total_out(), Bytes::of(data), dictionary);
    out.splice(start..start, header);
    // Of the block, wherever it stands.
    let size = out.len() - start;
    let padding = size.next_multiple_of(4) - size;
    out.resize(out.len() + padding, 0);
    out.extend(crc32fast::hash(data).to_le_bytes());
    Ok(Bytes::from_len(out.len() - start - padding).get())
}

/// Section 3.1: a Block Header.
fn header(compressed: u64, unpacked: Bytes, dictionary: Dictionary) -> Vec<u8> {
    // The first byte is the header's size, known at the end.
    let mut header = vec![0, BLOCK_FLAGS];
    header.extend(multibyte(compressed));
    header.extend(multibyte(unpacked.get()));
    header.extend(LZMA2);
    header.push(dictionary.0);
    header.resize(header.len().next_multiple_of(4), 0);
    // In fours, less one, the CRC32 counted: at most 8 with both sizes at their longest.
    header[0] = u8::try_from(header.len() / 4).unwrap_or(u8::MAX);
    sealed(header)
}

/// Section 2.1.1: the Stream Header.
pub(super) fn before() -> Vec<u8> {
    [HEADER_MAGIC.as_slice(), &STREAM_FLAGS, &crc32fast::hash(&STREAM_FLAGS).to_le_bytes()].concat()
}

/// Sections 4 and 2.1.2: the Index and the Stream Footer.
pub(super) fn after<'b>(blocks: impl Iterator<Item = &'b Block>) -> Vec<u8> {
    let mut records = Vec::new();
    let mut count = 0;
    for block in blocks {
        records.extend(multibyte(block.tag));
        records.extend(multibyte(block.unpacked.get()));
        count += 1;
    }
    // The Index Indicator is where a block would have the size of its header.
    let mut index = vec![0];
    index.extend(multibyte(count));
    index.extend(records);
    index.resize(index.len().next_multiple_of(4), 0);
    // Section 2.1.2.2: in fours, less one, the CRC32 counted; 16 GiB of index are beyond any archive.
    let backward = u32::try_from(index.len() / 4).unwrap_or(u32::MAX);
    let footer = [backward.to_le_bytes().as_slice(), &STREAM_FLAGS].concat();
    let check = crc32fast::hash(&footer).to_le_bytes();
    [sealed(index).as_slice(), &check, &footer, &FOOTER_MAGIC].concat()
}

/// A dictionary's size as section 5.3.1 encodes it: 2 or 3 times a power of two, from 4 KiB.
#[derive(Clone, Copy)]
struct Dictionary(u8);

impl Dictionary {
    /// 16 MiB: presets 8 and 9 want more, but for larger blocks than there are.
    const LARGEST: Self = Self(24);

    /// Returns the preset's, or a smaller one that holds all of the data: neither side needs more.
    fn of(preset: u8, data: &[u8]) -> Self {
        let most = match preset {
            0 => KIB * 256,
            1 => MIB,
            2 => MIB * 2,
            3 | 4 => MIB * 4,
            5 | 6 => MIB * 8,
            7.. => MIB * 16,
        };
        let useful = Bytes::of(data).min(most);
        let mut sizes = (0..Self::LARGEST.0).map(Self);
        sizes.find(|it| Bytes::new(it.size().into()) >= useful).unwrap_or(Self::LARGEST)
    }

    /// Returns its size in bytes.
    fn size(self) -> u32 {
        (2 | u32::from(self.0 & 1)) << (self.0 / 2 + 11)
    }
}

/// Section 1.2: seven bits a byte, the lowest first; all bytes but the last have their top bit set.
fn multibyte(number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = number;
    loop {
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            bytes.push(low & 0x7F);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// Appends the CRC32 of all that is there.
fn sealed(mut field: Vec<u8>) -> Vec<u8> {
    let check = crc32fast::hash(&field).to_le_bytes();
    field.extend(check);
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_take_seven_bits_a_byte() {
        for (number, bytes) in [
            (0, vec![0]),
            (127, vec![0x7F]),
            (128, vec![0x80, 1]),
            (0x3FFF, vec![0xFF, 0x7F]),
            (1 << 24, vec![0x80, 0x80, 0x80, 8]),
        ] {
            assert_eq!(multibyte(number), bytes, "{number}");
        }
    }

    #[test]
    fn dictionaries_hold_the_data_and_no_more_than_the_preset() {
        let size = |preset, len: usize| Dictionary::of(preset, &vec![0; len]).size();
        assert_eq!(size(6, 0), 4096);
        assert_eq!(size(6, 4097), 6144);
        assert_eq!(size(6, 5 << 20), 6 << 20);
        assert_eq!(size(6, 16 << 20), 8 << 20);
        assert_eq!(size(9, 16 << 20), 16 << 20);
        assert_eq!(size(9, 20 << 20), 16 << 20);
        assert_eq!(size(0, 1 << 20), 256 << 10);
    }

    #[test]
    fn a_block_tells_both_sizes_where_the_document_puts_them() {
        let header = header(300, Bytes::new(5), Dictionary(0));
        assert_eq!(header[..8], [2, 0xC0, 0xAC, 2, 5, 0x21, 1, 0]);
        assert_eq!(header.len(), 12);
        assert_eq!(header[8..], crc32fast::hash(&header[..8]).to_le_bytes());
    }
}
