//! Reads a GUID partition table: the primary header and its entries.
//!
//! The header lies in the second sector, so where it is found tells the sector size. Its own sum and
//! that of the entries must be right. The backup at the disk's end is not looked at.
//!
//! Follows the UEFI specification 2.10, section 5.3.

use uuid::Uuid;

use super::Error;
use super::Medium;
use super::Partition;
use super::field;
use crate::units::{Bytes, SectorSize};

const SIGNATURE: &[u8; 8] = b"EFI PART";
/// Offset and length of the header's own sum, which counts as zero when it is computed.
const HEADER_SUM: std::ops::Range<usize> = 16..20;
/// The header's fields end here; its size says how much is summed.
const HEADER_SIZE: usize = 92;
/// The fields of an entry end here; entries may be larger.
const ENTRY_SIZE: usize = 128;
/// Tables have 128 entries; a damaged count must not make us read for ever.
const MAX_TABLE: usize = 1 << 20;

/// A partition table as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What it calls a sector.
    pub sector_size: SectorSize,
    /// The id of the disk.
    pub uuid: Uuid,
    /// The size of the disk that the table was made for: its other copy ends there.
    pub disk_size: Bytes,
    /// The partitions, without their volumes.
    pub entries: Vec<Partition>,
}

/// Reads the table of a disk.
///
/// # Errors
/// [`Error::NoTable`], [`Error::DamagedTable`], or that the disk cannot be read.
pub fn read(disk: &dyn Medium) -> Result<Table, Error> {
    for sector_size in SectorSize::ALL {
        let mut header = [0; 512];
        disk.read(sector_size.bytes(), &mut header)?;
        if header.starts_with(SIGNATURE) {
            return parse(disk, sector_size, &header);
        }
    }
    Err(Error::NoTable)
}

fn parse(disk: &dyn Medium, sector_size: SectorSize, header: &[u8; 512]) -> Result<Table, Error> {
    let number = |at| u32::from_le_bytes(field(header, at));
    let length = |at| usize::try_from(number(at)).unwrap_or(usize::MAX);
    let size = length(12);
    let summed = header.get(..size).filter(|_| size >= HEADER_SIZE).ok_or_else(|| {
        damaged(format!("a header of {HEADER_SIZE} to 512 bytes"), size.to_string())
    })?;
    let mut summed = summed.to_vec();
    summed.get_mut(HEADER_SUM).into_iter().flatten().for_each(|byte| *byte = 0);
    check_sum("header", number(16), crc32fast::hash(&summed))?;

    let (count, entry_size) = (length(80), length(84));
    let table_size = count.checked_mul(entry_size).filter(|size| *size <= MAX_TABLE);
    let table_size = table_size.filter(|_| entry_size >= ENTRY_SIZE).ok_or_else(|| {
        damaged("entries of 128 bytes".into(), format!("{count} entries of {entry_size} bytes"))
    })?;
    let mut table = vec![0; table_size];
    disk.read(in_bytes(sector_size, u64::from_le_bytes(field(header, 72))), &mut table)?;
    check_sum("entries", number(88), crc32fast::hash(&table))?;

    let entries = table.chunks_exact(entry_size).zip(1..);
    Ok(Table {
        sector_size,
        uuid: Uuid::from_bytes_le(field(header, 56)),
        disk_size: in_bytes(sector_size, u64::from_le_bytes(field(header, 32)).saturating_add(1)),
        entries: entries.filter_map(|(raw, number)| entry(raw, number, sector_size)).collect(),
    })
}

/// One entry; `None` where it is not used.
fn entry(raw: &[u8], number: u32, sector_size: SectorSize) -> Option<Partition> {
    let kind = Uuid::from_bytes_le(field(raw, 0));
    if kind.is_nil() {
        return None;
    }
    let first = u64::from_le_bytes(field(raw, 32));
    let last = u64::from_le_bytes(field(raw, 40));
    let name = raw.get(56..ENTRY_SIZE).unwrap_or_default().chunks_exact(2);
    let name: Vec<u16> =
        name.map(|unit| u16::from_le_bytes(field(unit, 0))).take_while(|unit| *unit != 0).collect();
    Some(Partition {
        number,
        name: String::from_utf16_lossy(&name),
        kind,
        uuid: Uuid::from_bytes_le(field(raw, 16)),
        start: in_bytes(sector_size, first),
        size: in_bytes(sector_size, last.saturating_add(1).saturating_sub(first)),
        volume: None,
    })
}

fn in_bytes(sector_size: SectorSize, sectors: u64) -> Bytes {
    sector_size.bytes() * sectors
}

fn check_sum(what: &str, expected: u32, found: u32) -> Result<(), Error> {
    if expected == found {
        return Ok(());
    }
    Err(damaged(format!("the sum {expected:08x} of its {what}"), format!("{found:08x}")))
}

fn damaged(expected: String, found: String) -> Error {
    Error::DamagedTable { expected, found }
}
