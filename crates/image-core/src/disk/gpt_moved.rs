//! A GUID partition table that exists, on a disk larger than it was made for.
//!
//! The backup belongs into the last sectors, and both headers say how far partitions may reach. Those
//! fields and the sums over them are changed; entries, ids and whatever else a header has stay as they
//! are, byte for byte. A master boot record that does nothing but protect covers the whole disk
//! afterwards; one with other records (hybrid images) is left alone. The old backup is not erased: it
//! lies where partitions may grow now, and nothing points at it any more.
//!
//! Follows the UEFI specification 2.10, sections 5.2.3 and 5.3.

use crate::inspect::{self, Medium, mbr};
use crate::plan::{Label, Plan, PlanBuilder, PlanError};
use crate::units::{Bytes, SectorSize};

/// Offsets in a header.
mod at {
    pub(super) const SIZE: usize = 12;
    pub(super) const SUM: usize = 16;
    pub(super) const OWN: usize = 24;
    pub(super) const OTHER: usize = 32;
    pub(super) const LAST_USABLE: usize = 48;
    pub(super) const ENTRIES: usize = 72;
    pub(super) const COUNT: usize = 80;
    pub(super) const ENTRY_SIZE: usize = 84;
}

/// Why a table cannot be moved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no whole table, or the disk cannot be read.
    #[error(transparent)]
    Table(#[from] inspect::Error),
    /// The disk is smaller than the one that the table was made for.
    #[error(
        "the table is for a disk of {needed} bytes: expected at least that many, found {found}"
    )]
    Smaller {
        /// The size that the table was made for.
        needed: u64,
        /// The size of the disk.
        found: u64,
    },
    /// The pieces make no plan: the disk is too small for both copies.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// Plans what to write so that the table fits a disk of a size; `None` where it does already.
///
/// # Errors
/// There is no table, or none for a disk of this size.
pub fn plan(disk: &dyn Medium, size: Bytes) -> Result<Option<Plan>, Error> {
    let table = inspect::table(disk)?;
    let sector = table.sector_size.bytes();
    let size = size.align_down(sector);
    if table.disk_size >= size {
        let (needed, found) = (table.disk_size.get(), size.get());
        return if needed == found { Ok(None) } else { Err(Error::Smaller { needed, found }) };
    }
    let mut header = vec![0; sector.to_len().unwrap_or_default()];
    disk.read(sector, &mut header)?;
    // Read and held against its sum a moment ago.
    let length = number(&header, at::COUNT) * number(&header, at::ENTRY_SIZE);
    let start = sector * long(&header, at::ENTRIES);
    let mut entries = vec![0; Bytes::new(length).align_up(sector).to_len().unwrap_or_default()];
    disk.read(start, &mut entries)?;

    let last = size - sector;
    let backup = last - Bytes::of(&entries);
    let lba = |place: Bytes| place.get() / sector.get();
    let usable = lba(backup).saturating_sub(1);
    let primary = [(at::OTHER, lba(last)), (at::LAST_USABLE, usable)];
    let own = [(at::OWN, lba(last)), (at::OTHER, 1), (at::ENTRIES, lba(backup))];
    let second = [(at::LAST_USABLE, usable)].into_iter().chain(own);
    let mut plan = PlanBuilder::new();
    if let Some(record) = protective(disk, table.sector_size, size)? {
        plan.bytes(Bytes::ZERO, Label::new("protective mbr"), record);
    }
    plan.bytes(sector, Label::new("header"), changed(&header, primary));
    plan.bytes(backup, Label::new("backup entries"), entries);
    plan.bytes(last, Label::new("backup header"), changed(&header, second));
    Ok(Some(plan.finish(size)?))
}

/// A header with other numbers, and the sum that belongs to them.
fn changed(header: &[u8], fields: impl IntoIterator<Item = (usize, u64)>) -> Vec<u8> {
    let mut header = header.to_vec();
    let mut put = |at: usize, bytes: &[u8]| {
        for (to, from) in header.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    };
    for (at, value) in fields {
        put(at, &value.to_le_bytes());
    }
    // The sum is made while its own field is zero.
    put(at::SUM, &[0; 4]);
    let size = usize::try_from(number(&header, at::SIZE)).unwrap_or(usize::MAX);
    let sum = crc32fast::hash(header.get(..size).unwrap_or(&header));
    for (to, from) in header.iter_mut().skip(at::SUM).zip(sum.to_le_bytes()) {
        *to = from;
    }
    header
}

/// The first sector, with its record over the whole disk; `None` where it has other records.
fn protective(
    disk: &dyn Medium,
    sector_size: SectorSize,
    size: Bytes,
) -> Result<Option<Vec<u8>>, Error> {
    let records = mbr::read(disk, sector_size)?.unwrap_or_default();
    let [record] = records.as_slice() else { return Ok(None) };
    if record.kind != mbr::PROTECTIVE || record.number != 1 {
        return Ok(None);
    }
    let mut sector = vec![0; sector_size.bytes().to_len().unwrap_or_default()];
    disk.read(Bytes::ZERO, &mut sector)?;
    let sectors = size.get() / sector_size.bytes().get() - 1;
    let sectors = u32::try_from(sectors).unwrap_or(u32::MAX).to_le_bytes();
    // 446 where records begin, 12 SizeInLBA.
    for (to, from) in sector.iter_mut().skip(446 + 12).zip(sectors) {
        *to = from;
    }
    Ok(Some(sector))
}

fn number(header: &[u8], at: usize) -> u64 {
    u64::from(u32::from_le_bytes(inspect::field(header, at)))
}

fn long(header: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(inspect::field(header, at))
}
