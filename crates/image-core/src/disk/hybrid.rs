//! An ISO 9660 volume that is a disk too: boot code, protective MBR and GPT around it.
//!
//! ```text
//! sector (of 512)
//! 0           MBR: boot code, where the BIOS boot image lies, a record of type 0xEE
//! 1 to 33     GPT
//! 64          partition 1: what ISO 9660 uses, so that nobody takes it for free space
//! n x 2048    partition 2: the EFI system partition, the same sectors that El Torito names
//! last 33     backup GPT, in the volume's trailer
//! ```
//!
//! Sectors are of 512 bytes: sticks have them, and a table can be for one size only. On a CD, whose
//! sectors are of 2,048 bytes, firmware goes by El Torito and nobody reads the table.
//!
//! xorriso's `-isohybrid-gpt-basdat` writes overlapping partitions in a table that UEFI calls invalid. This
//! is the other way, which `grub-mkrescue` made common: a protective MBR as UEFI wants it. With boot code
//! it has a second record, of type 0 and active, for BIOSes that start a disk only if one is
//! (`--mbr-force-bootable`): readers of partitions leave out type 0, `sgdisk -v` and Linux included.

use uuid::{Uuid, uuid};

use super::gpt::{Entry, Gpt, GptError};
use super::kind::{Architecture, PartitionKind};
use crate::plan::{Label, Moved, Plan, PlanBuilder, PlanError};
use crate::units::{Bytes, SectorSize};
use crate::writers::iso9660::{BiosStart, BootInfo, Iso, SYSTEM_AREA, TRAILER};

/// Microsoft basic data: the type for what is no system's own.
const BASIC_DATA: Uuid = uuid!("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7");
/// UEFI's "required partition", and Microsoft's read-only, hidden and no drive letter.
const KEEP_OUT: u64 = 1 | 1 << 60 | 1 << 62 | 1 << 63;

/// Where boot code has the sector that it loads: `isohdpfx.bin` and GRUB's `kernel_sector`.
const START: usize = 432;
/// Where an MBR has the disk's signature, and boot code ends.
const SIGNATURE: usize = 440;
/// Where it has its second partition record.
const SECOND_RECORD: usize = 446 + 16;

/// What makes a disk of an ISO 9660 volume.
#[derive(Clone, Copy, Debug)]
pub struct Hybrid<'a> {
    /// The disk's GUID.
    pub id: Uuid,
    /// The GUID of the EFI system partition.
    pub esp: Uuid,
    /// The GUID of the partition that keeps the files from being taken for free space.
    pub files: Uuid,
    /// What a BIOS starts from a disk: `isohdpfx.bin` or GRUB's `boot_hybrid.img`, as they are.
    pub mbr: Option<&'a [u8]>,
}

