//! FAT16 and FAT32 with long names: the EFI system partition.
//!
//! - `shape`: how a volume of some size is divided: which FAT, which clusters
//! - `name`: long names and the short ones that go with them
//! - `contents`: what a tree needs: entries and clusters
//! - `ondisk`: the structures, encoded
//!
//! Write-once: every file and directory is one run of clusters in the order of the tree, so the
//! table is known before a byte is written and free clusters are one gap at the end. All times are
//! the [`Epoch`], the serial is given. Permission bits are dropped, as FAT has none; links, devices,
//! owners, special modes and extended attributes are refused by path. Follows Microsoft's "FAT:
//! General Overview of On-Disk Format" 1.03 and the UEFI specification 2.10, section 13.3.

mod contents;
mod name;
mod ondisk;
mod shape;

pub use shape::{FatKind, Shape};

use contents::{Contents, Run};
use ondisk::{BootSector, BootSector32, FsInfo, Stamp};

use crate::epoch::Epoch;
use crate::plan::{Label, Plan, PlanBuilder, PlanError};
use crate::tree::{Kind, Node, Tree, TreePath};
use crate::units::{Bytes, MIB, SectorSize};

/// The boot sector that FAT32 keeps a copy of itself and of FSInfo behind.
const BACKUP_BOOT_SECTOR: u16 = 6;
/// Where FAT32 keeps FSInfo.
const FS_INFO: u16 = 1;

/// A FAT volume to be written.
#[derive(Clone, Debug)]
pub struct Fat {
    /// The size of the volume.
    pub size: Bytes,
    /// The sectors of the disk it lies on; firmware reads no other.
    pub sector: SectorSize,
    /// The volume label: up to 11 characters of ASCII, kept as they are.
    pub label: Option<String>,
    /// The volume's serial, which Linux shows as its UUID (`1234-ABCD`).
    pub serial: u32,
    /// The time of everything in it; FAT starts at 1980.
    pub epoch: Epoch,
}

/// A tree or a size that makes no FAT volume.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FatError {
    /// Too few clusters, or too many.
    #[error(
        "a FAT volume of {size} with {} byte sectors: expected at least {smallest} (4,085 clusters, or firmware takes it for FAT12) and at most 2^28 clusters and 2^32 sectors",
        sector.bytes().get()
    )]
    Size {
        /// The size asked for.
        size: Bytes,
        /// The sectors of the disk.
        sector: SectorSize,
        /// The smallest size that works.
        smallest: Bytes,
    },
    /// The files do not fit.
    #[error(
        "the files need {needed} in clusters of {cluster}, but the {kind} volume has {available}"
    )]
    Full {
        /// Which FAT.
        kind: FatKind,
        /// The size of its clusters.
        cluster: Bytes,
        /// What the tree takes.
        needed: Bytes,
        /// What there is.
        available: Bytes,
    },
    /// A directory has too many entries.
    #[error("{path} needs {found} directory entries, but FAT has room for {max} there")]
    Crowded {
        /// The directory.
        path: TreePath,
        /// Entries needed, those of long names included.
        found: usize,
        /// Entries allowed.
        max: usize,
    },
    /// A name that FAT has no way to write.
    #[error("{path}: FAT cannot hold this name: {reason}")]
    Name {
        /// The whole path.
        path: TreePath,
        /// What is wrong with its last component.
        reason: String,
    },
    /// Two names that are one to FAT.
    #[error("{path} and {other} differ in case only, which is the same name on FAT")]
    Case {
        /// The later one.
        path: TreePath,
        /// The earlier one.
        other: TreePath,
    },
    /// Something that FAT would lose.
    #[error("{path}: FAT cannot hold {what}")]
    Cannot {
        /// The path.
        path: TreePath,
        /// What would be lost.
        what: String,
    },
    /// A label that FAT has no way to write.
    #[error(
        "the volume label {label:?}: expected 1 to 11 characters of ASCII without control characters and any of {}",
        LABEL_FORBIDDEN
    )]
    Label {
        /// The label as given.
        label: String,
    },
    /// The pieces make no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// What no short name and no label may hold.
const LABEL_FORBIDDEN: &str = "\"*+,./:;<=>?[\\]|";

/// Returns a size, in whole MiB, that a volume needs to hold a tree: none much smaller does.
///
/// # Errors
/// What FAT cannot hold, by path.
pub fn minimum_size(tree: &Tree, sector: SectorSize) -> Result<Bytes, FatError> {
    let contents = Contents::of(tree, Some([b' '; 11]))?;
    let mut size = shape::smallest(sector);
    loop {
        let shape = Shape::of(size, sector)?;
        let needed = contents.clusters(&shape);
        let missing = needed.saturating_sub(u64::from(shape.clusters));
        if missing == 0 && contents.root_fits(&shape).is_ok() {
            return Ok(size);
        }
        // More clusters may bring larger tables or larger clusters, so this goes on until it fits.
        size = (size + MIB).max((size + shape.cluster * missing).align_up(MIB));
    }
}

