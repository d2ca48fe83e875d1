//! How a volume of some size is divided: which FAT, which clusters, what lies where.
//!
//! - FAT32 wherever the volume has room for 65,525 clusters, because the UEFI specification asks
//!   for it on fixed disks; FAT16 below. Readers tell the two by counting clusters and by nothing
//!   else, so counts within [`MARGIN`] of a border are never made, and FAT12 (under 4,085 clusters)
//!   is refused: firmware disagrees about it.
//! - FAT32's cluster is the largest power of two that keeps the count, up to 4 KiB on volumes of 8
//!   GiB, 8 KiB of 16, 16 KiB of 32 and 32 KiB beyond. FAT16's is the smallest that keeps its count.
//! - Clusters start at a multiple of their size and of 4 KiB, so that files can be cloned into
//!   place; the reserved sectors are padded to get there.
//!
//! A cluster is at least a sector: with sectors of 4,096 bytes FAT32 starts at about 257 MiB.

use super::FatError;
use crate::units::{Bytes, GIB, KIB, SectorSize};

/// Copies of the allocation table; some firmware expects two.
pub(super) const FATS: u8 = 2;
/// The fewest clusters of a FAT16 volume.
const FAT16_CLUSTERS: u64 = 4_085;
/// The fewest clusters of a FAT32 volume, and one more than FAT16 has.
const FAT32_CLUSTERS: u64 = 65_525;
/// "Stay at least 16 clusters on each side away from these cut-offs": Microsoft's document, because
/// drivers got the comparison wrong by a few.
const MARGIN: u64 = 16;
/// Numbers of FAT32 clusters end before 0x0FFF_FFF7, which marks bad ones.
const MAX_CLUSTERS: u64 = 0x0FFF_FFF4;
/// Entries of FAT16's root directory, which lies outside the clusters: what everybody makes.
const FAT16_ROOT_ENTRIES: u16 = 512;
/// Sectors before the first table: FAT32 keeps FSInfo in 1 and the backup in 6 and 7, of 32.
const FAT32_RESERVED: u64 = 32;

/// Which of the formats a volume has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FatKind {
    /// 16-bit cluster numbers, a root directory of fixed size.
    Fat16,
    /// 28-bit cluster numbers, a root directory that is a directory.
    Fat32,
}

impl FatKind {
    /// The size of a number in the table.
    pub(super) const fn entry(self) -> u64 {
        match self {
            Self::Fat16 => 2,
            Self::Fat32 => 4,
        }
    }
}

impl std::fmt::Display for FatKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Fat16 => "FAT16",
            Self::Fat32 => "FAT32",
        })
    }
}

/// A volume divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Which FAT.
    pub kind: FatKind,
    /// The size of a cluster.
    pub cluster: Bytes,
    /// How many clusters the volume has.
    pub clusters: u32,
    pub(super) sector: Bytes,
    pub(super) total_sectors: u32,
    pub(super) reserved_sectors: u16,
    pub(super) sectors_per_fat: u32,
    pub(super) root_entries: u16,
}

impl Shape {
    /// Divides a volume.
    ///
    /// # Errors
    /// Sizes that make no volume every firmware reads.
    pub fn of(size: Bytes, sector: SectorSize) -> Result<Self, FatError> {
        let largest = match size {
            size if size <= GIB * 8 => KIB * 4,
            size if size <= GIB * 16 => KIB * 8,
            size if size <= GIB * 32 => KIB * 16,
            _ => KIB * 32,
        };
        let powers = || (9..=15).map(|shift| Bytes::new(1 << shift));
        let fat32 =
            powers().rev().filter(|cluster| *cluster <= largest).map(|c| (FatKind::Fat32, c));
        let fat16 = powers().map(|cluster| (FatKind::Fat16, cluster));
        fat32
            .chain(fat16)
            .filter(|(_, cluster)| *cluster >= sector.bytes())
            .find_map(|(kind, cluster)| Self::divide(size, sector.bytes(), kind, cluster))
            .ok_or_else(|| FatError::Size { size, sector, smallest: smallest(sector) })
    }

