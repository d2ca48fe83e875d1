//! FAT's structures as they lie on disk, encoders only.
//!
//! Fields keep the names and the order of Microsoft's "FAT: General Overview of On-Disk Format"
//! (version 1.03, 2000), sections "Boot Sector and BPB", "FAT32 FSInfo Sector Structure", "FAT
//! Directory Structure" and "FAT Long Directory Entries". All numbers are little-endian.

use crate::epoch::Epoch;

/// `BS_jmpBoot`, FAT16: a jump over the BPB to [`BOOT_CODE`], which starts at byte 62.
const JMP_BOOT_FAT16: [u8; 3] = [0xEB, 0x3C, 0x90];
/// `BS_jmpBoot`, FAT32: the same, to byte 90.
const JMP_BOOT_FAT32: [u8; 3] = [0xEB, 0x58, 0x90];
/// `int 18h`, then a loop: firmware of the BIOS kind goes on to the next boot device.
const BOOT_CODE: [u8; 4] = [0xCD, 0x18, 0xEB, 0xFE];
/// `BS_OEMName`; the document asks for this one because some drivers look at it.
const OEM_NAME: [u8; 8] = *b"MSWIN4.1";
/// `BPB_Media` of media that cannot be removed.
pub(super) const MEDIA: u8 = 0xF8;
/// Bytes 510 and 511 of a boot sector, whatever its size.
const SIGNATURE: [u8; 2] = [0x55, 0xAA];

/// The size of a directory entry.
pub(super) const ENTRY: usize = 32;

/// `DIR_Attr` of a directory.
pub(super) const ATTR_DIRECTORY: u8 = 0x10;
/// `DIR_Attr` of a file that was written since the last backup, as every new file is.
pub(super) const ATTR_ARCHIVE: u8 = 0x20;
/// `DIR_Attr` of the volume label.
pub(super) const ATTR_VOLUME_ID: u8 = 0x08;
/// `DIR_Attr` of a part of a long name: read-only, hidden, system, volume id.
const ATTR_LONG_NAME: u8 = 0x0F;
/// `LDIR_Ord`: set in the entry that holds the end of the name and comes first.
const LAST_LONG_ENTRY: u8 = 0x40;

/// The first sector of the volume: the numbers every reader starts from.
#[derive(Debug)]
pub(super) struct BootSector {
    pub(super) bytes_per_sector: u16,
    pub(super) sectors_per_cluster: u8,
    pub(super) reserved_sectors: u16,
    pub(super) total_sectors: u32,
    pub(super) sectors_per_fat: u32,
    pub(super) root_entries: u16,
    pub(super) serial: u32,
    pub(super) label: [u8; 11],
    pub(super) fat32: Option<BootSector32>,
}

/// What only FAT32's boot sector holds.
#[derive(Debug)]
pub(super) struct BootSector32 {
    pub(super) root_cluster: u32,
    pub(super) fs_info: u16,
    pub(super) backup_boot_sector: u16,
}

