//! What a range of bytes holds, from asking what it needs to planning it.
//!
//! A fill asks its tree for the least size; once the layout has given it one, the volume is decided
//! and plans itself. A fill that holds another asks it first and plans it last.

use uuid::Uuid;

use super::error::LayoutError;
use super::geometry::{Given, Keyslots};
use super::layout::{
    Ext4Fill, Fill, Foreign, ForeignFill, Layout, LuksFill, Share, SwapFill, VfatFill,
};
use super::luks2::{self, Luks2};
use crate::ids::Ids;
use crate::plan::{KeyId, Plan, PlanBuilder};
use crate::tree::{Kind, Tree};
use crate::units::{Bytes, KIB, MIB, SectorSize};
use crate::writers::ext4::{self, Ext4};
use crate::writers::fat::{self, Fat, FatError};
use crate::writers::swap::{Swap, SwapError};

/// What a range of bytes holds, decided.
#[derive(Clone, Debug)]
pub enum Volume {
    /// Nothing.
    Empty,
    /// An ext4 file system.
    Ext4(Box<Ext4>),
    /// A FAT file system.
    Vfat(Fat),
    /// A swap area.
    Swap(Swap),
    /// A file system that its own programs make.
    Foreign(ForeignVolume),
    /// Nothing yet: the running system swaps to it with a key of its own.
    RandomSwap,
    /// A LUKS volume, and what is in it.
    Luks(Box<LuksVolume>),
}

/// A file system that its own programs make, decided.
#[derive(Clone, Debug)]
pub struct ForeignVolume {
    /// Which.
    pub kind: Foreign,
    /// Its label.
    pub label: Option<String>,
    /// Its UUID.
    pub uuid: Uuid,
    /// What of it is mounted where.
    pub shares: Vec<Share>,
}

/// A LUKS volume, decided.
#[derive(Clone, Debug)]
pub struct LuksVolume {
    /// The name of its key, which is what it is opened as below `/dev/mapper`.
    pub key: KeyId,
    /// Its header's settings.
    pub luks: Luks2,
    /// How large what it holds is.
    pub payload: Bytes,
    /// What it holds.
    pub content: Volume,
}

/// What is known of a LUKS volume before anybody knows how large it is: enough to make its keys.
#[derive(Clone, Debug)]
pub struct Lock {
    /// The name of its key, which is what it is opened as below `/dev/mapper`.
    pub key: KeyId,
    /// Its header's settings.
    pub luks: Luks2,
}

impl LuksFill {
    /// Decides what does not depend on sizes; `partition` is the one that it lies in.
    fn lock(&self, partition: &str, ids: &Ids, keyslots: &Keyslots) -> Lock {
        let mapper = self.mapper(partition);
        let luks = Luks2 {
            sector: self.sector,
            uuid: self.uuid.unwrap_or_else(|| ids.uuid(&format!("luks {partition}"))),
            label: self.label.clone(),
            subsystem: None,
            kdf: self.kdf,
            keyslots: keyslots.of(mapper),
            noise: self.noise,
        };
        Lock { key: KeyId(mapper.into()), luks }
    }
}

impl Layout {
    /// Lists the LUKS volumes in the order of the partitions.
    pub fn locks(&self, ids: &Ids, keyslots: &Keyslots) -> Vec<Lock> {
        let locks = self.partitions.iter().filter_map(|partition| {
            Some(partition.content.luks()?.lock(&partition.name, ids, keyslots))
        });
        locks.collect()
    }
}

/// A volume whose size is open.
pub(super) struct Unsized {
    volume: Volume,
    /// What its contents take at least.
    pub(super) needed: Bytes,
    /// The free space that the layout promises beside.
    pub(super) reserve: Bytes,
}

