//! Reads the partition table of a master boot record: its four records.
//!
//! Logical partitions within an extended one are not followed. A record counts as damaged, and with it
//! the table, where its boot indicator is neither of the two that exist: sectors that end with the
//! same two bytes are the first of FAT volumes, too.
//!
//! Follows the UEFI specification 2.10, section 5.2.1 ("Legacy Master Boot Record").

use super::Error;
use super::Medium;
use super::field;
use crate::units::{Bytes, SectorSize};

/// What protects a GPT: it covers the disk for those that know no GPT.
pub const PROTECTIVE: u8 = 0xEE;

/// A record of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Its number, from 1.
    pub number: u32,
    /// What it is for: `OSType`.
    pub kind: u8,
    /// Where it begins.
    pub start: Bytes,
    /// How large it is.
    pub size: Bytes,
}

/// Reads the records that are used; `None` where there is no such table, or an empty one.
///
/// # Errors
/// The disk cannot be read.
pub fn read(disk: &dyn Medium, sector_size: SectorSize) -> Result<Option<Vec<Record>>, Error> {
    let mut sector = [0; 512];
    disk.read(Bytes::ZERO, &mut sector)?;
    if field(&sector, 510) != [0x55, 0xAA] {
        return Ok(None);
    }
    let raw = || sector.iter().skip(446).copied().collect::<Vec<u8>>();
    let mut records = Vec::new();
    for (record, number) in raw().chunks_exact(16).take(4).zip(1..) {
        let [indicator] = field(record, 0);
        let [kind] = field(record, 4);
        if !matches!(indicator, 0x00 | 0x80) {
            return Ok(None);
        }
        let sectors = |at| sector_size.bytes() * u64::from(u32::from_le_bytes(field(record, at)));
        let (start, size) = (sectors(8), sectors(12));
        if kind != 0 && !size.is_zero() {
            records.push(Record { number, kind, start, size });
        }
    }
    Ok(if records.is_empty() { None } else { Some(records) })
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Medium for Vec<u8> {
        fn read(&self, at: Bytes, buffer: &mut [u8]) -> Result<(), Error> {
            buffer.fill(0);
            for (to, from) in buffer.iter_mut().zip(self.iter().skip(at.to_len().unwrap())) {
                *to = *from;
            }
            Ok(())
        }
    }

    #[test]
    fn records_are_read_and_other_sectors_are_none() {
        let mut sector = vec![0; 512];
        let read = |sector: &Vec<u8>| super::read(sector, SectorSize::B512).unwrap();
        assert_eq!(read(&sector), None);
        sector[510..].copy_from_slice(&[0x55, 0xAA]);
        assert_eq!(read(&sector), None);
        sector[446 + 16..446 + 32]
            .copy_from_slice(&[0x80, 0, 0, 0, 0x0C, 0, 0, 0, 0, 8, 0, 0, 0, 0x40, 0, 0]);
        let (start, size) = (Bytes::new(2048 * 512), Bytes::new(16384 * 512));
        assert_eq!(read(&sector), Some(vec![Record { number: 2, kind: 0x0C, start, size }]));
        sector[446] = 0x65;
        assert_eq!(read(&sector), None);
    }
}