impl BootSector {
    /// Encodes the first 512 bytes; the rest of a larger sector is zero.
    pub(super) fn encode(&self) -> Vec<u8> {
        let (jump, kind) = match self.fat32 {
            Some(_) => (JMP_BOOT_FAT32, *b"FAT32   "),
            None => (JMP_BOOT_FAT16, *b"FAT16   "),
        };
        let small = self.fat32.is_none();
        let total16 = u16::try_from(self.total_sectors).ok().filter(|_| small);
        let fat16 = u16::try_from(self.sectors_per_fat).ok().filter(|_| small);
        let total32 = if total16.is_some() { 0 } else { self.total_sectors };
        let mut out: Vec<u8> = [
            &jump[..],
            &OEM_NAME,
            &self.bytes_per_sector.to_le_bytes(), // 11 BPB_BytsPerSec
            &[self.sectors_per_cluster],          // 13 BPB_SecPerClus
            &self.reserved_sectors.to_le_bytes(), // 14 BPB_RsvdSecCnt
            &[super::shape::FATS],                // 16 BPB_NumFATs
            &self.root_entries.to_le_bytes(),     // 17 BPB_RootEntCnt
            &total16.unwrap_or(0).to_le_bytes(),  // 19 BPB_TotSec16
            &[MEDIA],                             // 21 BPB_Media
            &fat16.unwrap_or(0).to_le_bytes(),    // 22 BPB_FATSz16
            &63u16.to_le_bytes(),                 // 24 BPB_SecPerTrk: the usual answer of a BIOS
            &255u16.to_le_bytes(),                // 26 BPB_NumHeads: the same
            &0u32.to_le_bytes(),                  // 28 BPB_HiddSec: for BIOS boot code only
            &total32.to_le_bytes(),               // 32 BPB_TotSec32
        ]
        .concat();
        if let Some(fat32) = &self.fat32 {
            out.extend(self.sectors_per_fat.to_le_bytes()); // 36 BPB_FATSz32
            out.extend(0u16.to_le_bytes()); // 40 BPB_ExtFlags: both FATs are kept
            out.extend(0u16.to_le_bytes()); // 42 BPB_FSVer
            out.extend(fat32.root_cluster.to_le_bytes()); // 44 BPB_RootClus
            out.extend(fat32.fs_info.to_le_bytes()); // 48 BPB_FSInfo
            out.extend(fat32.backup_boot_sector.to_le_bytes()); // 50 BPB_BkBootSec
            out.extend([0; 12]); // 52 BPB_Reserved
        }
        out.extend([0x80, 0, 0x29]); // BS_DrvNum, BS_Reserved1, BS_BootSig
        out.extend(self.serial.to_le_bytes()); // BS_VolID
        out.extend(self.label); // BS_VolLab
        out.extend(kind); // BS_FilSysType
        out.extend(BOOT_CODE);
        out.resize(510, 0);
        out.extend(SIGNATURE);
        out
    }
}

/// FAT32's FSInfo sector: what is free, so that nobody has to count.
#[derive(Debug)]
pub(super) struct FsInfo {
    pub(super) free_count: u32,
    pub(super) next_free: u32,
}

impl FsInfo {
    /// Encodes the first 512 bytes; the rest of a larger sector is zero.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = 0x4161_5252u32.to_le_bytes().to_vec(); // 0 FSI_LeadSig
        out.resize(484, 0);
        out.extend(0x6141_7272u32.to_le_bytes()); // 484 FSI_StrucSig
        out.extend(self.free_count.to_le_bytes()); // 488 FSI_Free_Count
        out.extend(self.next_free.to_le_bytes()); // 492 FSI_Nxt_Free
        out.resize(508, 0);
        out.extend(0xAA55_0000u32.to_le_bytes()); // 508 FSI_TrailSig
        out
    }
}

/// A time as directory entries hold it: local time by the document, UTC here, in steps of 2 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) date: u16,
    pub(super) time: u16,
}

/// 1980-01-01, where FAT's time starts. It ends with 2107, after an [`Epoch`] does.
const FIRST: u32 = 315_532_800;

impl Stamp {
    /// Converts an epoch; times before 1980 become 1980-01-01.
    pub(super) fn of(epoch: Epoch) -> Self {
        let seconds = u64::from(epoch.seconds().max(FIRST));
        let (year, month, day) = civil(seconds / 86_400);
        let (hour, minute) = (seconds / 3600 % 24, seconds / 60 % 60);
        let small = |value: u64| u16::try_from(value).unwrap_or(0);
        Self {
            date: small(((year - 1980) << 9) | (month << 5) | day),
            time: small((hour << 11) | (minute << 5) | (seconds % 60 / 2)),
        }
    }
}