impl Unsized {
    /// Asks a partition's fill what it needs; it takes the trees of its file systems.
    pub(super) fn of<'t>(
        (name, fill): (&str, &Fill),
        sector: SectorSize,
        trees: &mut impl Iterator<Item = &'t Tree>,
        given: &Given<'_>,
    ) -> Result<Self, LayoutError> {
        let bare = |volume, needed| Self { volume, needed, reserve: Bytes::ZERO };
        match fill {
            Fill::Empty => Ok(bare(Volume::Empty, Bytes::ZERO)),
            Fill::RandomSwap => Ok(bare(Volume::RandomSwap, Swap::LEAST)),
            Fill::Swap(fill) => Ok(bare(Volume::Swap(swap(name, fill, given)), Swap::LEAST)),
            Fill::Ext4(fill) => Self::ext4(name, fill, next(trees)?, given).map_err(ext4_in(name)),
            Fill::Vfat(fill) => {
                let volume = vfat(name, fill, sector, given);
                let needed = fat::minimum_size(next(trees)?, sector).map_err(vfat_in(name))?;
                Ok(Self { volume: Volume::Vfat(volume), needed, reserve: fill.reserve })
            }
            Fill::Foreign(fill) => {
                let own = || given.ids.uuid(&format!("file system {name}"));
                let ForeignFill { kind, label, shares, reserve, .. } = fill.clone();
                let mut needed = FOREIGN_LEAST;
                for _ in &shares {
                    needed += room(next(trees)?);
                }
                let uuid = fill.uuid.unwrap_or_else(own);
                let volume = Volume::Foreign(ForeignVolume { kind, label, uuid, shares });
                Ok(Self { volume, needed, reserve })
            }
            Fill::Luks(fill) => {
                // An open volume's sectors are its own, unless the disk has larger ones.
                let sector = sector.max(fill.sector);
                let inner = Self::of((name, &fill.content), sector, trees, given)?;
                Self::luks(name, fill, inner, given).map_err(luks_in(name))
            }
        }
    }

    fn ext4(
        name: &str,
        fill: &Ext4Fill,
        tree: &Tree,
        given: &Given<'_>,
    ) -> Result<Self, ext4::Error> {
        let own = || given.ids.uuid(&format!("file system {name}"));
        let hash_seed = given.ids.uuid(&format!("names {name}"));
        let mut volume = Ext4::new(Bytes::ZERO, fill.uuid.unwrap_or_else(own), hash_seed);
        volume.epoch = given.epoch;
        volume.label = ext4::Label::new(fill.label.as_deref().unwrap_or_default())?;
        let needed = volume.minimum_size(tree)?;
        Ok(Self { volume: Volume::Ext4(Box::new(volume)), needed, reserve: fill.reserve })
    }

    fn luks(
        name: &str,
        fill: &LuksFill,
        inner: Self,
        given: &Given<'_>,
    ) -> Result<Self, luks2::Error> {
        let Lock { key, luks } = fill.lock(name, given.ids, given.keyslots);
        luks.check()?;
        let Self { volume: content, needed, reserve } = inner;
        let needed = Luks2::HEADER + needed.align_up(fill.sector.bytes());
        let volume = LuksVolume { key, luks, payload: Bytes::ZERO, content };
        Ok(Self { volume: Volume::Luks(Box::new(volume)), needed, reserve })
    }

    /// Decides the size.
    pub(super) fn sized(self, size: Bytes) -> Volume {
        self.volume.sized(size)
    }
}

/// What XFS takes at least, and what btrfs keeps for itself on small disks: its programs' own figures.
const FOREIGN_LEAST: Bytes = Bytes::new(300 * MIB.get());

/// What a tree takes where nobody here decides how it lies: whole blocks, 2 KiB about each entry, and a twentieth
/// for what holds all that together.
fn room(tree: &Tree) -> Bytes {
    let block = Bytes::new(4096);
    let files = tree.iter().map(|node| match &node.entry().kind {
        Kind::File(source) => source.size().align_up(block) + KIB * 2,
        Kind::Directory | Kind::Symlink(_) | Kind::Device(_) | Kind::Fifo => KIB * 2,
    });
    let contents: Bytes = files.sum();
    contents + Bytes::new(contents.get() / 20)
}

fn vfat(name: &str, fill: &VfatFill, sector: SectorSize, given: &Given<'_>) -> Fat {
    let own = || given.ids.serial(&format!("file system {name}"));
    Fat {
        size: Bytes::ZERO,
        sector,
        label: fill.label.clone(),
        serial: fill.serial.unwrap_or_else(own),
        epoch: given.epoch,
    }
}

fn swap(name: &str, fill: &SwapFill, given: &Given<'_>) -> Swap {
    let own = || given.ids.uuid(&format!("swap {name}"));
    let uuid = fill.uuid.unwrap_or_else(own);
    Swap { size: Bytes::ZERO, label: fill.label.clone(), uuid }
}

