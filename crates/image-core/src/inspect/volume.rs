//! Recognises file systems by the bytes that say so, and reads their labels.
//!
//! Known are those that calve writes or that NixOS roots are often on; anything else is `None`.
//! Offsets are those of the formats' own documents, named at each.

use serde::Serialize;
use uuid::Uuid;

use super::Error;
use super::Medium;
use super::field;
use crate::units::Bytes;

/// Enough for every signature below but btrfs'.
const HEAD: usize = 4096;
/// The btrfs superblock (btrfs wiki, "On-disk format").
const BTRFS_SUPERBLOCK: Bytes = Bytes::new(0x1_0000);
/// The second copy of a LUKS2 header of the usual size (specification, 2.2).
const LUKS_SECOND_COPY: Bytes = Bytes::new(0x4000);

/// A file system, or what else a partition holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Volume {
    /// Its kind, as `blkid` calls it.
    pub format: &'static str,
    /// Its label, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Its id, as `/dev/disk/by-uuid` shows it.
    pub id: String,
}

/// Recognises the file system that begins at a byte of a disk; `None` where it is none that is known.
///
/// # Errors
/// The disk cannot be read.
pub fn recognise(disk: &dyn Medium, start: Bytes) -> Result<Option<Volume>, Error> {
    let mut head = vec![0; HEAD];
    disk.read(start, &mut head)?;
    let mut superblock = vec![0; HEAD];
    disk.read(start + BTRFS_SUPERBLOCK, &mut superblock)?;
    let known = ext4(&head).or_else(|| luks(&head)).or_else(|| vfat(&head));
    if let Some(known) = known.or_else(|| btrfs(&superblock)).or_else(|| swap(&head)) {
        return Ok(Some(known));
    }
    // Who lost the first copy of a LUKS2 header has the second one.
    disk.read(start + LUKS_SECOND_COPY, &mut head)?;
    Ok(luks(&head))
}

/// Kernel documentation, ext4 "Super Block": at 1024; magic, uuid and label at these offsets.
fn ext4(head: &[u8]) -> Option<Volume> {
    if field(head, 1024 + 0x38) != [0x53, 0xEF] {
        return None;
    }
    let incompat = u32::from_le_bytes(field(head, 1024 + 0x60));
    let compat = u32::from_le_bytes(field(head, 1024 + 0x5C));
    // Extents make it ext4; a journal without them ext3.
    let format = match (incompat & 0x40 != 0, compat & 0x4 != 0) {
        (true, _) => "ext4",
        (false, true) => "ext3",
        (false, false) => "ext2",
    };
    let label = text(&field::<16>(head, 1024 + 0x78));
    let id = Uuid::from_bytes(field(head, 1024 + 0x68)).to_string();
    Some(Volume { format, label, id })
}

/// LUKS2 On-Disk Format Specification, section 2.1; LUKS1 has its id at the same place.
fn luks(head: &[u8]) -> Option<Volume> {
    if ![b"LUKS\xba\xbe", b"SKUL\xba\xbe"].iter().any(|magic| head.starts_with(*magic)) {
        return None;
    }
    let is_two = field(head, 6) == [0, 2];
    let label = if is_two { text(&field::<48>(head, 24)) } else { None };
    let id = text(&field::<40>(head, 168)).unwrap_or_default();
    Some(Volume { format: "crypto_LUKS", label, id })
}

/// Microsoft's FAT specification 1.03, section 3: the boot sector of FAT32, else of FAT12/16.
fn vfat(head: &[u8]) -> Option<Volume> {
    if field(head, 510) != [0x55, 0xAA] {
        return None;
    }
    let base = if &field::<5>(head, 82) == b"FAT32" {
        67
    } else if &field::<3>(head, 54) == b"FAT" {
        39
    } else {
        return None;
    };
    let serial = u32::from_le_bytes(field(head, base));
    let label = text(&field::<11>(head, base + 4)).filter(|label| label != "NO NAME");
    let id = format!("{:04X}-{:04X}", serial >> 16, serial & 0xFFFF);
    Some(Volume { format: "vfat", label, id })
}

fn btrfs(superblock: &[u8]) -> Option<Volume> {
    if &field::<8>(superblock, 0x40) != b"_BHRfS_M" {
        return None;
    }
    let label = text(&field::<256>(superblock, 0x12B));
    Some(Volume {
        format: "btrfs",
        label,
        id: Uuid::from_bytes(field(superblock, 0x20)).to_string(),
    })
}

/// The kernel's `union swap_header` (include/linux/swap.h), for pages of 4,096 bytes: the magic at
/// their end; version, UUID and label after 1,024 bytes of room for boot code.
fn swap(head: &[u8]) -> Option<Volume> {
    if head.get(4086..4096)? != b"SWAPSPACE2" || field(head, 1024) != 1u32.to_le_bytes() {
        return None;
    }
    let label = text(&field::<16>(head, 1052));
    Some(Volume { format: "swap", label, id: Uuid::from_bytes(field(head, 1036)).to_string() })
}

/// Text padded with NULs or spaces; `None` where there is none.
fn text(raw: &[u8]) -> Option<String> {
    let end = raw.iter().position(|byte| *byte == 0).unwrap_or(raw.len());
    let text = String::from_utf8_lossy(raw.get(..end)?).trim_end().to_owned();
    if text.is_empty() { None } else { Some(text) }
}
