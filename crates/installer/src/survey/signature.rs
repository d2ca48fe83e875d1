//! What a partition holds, told by a few bytes, where `inspect` has no words for it.
//!
//! Only names are told: whoever is asked whether a device may be overwritten wants to know that there is
//! an array on it, and not its details. Places and bytes are those of the formats' own documents, as
//! libblkid knows them.

use calve_image_core::inspect::{self, Medium};
use calve_image_core::units::Bytes;

/// What a device or a partition holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// Its kind, as `blkid` calls it.
    pub format: String,
    /// Its label, where one is known.
    pub label: Option<String>,
}

/// Where a signature lies, its bytes, and what they mean.
const SIGNATURES: [(u64, &[u8], &str); 13] = [
    (0, b"XFSB", "xfs"),
    (3, b"NTFS    ", "ntfs"),
    (3, b"EXFAT   ", "exfat"),
    (0, b"hsqs", "squashfs"),
    (512, b"LABELONE", "LVM2_member"),
    (1024, &[0x10, 0x20, 0xF5, 0xF2], "f2fs"),
    (1024, &[0xE2, 0xE1, 0xF5, 0xE0], "erofs"),
    (4086, b"SWAPSPACE2", "swap"),
    (4086, b"SWAP-SPACE", "swap"),
    (4096, &[0xFC, 0x4E, 0x2B, 0xA9], "linux_raid_member"),
    (0, &[0xFC, 0x4E, 0x2B, 0xA9], "linux_raid_member"),
    (0x8001, b"CD001", "iso9660"),
    (0x20000, &[0x0C, 0xB1, 0xBA, 0, 0, 0, 0, 0], "zfs_member"),
];

/// Recognises what begins at a byte of a disk; none where it is nothing that is known.
///
/// # Errors
/// The disk cannot be read.
pub fn recognise(disk: &dyn Medium, start: Bytes) -> Result<Option<Holding>, inspect::Error> {
    if let Some(volume) = inspect::volume(disk, start)? {
        return Ok(Some(Holding { format: volume.format.to_owned(), label: volume.label }));
    }
    for (at, signature, format) in SIGNATURES {
        let mut found = [0; 10];
        let found = found.get_mut(..signature.len()).unwrap_or_default();
        disk.read(start + Bytes::new(at), found)?;
        if found == signature {
            let label = if format == "iso9660" { volume_id(disk, start)? } else { None };
            return Ok(Some(Holding { format: format.to_owned(), label }));
        }
    }
    Ok(None)
}

/// ECMA-119, 8.4.7: the volume identifier, 32 bytes from byte 40 of the primary descriptor on.
fn volume_id(disk: &dyn Medium, start: Bytes) -> Result<Option<String>, inspect::Error> {
    let mut id = [0; 32];
    disk.read(start + Bytes::new(0x8028), &mut id)?;
    let id = String::from_utf8_lossy(&id).trim_end_matches(['\0', ' ']).to_owned();
    Ok(if id.is_empty() { None } else { Some(id) })
}