impl Volume {
    /// Decides the size of a volume, from the outside in.
    fn sized(self, size: Bytes) -> Self {
        match self {
            Self::Empty => Self::Empty,
            Self::RandomSwap => Self::RandomSwap,
            Self::Ext4(volume) => Self::Ext4(Box::new(Ext4 { size, ..*volume })),
            Self::Vfat(volume) => Self::Vfat(Fat { size, ..volume }),
            Self::Swap(volume) => Self::Swap(Swap { size, ..volume }),
            Self::Foreign(volume) => Self::Foreign(volume),
            Self::Luks(volume) => {
                let LuksVolume { key, luks, content, payload: _ } = *volume;
                let payload = (size - Luks2::HEADER).align_down(luks.sector.bytes());
                let content = content.sized(payload);
                Self::Luks(Box::new(LuksVolume { key, luks, payload, content }))
            }
        }
    }

    /// Plans the volume of a partition; it takes the trees of its file systems.
    pub(super) fn plan<'t>(
        &self,
        (name, size): (&str, Bytes),
        trees: &mut impl Iterator<Item = &'t Tree>,
    ) -> Result<Plan, LayoutError> {
        match self {
            Self::Empty | Self::RandomSwap => Ok(PlanBuilder::new().finish(size)?),
            Self::Ext4(volume) => volume.plan(next(trees)?).map_err(ext4_in(name)),
            Self::Vfat(volume) => volume.plan(next(trees)?).map_err(vfat_in(name)),
            Self::Swap(volume) => volume.plan().map_err(swap_in(name)),
            Self::Foreign(volume) => {
                let (name, kind) = (name.to_owned(), volume.kind.word());
                Err(LayoutError::Foreign { name, kind })
            }
            Self::Luks(volume) => {
                let inner = volume.content.plan((name, volume.payload), trees)?;
                volume.luks.plan(&volume.key, inner).map_err(luks_in(name))
            }
        }
    }

    /// Spreads inodes over a file system that is filled later, twice as many as its tree needs; it takes the
    /// trees of its file systems. A plan sees to it by itself.
    pub(crate) fn spread<'t>(&mut self, trees: &mut impl Iterator<Item = &'t Tree>) {
        match self {
            Self::Empty | Self::RandomSwap | Self::Swap(_) => {}
            Self::Vfat(_) => _ = trees.next(),
            Self::Foreign(volume) => volume.shares.iter().for_each(|_| _ = trees.next()),
            Self::Luks(volume) => volume.content.spread(trees),
            Self::Ext4(volume) => {
                let entries =
                    trees.next().map(|tree| u64::try_from(tree.size()).unwrap_or(u64::MAX));
                let needed = entries.unwrap_or_default().saturating_add(volume.spare_inodes.into());
                let most = Bytes::new(volume.size.get() / needed.saturating_mul(2).max(1));
                volume.bytes_per_inode =
                    volume.bytes_per_inode.min(most).max(Ext4::LEAST_PER_INODE);
            }
        }
    }

    /// Returns the LUKS volume, where it is one.
    pub fn luks(&self) -> Option<&LuksVolume> {
        match self {
            Self::Luks(volume) => Some(volume),
            Self::Empty
            | Self::Ext4(_)
            | Self::Vfat(_)
            | Self::Swap(_)
            | Self::RandomSwap
            | Self::Foreign(_) => None,
        }
    }
}

fn next<'t>(trees: &mut impl Iterator<Item = &'t Tree>) -> Result<&'t Tree, LayoutError> {
    trees.next().ok_or(LayoutError::TreeMissing)
}

fn ext4_in(name: &str) -> impl FnOnce(ext4::Error) -> LayoutError + '_ {
    move |source| LayoutError::Ext4 { name: name.to_owned(), source: Box::new(source) }
}

fn vfat_in(name: &str) -> impl FnOnce(FatError) -> LayoutError + '_ {
    move |source| LayoutError::Vfat { name: name.to_owned(), source: Box::new(source) }
}

fn swap_in(name: &str) -> impl FnOnce(SwapError) -> LayoutError + '_ {
    move |source| LayoutError::Swap { name: name.to_owned(), source }
}

fn luks_in(name: &str) -> impl FnOnce(luks2::Error) -> LayoutError + '_ {
    move |source| LayoutError::Luks { name: name.to_owned(), source: Box::new(source) }
}
