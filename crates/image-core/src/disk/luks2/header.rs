//! The binary header: magic, sizes, label, UUID, checksum; twice, each before its own metadata.
//!
//! Both copies say the same but for magic, salt and offset. A reader takes the newer one whose
//! checksum is right, so a write that tears one leaves the other. Numbers are big-endian.
//!
//! Follows the specification, section 2.1.

use sha2::{Digest, Sha256};

use super::{COPY, Error};
use crate::inspect::field;
use crate::units::Bytes;

/// The structure's own size; metadata follow.
pub(crate) const SIZE: usize = 4096;
/// The only checksum that `cryptsetup` writes by default, and the one we do.
pub(crate) const CHECKSUM: &str = "sha256";

const MAGIC: [u8; 6] = *b"LUKS\xba\xbe";
const SECOND_MAGIC: [u8; 6] = *b"SKUL\xba\xbe";
const VERSION: u16 = 2;

/// Where the second copy may lie: after a first one of any size that there may be.
pub(crate) const SECOND_OFFSETS: [u64; 9] =
    [0x4000, 0x8000, 0x1_0000, 0x2_0000, 0x4_0000, 0x8_0000, 0x10_0000, 0x20_0000, 0x40_0000];

/// Fields by offset, in the specification's order and under its names.
mod at {
    /// 0x000: magic, six bytes.
    pub(super) const MAGIC: usize = 0x000;
    /// 0x006: version.
    pub(super) const VERSION: usize = 0x006;
    /// 0x008: this structure and its metadata, in bytes.
    pub(super) const HDR_SIZE: usize = 0x008;
    /// 0x010: counts changes; the copy with the larger one is the newer.
    pub(super) const SEQID: usize = 0x010;
    /// 0x018: label, 48 bytes.
    pub(super) const LABEL: usize = 0x018;
    /// 0x048: name of the checksum's function, 32 bytes.
    pub(super) const CSUM_ALG: usize = 0x048;
    /// 0x068: salt, 64 bytes: so that no two headers are alike.
    pub(super) const SALT: usize = 0x068;
    /// 0x0a8: UUID as text, 40 bytes.
    pub(super) const UUID: usize = 0x0A8;
    /// 0x0d0: the second label, 48 bytes.
    pub(super) const SUBSYSTEM: usize = 0x0D0;
    /// 0x100: where this copy lies.
    pub(super) const HDR_OFFSET: usize = 0x100;
    /// 0x1c0: checksum of structure and metadata with this field as zeros, 64 bytes.
    pub(super) const CSUM: usize = 0x1C0;
}

/// Which copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    First,
    Second,
}

impl Which {
    fn magic(self) -> [u8; 6] {
        match self {
            Self::First => MAGIC,
            Self::Second => SECOND_MAGIC,
        }
    }
}

/// What the structure says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Structure and metadata, in bytes.
    pub(crate) hdr_size: u64,
    pub(crate) seqid: u64,
    pub(crate) label: String,
    pub(crate) csum_alg: String,
    pub(crate) salt: [u8; 64],
    pub(crate) uuid: String,
    pub(crate) subsystem: String,
    pub(crate) hdr_offset: u64,
    /// As it was read; writing works it out.
    pub(crate) csum: [u8; 64],
}

/// Writes one copy of [`COPY`] bytes: structure, metadata, zeros.
pub(super) fn encode(header: &Header, which: Which, json: &[u8]) -> Result<Vec<u8>, Error> {
    let size = COPY.to_len().unwrap_or_default();
    // The metadata end with a NUL.
    let most = size - SIZE - 1;
    if json.len() > most {
        return Err(Error::Metadata { found: json.len(), most });
    }
    let mut copy = vec![0; size];
    let mut put = |at: usize, bytes: &[u8]| copy[at..at + bytes.len()].copy_from_slice(bytes);
    put(at::MAGIC, &which.magic());
    put(at::VERSION, &VERSION.to_be_bytes());
    put(at::HDR_SIZE, &header.hdr_size.to_be_bytes());
    put(at::SEQID, &header.seqid.to_be_bytes());
    put(at::LABEL, header.label.as_bytes());
    put(at::CSUM_ALG, header.csum_alg.as_bytes());
    put(at::SALT, &header.salt);
    put(at::UUID, header.uuid.as_bytes());
    put(at::SUBSYSTEM, header.subsystem.as_bytes());
    put(at::HDR_OFFSET, &header.hdr_offset.to_be_bytes());
    put(SIZE, json);
    let sum = checksum(&copy);
    copy[at::CSUM..at::CSUM + sum.len()].copy_from_slice(&sum);
    Ok(copy)
}

/// Tells whether a copy begins here: its magic and a version that is read.
pub(crate) fn is_header(bytes: &[u8], which: Which) -> bool {
    bytes.starts_with(&which.magic()) && field(bytes, at::VERSION) == VERSION.to_be_bytes()
}

/// Reads the structure; magic and version were looked at.
pub(crate) fn decode(bytes: &[u8; SIZE]) -> Header {
    let long = |at| u64::from_be_bytes(field(bytes, at));
    Header {
        hdr_size: long(at::HDR_SIZE),
        seqid: long(at::SEQID),
        label: text(&field::<48>(bytes, at::LABEL)),
        csum_alg: text(&field::<32>(bytes, at::CSUM_ALG)),
        salt: field(bytes, at::SALT),
        uuid: text(&field::<40>(bytes, at::UUID)),
        subsystem: text(&field::<48>(bytes, at::SUBSYSTEM)),
        hdr_offset: long(at::HDR_OFFSET),
        csum: field(bytes, at::CSUM),
    }
}

/// Sums a whole copy, its own sum left out.
pub(crate) fn checksum(copy: &[u8]) -> [u8; 32] {
    let (before, rest) = copy.split_at(at::CSUM.min(copy.len()));
    let after = rest.get(64..).unwrap_or_default();
    Sha256::new().chain_update(before).chain_update([0; 64]).chain_update(after).finalize().into()
}

/// Where a copy lies when both are of the size that is written.
pub(super) fn offset(which: Which) -> Bytes {
    match which {
        Which::First => Bytes::ZERO,
        Which::Second => COPY,
    }
}

/// A text that ends with the first NUL.
fn text(raw: &[u8]) -> String {
    let end = raw.iter().position(|byte| *byte == 0).unwrap_or(raw.len());
    String::from_utf8_lossy(raw.get(..end).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_read_as_it_was_written() {
        let header = Header {
            hdr_size: COPY.get(),
            seqid: 7,
            label: "é".repeat(23),
            csum_alg: CHECKSUM.to_owned(),
            salt: [3; 64],
            uuid: "78dd6e0b-5162-428d-94f1-48bb5d52843a".to_owned(),
            subsystem: String::new(),
            hdr_offset: COPY.get(),
            csum: [0; 64],
        };
        let copy = encode(&header, Which::Second, b"{}").unwrap();
        assert!(is_header(&copy, Which::Second) && !is_header(&copy, Which::First));
        let read = decode(copy.first_chunk().unwrap());
        assert_eq!(read.csum[..32], checksum(&copy));
        assert_eq!(read.csum[32..], [0; 32]);
        assert_eq!(Header { csum: [0; 64], ..read }, header);
        let full = vec![b'x'; 16384 - SIZE - 1];
        assert!(encode(&header, Which::First, &full).is_ok());
        let over = vec![b'x'; 16384 - SIZE];
        let most = 16384 - SIZE - 1;
        let refused = Error::Metadata { found: most + 1, most };
        assert_eq!(encode(&header, Which::First, &over), Err(refused));
    }
}