    fn divide(size: Bytes, sector: Bytes, kind: FatKind, cluster: Bytes) -> Option<Self> {
        let total = size.get() / sector.get();
        let per_cluster = cluster.get() / sector.get();
        // An upper bound: it counts the tables' own sectors as clusters too.
        let per_fat = ((total / per_cluster + 2) * kind.entry()).div_ceil(sector.get());
        let (reserved, root_entries) = match kind {
            FatKind::Fat16 => (1, FAT16_ROOT_ENTRIES),
            FatKind::Fat32 => (FAT32_RESERVED, 0),
        };
        let root = Bytes::new(u64::from(root_entries) * 32).div_ceil(sector);
        let fixed = per_fat * u64::from(FATS) + root;
        let aligned = (sector * (reserved + fixed)).align_up(cluster.max(KIB * 4));
        let reserved = aligned.get() / sector.get() - fixed;
        let clusters = total.checked_sub(reserved + fixed)? / per_cluster;
        let allowed = match kind {
            FatKind::Fat16 => FAT16_CLUSTERS + MARGIN..=FAT32_CLUSTERS - 1 - MARGIN,
            FatKind::Fat32 => FAT32_CLUSTERS + MARGIN..=MAX_CLUSTERS,
        };
        if !allowed.contains(&clusters) {
            return None;
        }
        Some(Self {
            kind,
            cluster,
            clusters: u32::try_from(clusters).ok()?,
            sector,
            total_sectors: u32::try_from(total).ok()?,
            reserved_sectors: u16::try_from(reserved).ok()?,
            sectors_per_fat: u32::try_from(per_fat).ok()?,
            root_entries,
        })
    }

    /// Where a copy of the table starts.
    pub(super) fn table(&self, copy: u8) -> Bytes {
        let sectors =
            u64::from(self.reserved_sectors) + u64::from(self.sectors_per_fat) * u64::from(copy);
        self.sector * sectors
    }

    /// The size of a copy of the table.
    pub(super) fn table_size(&self) -> Bytes {
        self.sector * u64::from(self.sectors_per_fat)
    }

    /// The size of FAT16's root directory; FAT32 has none outside the clusters.
    pub(super) fn root_size(&self) -> Bytes {
        Bytes::new(u64::from(self.root_entries) * 32).align_up(self.sector)
    }

    /// Where a cluster starts; the first is number 2.
    pub(super) fn at(&self, cluster: u32) -> Bytes {
        let data = self.table(FATS) + self.root_size();
        data + self.cluster * u64::from(cluster).saturating_sub(2)
    }
}

/// The size of a volume with the fewest clusters, and room for its tables.
pub(super) fn smallest(sector: SectorSize) -> Bytes {
    let mib = Bytes::new(1 << 20);
    (sector.bytes() * (FAT16_CLUSTERS + MARGIN)).align_up(mib) + mib
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MIB;

    #[test]
    fn every_size_has_one_shape_far_from_the_borders() {
        for sector in SectorSize::ALL {
            let first = smallest(sector).get() >> 20;
            for mib in first..600 {
                let shape = Shape::of(MIB * mib, sector).unwrap();
                let clusters = u64::from(shape.clusters);
                assert!(clusters.abs_diff(FAT32_CLUSTERS) >= MARGIN, "{mib} {shape:?}");
                assert!(clusters >= FAT16_CLUSTERS + MARGIN, "{mib} {shape:?}");
                assert_eq!(clusters >= FAT32_CLUSTERS, shape.kind == FatKind::Fat32);
                assert!(shape.at(2).is_multiple_of(shape.cluster.max(KIB * 4)), "{mib} {shape:?}");
                assert!(shape.at(shape.clusters + 2) <= MIB * mib, "{mib} {shape:?}");
                assert!(shape.table_size().get() / shape.kind.entry() >= clusters + 2);
            }
            assert!(Shape::of(MIB, sector).is_err());
        }
        let kind = |mib, sector| Shape::of(MIB * mib, sector).unwrap().kind;
        assert_eq!(kind(256, SectorSize::B4096), FatKind::Fat16);
        assert_eq!(kind(258, SectorSize::B4096), FatKind::Fat32);
        assert_eq!(kind(32, SectorSize::B512), FatKind::Fat16);
        assert_eq!(kind(40, SectorSize::B512), FatKind::Fat32);
        assert_eq!(Shape::of(MIB * 512, SectorSize::B512).unwrap().cluster, KIB * 4);
        assert_eq!(Shape::of(GIB * 20, SectorSize::B512).unwrap().cluster, KIB * 16);
    }
}
