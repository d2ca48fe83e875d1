//! Finds where a qcow2 image keeps a byte of its disk.
//!
//! Two tables lead there: the first is read whole, entries of the second one at a time. Compressed,
//! encrypted and layered images are refused, as is an external data file.
//!
//! Follows docs/interop/qcow2.rst of QEMU's source, versions 2 and 3.

use std::fs::File;

use super::Error;
use super::field;
use super::read_some;
use crate::units::Bytes;

const MAGIC: &[u8; 4] = b"QFI\xfb";
/// Bits 9 to 55 of a table's entry are the offset in the file.
const OFFSET: u64 = 0x00FF_FFFF_FFFF_FE00;
/// The cluster is compressed.
const COMPRESSED: u64 = 1 << 62;
/// The cluster reads as zeros, wherever it points.
const ZEROS: u64 = 1;
/// Feature bits that change nothing for a reader: dirty, corrupt.
const HARMLESS: u64 = 0b11;
/// QEMU's own limit for the first table: 32 MiB.
const MAX_TABLE: u32 = (32 << 20) / 8;

/// The way from the disk's bytes to the file's.
#[derive(Debug)]
pub(super) struct Map {
    size: u64,
    cluster_bits: u32,
    first: Vec<u64>,
}

impl Map {
    /// Reads the header and the first table; `None` where the file is no qcow2 image.
    pub(super) fn read(file: &File) -> Result<Option<Self>, Error> {
        let mut header = [0; 104];
        read_some(file, 0, &mut header)?;
        if !header.starts_with(MAGIC) {
            return Ok(None);
        }
        let number = |at| u32::from_be_bytes(field(&header, at));
        let long = |at| u64::from_be_bytes(field(&header, at));
        let version = number(4);
        let cluster_bits = number(20);
        let entries = number(36);
        let features = if version >= 3 { long(72) & !HARMLESS } else { 0 };
        for (is_wrong, found) in [
            (!(2..=3).contains(&version), format!("version {version}")),
            (!(9..=21).contains(&cluster_bits), format!("clusters of 2^{cluster_bits} bytes")),
            (entries > MAX_TABLE, format!("a first table of {entries} entries")),
            (long(8) != 0, "a backing file".to_owned()),
            (number(32) != 0, "encryption".to_owned()),
            (features != 0, format!("the incompatible features {features:#x}")),
        ] {
            if is_wrong {
                return Err(Error::Qcow2 { found });
            }
        }
        let mut table = vec![0; usize::try_from(entries).unwrap_or_default() * 8];
        read_some(file, long(40), &mut table)?;
        let first = table.chunks_exact(8).map(|raw| u64::from_be_bytes(field(raw, 0))).collect();
        Ok(Some(Self { size: long(24), cluster_bits, first }))
    }

    /// The size of the disk.
    pub(super) fn size(&self) -> Bytes {
        Bytes::new(self.size)
    }

    /// How many bytes from `at` lie in one cluster.
    pub(super) fn within_cluster(&self, at: u64) -> u64 {
        let cluster = 1 << self.cluster_bits;
        cluster - at % cluster
    }

    /// Where the file keeps the byte at `at`; `None` where it reads as zero.
    pub(super) fn find(&self, file: &File, at: u64) -> Result<Option<u64>, Error> {
        let cluster = at >> self.cluster_bits;
        // A second table fills one cluster with entries of 8 bytes.
        let second_bits = self.cluster_bits - 3;
        let index = usize::try_from(cluster >> second_bits).unwrap_or(usize::MAX);
        let table = self.first.get(index).copied().unwrap_or_default() & OFFSET;
        if at >= self.size || table == 0 {
            return Ok(None);
        }
        let mut raw = [0; 8];
        read_some(file, table + cluster % (1 << second_bits) * 8, &mut raw)?;
        let entry = u64::from_be_bytes(raw);
        if entry & COMPRESSED != 0 {
            return Err(Error::Qcow2 { found: "compressed clusters".to_owned() });
        }
        let host = entry & OFFSET;
        if host == 0 || entry & ZEROS != 0 {
            return Ok(None);
        }
        Ok(Some(host + at % (1 << self.cluster_bits)))
    }
}
