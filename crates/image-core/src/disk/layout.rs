//! A disk as the user describes it: partitions, and what is in each.
//!
//! The words are those of a profile. Nothing is decided here: sizes may be open, ids and labels may
//! be left to the closure or to the seed. [`Layout::resolve`](super::Geometry) decides.
//!
//! A [`Fill`] is what a range of bytes holds. A partition holds one, and a fill that encrypts holds
//! another, so that every question about contents is asked of a fill. Which fills may hold which is
//! [`choices`](super::choices)' affair.

use uuid::Uuid;

use super::kind::PartitionKind;
use super::luks2::Kdf;
use crate::tree::TreePath;
use crate::units::{Bytes, GIB, MIB, SectorSize};

/// A disk described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// What the disk calls a sector.
    pub sector: SectorSize,
    /// The size of the disk.
    pub size: DiskSize,
    /// The disk's GUID; none: derived from the seed.
    pub id: Option<Uuid>,
    /// The partitions, in their order on the disk.
    pub partitions: Vec<Partition>,
}

/// How large the disk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DiskSize {
    /// As small as the partitions allow.
    #[default]
    Auto,
    /// So many bytes.
    Fixed(Bytes),
}

/// A partition described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its name in the partition table, which `/dev/disk/by-partlabel` shows.
    pub name: String,
    /// What it is for.
    pub kind: PartitionKind,
    /// How large it is.
    pub size: Size,
    /// The least size where that is not fixed: what an ESP needs for generations to come.
    pub minimum: Bytes,
    /// The partition's GUID; none: derived from the seed.
    pub id: Option<Uuid>,
    /// What is in it.
    pub content: Fill,
}

impl Partition {
    /// Describes a partition of automatic size.
    pub fn new(name: impl Into<String>, kind: PartitionKind, content: Fill) -> Self {
        let (size, minimum) = (Size::Auto, Bytes::ZERO);
        Self { name: name.into(), kind, size, minimum, id: None, content }
    }
}

/// How large a partition is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Size {
    /// What the contents need and the reserve that the fill states.
    #[default]
    Auto,
    /// So many bytes, rounded up to whole MiB.
    Fixed(Bytes),
    /// What the other partitions leave; on a disk of automatic size the same as `Auto`.
    Rest,
}

/// What a range of bytes holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Nothing: its first and last MiB are zeros, so that no older contents are recognised.
    Empty,
    /// An ext4 file system.
    Ext4(Ext4Fill),
    /// A FAT file system, FAT16 or FAT32 by size.
    Vfat(VfatFill),
    /// A swap area.
    Swap(SwapFill),
    /// A file system that its own programs make: an installation has it, and no image.
    Foreign(ForeignFill),
    /// Room for swap that the running system encrypts with a new key at each start: as good as empty
    /// until then.
    RandomSwap,
    /// A LUKS volume, and what is in it.
    Luks(Box<LuksFill>),
}

impl Fill {
    /// Returns the first mount point of the file system, also of one inside LUKS; none where there is none.
    pub fn mount(&self) -> Option<&TreePath> {
        self.mounts().into_iter().next()
    }

    /// Lists the mount points of the file system, also of one inside LUKS: each subvolume has its own.
    pub fn mounts(&self) -> Vec<&TreePath> {
        match self {
            Self::Empty | Self::Swap(_) | Self::RandomSwap => Vec::new(),
            Self::Ext4(fill) => vec![&fill.mount],
            Self::Vfat(fill) => vec![&fill.mount],
            Self::Foreign(fill) => fill.shares.iter().map(|share| &share.mount).collect(),
            Self::Luks(fill) => fill.content.mounts(),
        }
    }

    /// Returns the LUKS volume that it is.
    pub fn luks(&self) -> Option<&LuksFill> {
        match self {
            Self::Luks(fill) => Some(fill),
            Self::Empty
            | Self::Ext4(_)
            | Self::Vfat(_)
            | Self::Swap(_)
            | Self::RandomSwap
            | Self::Foreign(_) => None,
        }
    }

    /// Returns its word, as profiles have it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Empty => "nothing",
            Self::Ext4(_) => "ext4",
            Self::Vfat(_) => "vfat",
            Self::Swap(_) => "swap",
            Self::Foreign(fill) => fill.kind.word(),
            Self::RandomSwap => "random-swap",
            Self::Luks(_) => "luks",
        }
    }
}

