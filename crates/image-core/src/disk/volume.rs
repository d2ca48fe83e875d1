//! What a range of bytes holds, from asking what it needs to planning it.
//!
//! A fill asks its tree for the least size; once the layout has given it one, the volume is decided
//! and plans itself. A fill that holds others will ask them first and plan them last.

use super::geometry::{Given, LayoutError};
use super::layout::{Ext4Fill, Fill, VfatFill};
use crate::plan::{Plan, PlanBuilder};
use crate::tree::Tree;
use crate::units::{Bytes, SectorSize};
use crate::writers::ext4::{self, Ext4};
use crate::writers::fat::{self, Fat, FatError};

/// What a range of bytes holds, decided.
#[derive(Clone, Debug)]
pub enum Volume {
    /// Nothing.
    Empty,
    /// An ext4 file system.
    Ext4(Box<Ext4>),
    /// A FAT file system.
    Vfat(Fat),
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
        match fill {
            Fill::Empty => {
                Ok(Self { volume: Volume::Empty, needed: Bytes::ZERO, reserve: Bytes::ZERO })
            }
            Fill::Ext4(fill) => Self::ext4(name, fill, next(trees)?, given).map_err(ext4_in(name)),
            Fill::Vfat(fill) => {
                let volume = vfat(name, fill, sector, given);
                let needed = fat::minimum_size(next(trees)?, sector).map_err(vfat_in(name))?;
                Ok(Self { volume: Volume::Vfat(volume), needed, reserve: fill.reserve })
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

    /// Decides the size.
    pub(super) fn sized(self, size: Bytes) -> Volume {
        match self.volume {
            Volume::Empty => Volume::Empty,
            Volume::Ext4(volume) => Volume::Ext4(Box::new(Ext4 { size, ..*volume })),
            Volume::Vfat(volume) => Volume::Vfat(Fat { size, ..volume }),
        }
    }
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

impl Volume {
    /// Plans the volume of a partition; it takes the trees of its file systems.
    pub(super) fn plan<'t>(
        &self,
        (name, size): (&str, Bytes),
        trees: &mut impl Iterator<Item = &'t Tree>,
    ) -> Result<Plan, LayoutError> {
        match self {
            Self::Empty => Ok(PlanBuilder::new().finish(size)?),
            Self::Ext4(volume) => volume.plan(next(trees)?).map_err(ext4_in(name)),
            Self::Vfat(volume) => volume.plan(next(trees)?).map_err(vfat_in(name)),
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