/// Year, month and day of a day since 1970, in the Gregorian calendar.
fn civil(mut days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

/// A directory entry.
#[derive(Debug)]
pub(super) struct DirEntry {
    pub(super) name: [u8; 11],
    pub(super) attributes: u8,
    pub(super) stamp: Stamp,
    pub(super) first_cluster: u32,
    pub(super) file_size: u32,
}

impl DirEntry {
    pub(super) fn encode(&self) -> [u8; ENTRY] {
        let (date, time) = (self.stamp.date.to_le_bytes(), self.stamp.time.to_le_bytes());
        let cluster = self.first_cluster.to_le_bytes();
        let fields = [
            &self.name[..],
            &[self.attributes, 0, 0], // 11 DIR_Attr, 12 DIR_NTRes, 13 DIR_CrtTimeTenth
            &time,                    // 14 DIR_CrtTime
            &date,                    // 16 DIR_CrtDate
            &date,                    // 18 DIR_LstAccDate
            &cluster[2..],            // 20 DIR_FstClusHI
            &time,                    // 22 DIR_WrtTime
            &date,                    // 24 DIR_WrtDate
            &cluster[..2],            // 26 DIR_FstClusLO
            &self.file_size.to_le_bytes(),
        ];
        let mut out = [0; ENTRY];
        fields.concat().iter().zip(&mut out).for_each(|(from, to)| *to = *from);
        out
    }
}

/// Units of UTF-16 that one entry of a long name holds.
pub(super) const LONG_UNITS: usize = 13;

/// Encodes a long name: its last part first, all of them before the entry they belong to.
pub(super) fn long_name(units: &[u16], short: &[u8; 11]) -> Vec<u8> {
    let checksum = short.iter().fold(0u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
    let parts: Vec<_> = units.chunks(LONG_UNITS).zip(1u8..).collect();
    let count = parts.len();
    let mut out = Vec::with_capacity(count * ENTRY);
    for (part, number) in parts.into_iter().rev() {
        let last = if usize::from(number) == count { LAST_LONG_ENTRY } else { 0 };
        // A name that ends within an entry is closed by a zero and padded with ones.
        let mut padded = [0xFFFF; LONG_UNITS];
        padded[..part.len()].copy_from_slice(part);
        if let Some(end) = padded.get_mut(part.len()) {
            *end = 0;
        }
        let bytes: Vec<u8> = padded.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        out.push(number | last); // 0 LDIR_Ord
        out.extend(&bytes[..10]); // 1 LDIR_Name1
        out.extend([ATTR_LONG_NAME, 0, checksum]); // 11 LDIR_Attr, 12 LDIR_Type, 13 LDIR_Chksum
        out.extend(&bytes[10..22]); // 14 LDIR_Name2
        out.extend([0, 0]); // 26 LDIR_FstClusLO
        out.extend(&bytes[22..]); // 28 LDIR_Name3
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_have_their_sizes() {
        let mut sector = BootSector {
            bytes_per_sector: 512,
            sectors_per_cluster: 1,
            reserved_sectors: 1,
            total_sectors: 70_000,
            sectors_per_fat: 9,
            root_entries: 512,
            serial: 1,
            label: *b"NO NAME    ",
            fat32: None,
        };
        assert_eq!(sector.encode().len(), 512);
        assert_eq!(&sector.encode()[54..62], b"FAT16   ");
        sector.fat32 = Some(BootSector32 { root_cluster: 2, fs_info: 1, backup_boot_sector: 6 });
        assert_eq!(sector.encode().len(), 512);
        assert_eq!(&sector.encode()[82..90], b"FAT32   ");
        assert_eq!(FsInfo { free_count: 0, next_free: 0 }.encode().len(), 512);
        let stamp = Stamp { date: 0, time: 0 };
        let entry = DirEntry {
            name: *b"A          ",
            attributes: 0,
            stamp,
            first_cluster: 0x1234_5678,
            file_size: 9,
        };
        assert_eq!(entry.encode()[20..22], [0x34, 0x12]);
        assert_eq!(entry.encode()[26..], [0x78, 0x56, 9, 0, 0, 0]);
        assert_eq!(long_name(&[65; 13], b"A          ").len(), 32);
        assert_eq!(long_name(&[65; 14], b"A          ").len(), 64);
    }

    #[test]
    fn times_are_utc_and_clamped() {
        let shown = |seconds| {
            let Stamp { date, time } = Stamp::of(Epoch::new(seconds));
            (
                1980 + (date >> 9),
                date >> 5 & 15,
                date & 31,
                time >> 11,
                time >> 5 & 63,
                (time & 31) * 2,
            )
        };
        assert_eq!(shown(0), (1980, 1, 1, 0, 0, 0));
        assert_eq!(shown(1_709_210_096), (2024, 2, 29, 12, 34, 56));
        assert_eq!(shown(1_735_689_599), (2024, 12, 31, 23, 59, 58));
        assert_eq!(shown(u32::MAX), (2106, 2, 7, 6, 28, 14));
    }
}