/// An ext4 file system described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ext4Fill {
    /// Where it is mounted: the files below go into it.
    pub mount: TreePath,
    /// Its label; none: it has none.
    pub label: Option<String>,
    /// Its UUID; none: derived from the seed.
    pub uuid: Option<Uuid>,
    /// Free space beyond the contents.
    pub reserve: Bytes,
}

impl Ext4Fill {
    /// Free space of a file system that says nothing else: a rebuild and some logs.
    pub const RESERVE: Bytes = Bytes::new(GIB.get() / 2);

    /// Describes a file system without a label.
    pub const fn new(mount: TreePath) -> Self {
        Self { mount, label: None, uuid: None, reserve: Self::RESERVE }
    }
}

/// A FAT file system described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VfatFill {
    /// Where it is mounted: the files below go into it.
    pub mount: TreePath,
    /// Its label; none: it has none.
    pub label: Option<String>,
    /// Its serial, which Linux shows as its UUID; none: derived from the seed.
    pub serial: Option<u32>,
    /// Free space beyond the contents.
    pub reserve: Bytes,
}

impl VfatFill {
    /// Free space of a file system that says nothing else; an ESP has its partition's minimum.
    pub const RESERVE: Bytes = MIB;

    /// Describes a file system without a label.
    pub const fn new(mount: TreePath) -> Self {
        Self { mount, label: None, serial: None, reserve: Self::RESERVE }
    }
}

/// A file system that its own programs make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignFill {
    /// Which.
    pub kind: Foreign,
    /// Its label; none: it has none.
    pub label: Option<String>,
    /// Its UUID; none: derived from the seed.
    pub uuid: Option<Uuid>,
    /// Free space beyond the contents.
    pub reserve: Bytes,
    /// What of it is mounted where: the whole, or subvolumes.
    pub shares: Vec<Share>,
}

/// A kind of file system that has no writer here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// Btrfs, with or without subvolumes.
    Btrfs,
    /// XFS.
    Xfs,
}

impl Foreign {
    /// Returns its word, as fstab has it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Btrfs => "btrfs",
            Self::Xfs => "xfs",
        }
    }
}

/// What of a file system is mounted somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Where it is mounted: the files below go into it.
    pub mount: TreePath,
    /// The subvolume, by its path in the file system; none: the whole.
    pub subvolume: Option<String>,
}

/// A swap area described; how large it is, its partition says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SwapFill {
    /// Its label; none: it has none.
    pub label: Option<String>,
    /// Its UUID; none: derived from the seed.
    pub uuid: Option<Uuid>,
}

/// A LUKS2 volume described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LuksFill {
    /// What it is opened as, below `/dev/mapper`; none: what the closure opens it as, else what its
    /// partition is called.
    pub name: Option<String>,
    /// The label of its header; none: it has none.
    pub label: Option<String>,
    /// The UUID of its header; none: derived from the seed.
    pub uuid: Option<Uuid>,
    /// The unit of encryption.
    pub sector: SectorSize,
    /// How passphrases become keys, and what that costs: the same wherever it is built.
    pub kdf: Kdf,
    /// Whether space that nothing uses is encrypted, too, instead of staying holes.
    pub noise: bool,
    /// What is in it.
    pub content: Fill,
}

impl LuksFill {
    /// Describes a volume with nothing said about it.
    pub fn new(content: Fill) -> Self {
        let (name, label, uuid) = (None, None, None);
        let (sector, kdf) = (SectorSize::default(), Kdf::default());
        Self { name, label, uuid, sector, kdf, noise: false, content }
    }

    /// Returns what it is opened as, when it lies in a partition of that name.
    pub fn mapper<'a>(&'a self, partition: &'a str) -> &'a str {
        self.name.as_deref().unwrap_or(partition)
    }
}

impl Layout {
    /// Describes a disk of automatic size.
    pub const fn new(sector: SectorSize, partitions: Vec<Partition>) -> Self {
        Self { sector, size: DiskSize::Auto, id: None, partitions }
    }

    /// Lists the mount points in the order of the partitions: what to split a tree at.
    pub fn mounts(&self) -> Vec<TreePath> {
        self.partitions.iter().flat_map(|partition| partition.content.mounts()).cloned().collect()
    }
}