/// Why a volume is no disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HybridError {
    /// Boot code of neither isolinux nor GRUB.
    #[error(
        "boot code of {found} bytes: expected {START} (isohdpfx.bin) to 512 (GRUB's boot_hybrid.img)"
    )]
    BootCode {
        /// Its size.
        found: usize,
    },
    /// Boot code that has nothing to start.
    #[error("boot code for a BIOS, but the volume has no BIOS boot image")]
    NothingToStart,
    /// The partitions make no table.
    #[error(transparent)]
    Gpt(#[from] GptError),
    /// The pieces make no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// Plans the disk.
///
/// # Errors
/// See [`HybridError`].
pub fn plan(iso: &Iso, hybrid: &Hybrid<'_>) -> Result<Plan, HybridError> {
    let (size, sector) = (iso.plan.size(), SectorSize::B512);
    let entries = partitions(iso, hybrid, sector.bytes());
    let gpt = Gpt { sector, size, id: hybrid.id, entries };
    let table = gpt.plan()?;
    let mbr = match hybrid.mbr {
        None => gpt.protective_mbr(),
        Some(code) => {
            let start = iso.bios.ok_or(HybridError::NothingToStart)?;
            with_code(gpt.protective_mbr(), code, start, hybrid.id)?
        }
    };
    let mut plan = PlanBuilder::new();
    let all = |from: Bytes, len: Bytes| Moved { from, len, to: from };
    plan.ranges(&iso.plan, [all(Bytes::ZERO, size)]);
    plan.bytes(Bytes::ZERO, Label::new("mbr"), mbr);
    // The table's own first sector is the MBR without boot code.
    plan.ranges(&table, [all(sector.bytes(), size - sector.bytes())]);
    let usable = gpt.usable();
    let (start, trailer) = (usable.start, size - TRAILER);
    plan.zeros(start, SYSTEM_AREA - start, Label::new("rest of system area"));
    plan.zeros(trailer, usable.end - trailer, Label::new("rest of trailer"));
    Ok(plan.finish(size)?)
}

/// Lists the partitions, in the order of their places.
fn partitions(iso: &Iso, hybrid: &Hybrid<'_>, sector: Bytes) -> Vec<Entry> {
    let rest = (iso.plan.size() - TRAILER).align_up(SYSTEM_AREA);
    let end = iso.efi.as_ref().map_or(rest, |efi| efi.start);
    let files = Entry {
        kind: BASIC_DATA,
        id: hybrid.files,
        start: SYSTEM_AREA,
        size: end - SYSTEM_AREA,
        attributes: KEEP_OUT,
        name: "ISO 9660".to_owned(),
    };
    let esp = iso.efi.as_ref().map(|efi| Entry {
        // The type is the same on every architecture.
        kind: PartitionKind::Esp.type_guid(Architecture::X86_64),
        id: hybrid.esp,
        start: efi.start,
        size: (efi.end - efi.start).align_up(sector),
        attributes: 0,
        name: "ESP".to_owned(),
    });
    [files].into_iter().chain(esp).collect()
}

/// Puts boot code into a protective MBR and tells it where its image lies, as libisofs does.
fn with_code(
    mut mbr: Vec<u8>,
    code: &[u8],
    start: BiosStart,
    id: Uuid,
) -> Result<Vec<u8>, HybridError> {
    let found = code.len();
    if !(START..=512).contains(&found) {
        return Err(HybridError::BootCode { found });
    }
    let sector = start.at.get() / 512;
    let sector = match start.info {
        BootInfo::Isolinux => sector,
        // Past `cdboot.img`, which is for CDs: four sectors.
        BootInfo::Grub2 => sector + 4,
    };
    let mut put = |at: usize, data: &[u8]| {
        mbr.iter_mut().skip(at).zip(data).for_each(|(to, from)| *to = *from);
    };
    put(0, code.get(..START).unwrap_or_default());
    put(START, &sector.to_le_bytes());
    let [a, b, c, d, ..] = id.into_bytes();
    put(SIGNATURE, &[a, b, c, d]);
    // Active, from sector 0 on (CHS 0/0/1), type 0, to the same sector, one sector.
    put(SECOND_RECORD, &[0x80, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
    Ok(mbr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_code_is_told_its_sector_and_the_table_stays() {
        let protective: Vec<u8> = (0..512u32).map(|at| if at < 446 { 0 } else { 7 }).collect();
        let id = Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
        for (code, info, sector) in
            [(vec![1; 432], BootInfo::Isolinux, 400u64), (vec![1; 512], BootInfo::Grub2, 404)]
        {
            let start = BiosStart { at: Bytes::new(100 * 2048), info };
            let mbr = with_code(protective.clone(), &code, start, id).unwrap();
            assert_eq!(mbr.len(), 512);
            assert_eq!(mbr[..432], [1; 432]);
            assert_eq!(mbr[432..440], sector.to_le_bytes());
            assert_eq!(mbr[440..446], [1, 2, 3, 4, 0, 0]);
            assert_eq!((&mbr[446..462], mbr[462]), (&[7; 16][..], 0x80));
            assert_eq!(mbr[478..], [7; 34]);
        }
        let start = BiosStart { at: Bytes::ZERO, info: BootInfo::Isolinux };
        let error = with_code(protective, &[1; 431], start, id).unwrap_err();
        assert_eq!(error, HybridError::BootCode { found: 431 });
    }
}
