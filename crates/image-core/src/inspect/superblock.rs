//! Whether a file system's superblock is whole: more than that its magic is there.
//!
//! Decrypting with a wrong key gives noise, and with the right one gives this. So it is what is
//! looked at when a volume was opened, and nothing else is read of the file system.

use serde::Serialize;

use super::{Error, Medium, Volume, field, volume};
use crate::units::Bytes;

/// What is where a file system should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "superblock")]
pub enum Superblock {
    /// A known file system whose superblock is whole.
    Whole(Volume),
    /// A known file system whose superblock is not.
    Damaged {
        /// What it says that it is.
        volume: Volume,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// Nothing that is known.
    Unknown,
}

/// Looks at the file system that begins at a byte of a medium.
///
/// # Errors
/// The medium cannot be read.
pub fn check(medium: &dyn Medium, start: Bytes) -> Result<Superblock, Error> {
    let Some(volume) = volume(medium, start)? else { return Ok(Superblock::Unknown) };
    let mut head = [0; 4096];
    medium.read(start, &mut head)?;
    let verdict = match volume.format {
        "ext4" | "ext3" | "ext2" => ext4(&head),
        "vfat" => vfat(&head),
        _ => Ok(()),
    };
    Ok(match verdict {
        Ok(()) => Superblock::Whole(volume),
        Err((expected, found)) => Superblock::Damaged { volume, expected, found },
    })
}

/// What was expected, and what is there.
type Fault = (String, String);

/// Kernel documentation, ext4 "Super Block": at 1024; 0x64 `s_feature_ro_compat`, whose bit 0x400
/// is `metadata_csum`; 0x3FC `s_checksum`, CRC-32C without its last inversion.
fn ext4(head: &[u8]) -> Result<(), Fault> {
    let superblock = head.get(1024..2048).unwrap_or_default();
    if u32::from_le_bytes(field(superblock, 0x64)) & 0x400 == 0 {
        return Ok(());
    }
    let expected = u32::from_le_bytes(field(superblock, 0x3FC));
    let found = !crc32c::crc32c(superblock.get(..0x3FC).unwrap_or_default());
    if expected == found {
        return Ok(());
    }
    Err((format!("the checksum {expected:08x}"), format!("{found:08x}")))
}

/// Microsoft's FAT specification 1.03, 3.1: sizes of sector and cluster are powers of two.
fn vfat(head: &[u8]) -> Result<(), Fault> {
    let sector = u16::from_le_bytes(field(head, 11));
    let [cluster] = field(head, 13);
    if matches!(sector, 512 | 1024 | 2048 | 4096) && cluster.is_power_of_two() {
        return Ok(());
    }
    let expected = "sectors and clusters of a power of two".to_owned();
    Err((expected, format!("{sector} bytes, {cluster} sectors")))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::super::Disk;
    use super::*;

    #[test]
    fn mke2fs_and_mkfs_vfat_make_whole_ones_and_damage_is_seen() {
        use std::os::unix::fs::FileExt;
        let dir = tempfile::tempdir().unwrap();
        for (program, args, at, format) in [
            ("mke2fs", &["-q", "-t", "ext4", "-O", "metadata_csum"][..], 1024 + 0x10, "ext4"),
            ("mkfs.vfat", &[][..], 13, "vfat"),
            ("mkswap", &["-q"][..], 4086, "swap"),
        ] {
            let path = dir.path().join(format);
            File::create(&path).unwrap().set_len(40 << 20).unwrap();
            let path = path.to_str().unwrap();
            if !super::super::tests::run(program, &[args, &[path]].concat()) {
                continue;
            }
            let file = File::options().read(true).write(true).open(path).unwrap();
            let look = || check(&Disk::open(&file).unwrap(), Bytes::ZERO).unwrap();
            let Superblock::Whole(volume) = look() else { panic!("{:?}", look()) };
            assert_eq!(volume.format, format);
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ 3], at).unwrap();
            assert!(!matches!(look(), Superblock::Whole(_)), "{:?}", look());
        }
    }
}