impl Fat {
    /// Plans the volume.
    ///
    /// # Errors
    /// A size that makes no volume, files that do not fit, and what FAT cannot hold, by path.
    pub fn plan(&self, tree: &Tree) -> Result<Plan, FatError> {
        let label = self.label.as_deref().map(label_bytes).transpose()?;
        let contents = Contents::of(tree, label)?;
        let shape = Shape::of(self.size, self.sector)?;
        let runs = contents.place(&shape)?;
        let used: u32 = runs.iter().map(|run| run.count).sum();
        let mut plan = PlanBuilder::new();
        self.reserved(&mut plan, &shape, label, used);
        tables(&mut plan, &shape, &runs);
        let stamp = Stamp::of(self.epoch);
        for (node, run) in tree.iter().zip(&runs) {
            let (at, len) = match (node.parent(), shape.kind) {
                (None, FatKind::Fat16) => (shape.table(shape::FATS), shape.root_size()),
                (Some(_), _) | (None, FatKind::Fat32) => {
                    (shape.at(run.first), shape.cluster * u64::from(run.count))
                }
            };
            let end = place(&mut plan, at, node, || contents.directory(node, &runs, stamp));
            plan.zeros(end, at + len - end, label_of(node, "slack"));
        }
        Ok(plan.finish(self.size)?)
    }

    /// Places everything before the first table.
    fn reserved(&self, plan: &mut PlanBuilder, shape: &Shape, label: Option<[u8; 11]>, used: u32) {
        let fat32 = match shape.kind {
            FatKind::Fat16 => None,
            FatKind::Fat32 => Some(BootSector32 {
                root_cluster: 2,
                fs_info: FS_INFO,
                backup_boot_sector: BACKUP_BOOT_SECTOR,
            }),
        };
        let boot = BootSector {
            bytes_per_sector: u16::try_from(self.sector.bytes().get()).unwrap_or(u16::MAX),
            sectors_per_cluster: u8::try_from(shape.cluster.div_ceil(shape.sector)).unwrap_or(0),
            reserved_sectors: shape.reserved_sectors,
            total_sectors: shape.total_sectors,
            sectors_per_fat: shape.sectors_per_fat,
            root_entries: shape.root_entries,
            serial: self.serial,
            label: label.unwrap_or(*b"NO NAME    "),
            fat32,
        };
        let free_count = shape.clusters - used;
        // All ones: the reader shall look for itself.
        let next_free = if free_count == 0 { u32::MAX } else { used + 2 };
        let info = FsInfo { free_count, next_free };
        let mut sectors = vec![(0, Label::new("boot sector"), boot.encode())];
        if boot.fat32.is_some() {
            sectors.push((FS_INFO, Label::new("fsinfo"), info.encode()));
            let backup = BACKUP_BOOT_SECTOR;
            sectors.push((backup, Label::new("backup boot sector"), boot.encode()));
            sectors.push((backup + FS_INFO, Label::new("backup fsinfo"), info.encode()));
        }
        let mut end = Bytes::ZERO;
        for (sector, what, data) in sectors {
            let at = shape.sector * u64::from(sector);
            plan.zeros(end, at - end, Label::new("reserved sectors"));
            end = at + Bytes::of(&data);
            plan.bytes(at, what, data);
        }
        plan.zeros(end, shape.table(0) - end, Label::new("reserved sectors"));
    }
}

/// Places a file or directory and returns where it ends.
fn place(
    plan: &mut PlanBuilder,
    at: Bytes,
    node: Node<'_>,
    directory: impl FnOnce() -> Vec<u8>,
) -> Bytes {
    match node.kind() {
        Kind::File(source) => {
            plan.source(at, label_of(node, "data"), source);
            at + source.size()
        }
        Kind::Directory | Kind::Symlink(_) | Kind::Device(_) | Kind::Fifo => {
            let data = directory();
            let end = at + Bytes::of(&data);
            plan.bytes(at, label_of(node, "directory"), data);
            end
        }
    }
}

fn label_of(node: Node<'_>, what: &'static str) -> Label {
    u32::try_from(node.id().index())
        .map_or(Label::new(what), |number| Label::numbered(what, number))
}

/// Places both copies of the table: the numbers in use, then zeros, which mean free.
fn tables(plan: &mut PlanBuilder, shape: &Shape, runs: &[Run]) {
    // Cluster 0 repeats the media byte, 1 says "unmounted cleanly, no errors"; ones above.
    let mut numbers = vec![0x0FFF_FF00 | u32::from(ondisk::MEDIA), 0x0FFF_FFFF];
    for run in runs.iter().filter(|run| run.count > 0) {
        numbers.extend(run.first + 1..run.first + run.count);
        numbers.push(0x0FFF_FFFF);
    }
    let entry = usize::try_from(shape.kind.entry()).unwrap_or(4);
    let data: Vec<u8> =
        numbers.iter().flat_map(|number| number.to_le_bytes().into_iter().take(entry)).collect();
    let data: std::sync::Arc<[u8]> = data.into();
    for copy in 0..shape::FATS {
        let at = shape.table(copy);
        let number = u32::from(copy);
        plan.bytes(at, Label::numbered("table", number), std::sync::Arc::clone(&data));
        let end = at + Bytes::of(&data);
        let rest = at + shape.table_size() - end;
        plan.zeros(end, rest, Label::numbered("rest of table", number));
    }
}

/// Pads a label to its field.
fn label_bytes(label: &str) -> Result<[u8; 11], FatError> {
    let allowed = |c: char| (c.is_ascii_graphic() || c == ' ') && !LABEL_FORBIDDEN.contains(c);
    let mut field = [b' '; 11];
    match field.get_mut(..label.len()) {
        Some(start) if !label.trim().is_empty() && label.chars().all(allowed) => {
            start.copy_from_slice(label.as_bytes());
            Ok(field)
        }
        Some(_) | None => Err(FatError::Label { label: label.to_owned() }),
    }
}
