//! An ISO: a medium that starts a live system, from a CD drive and from a stick, in UEFI and BIOS.
//!
//! ```text
//!   store paths ─► squashfs ─┐
//!   kernels, boot loaders ───┼─► ISO 9660 ─► the same as a disk, with a partition table
//!   menu ─► efi.img (FAT) ───┘
//! ```
//!
//! - [`preflight`]: whether the system would start, and what the medium must be for that
//! - [`loaders`]: which boot loaders the closure brings
//! - `store`: what is in the squashfs
//! - `medium`: what is on the medium beside it
//! - `efi`: the EFI system partition
//!
//! What the store is to be called and where it must lie the closure decides, so nothing of it is an
//! option here. Follows nixpkgs' `installer/cd-dvd/iso-image.nix`, from which names of files come.

mod efi;
pub mod loaders;
mod medium;
pub mod preflight;
mod store;

use std::sync::Arc;

use super::Input;
use super::archive::Workshop;
use crate::boot::live_menu::{self, Menu, Wanted};
use crate::boot::preflight::Finding;
use crate::boot::{esp, grub};
use crate::disk::hybrid::{self, Hybrid, HybridError};
use crate::epoch::Epoch;
use crate::ids::Ids;
use crate::inputs::overlay::{self, Overlay, Rule};
use crate::inputs::store_path::StorePath;
use crate::inputs::system::System;
use crate::inputs::{stage1, store_path, store_tree};
use crate::pack::{self, Packed};
use crate::plan::{Plan, Serial};
use crate::region;
use crate::tree::path::PathError;
use crate::tree::source::SourceError;
use crate::tree::{Conflict, Tree};
use crate::units::Bytes;
use crate::writers::fat::FatError;
use crate::writers::iso9660::{self, BiosBoot, Boot};
use crate::writers::squashfs::{self, Codec, Press, Settings, Stored};
use loaders::Wishes;
use medium::{Medium, Started};
use preflight::{Checked, Shape};

/// What the volume says it is for, and who made it, as nixpkgs' media do.
const NAME: &str = "nixos";

/// What ISO to make of a system.
#[derive(Clone, Copy, Debug)]
pub struct IsoSpec<'a> {
    /// Systems that ride along, to be installed without a network.
    pub carried: &'a [StorePath],
    /// Directories of the host whose files go onto the medium.
    pub overlays: &'a [Overlay],
    /// What those files' owners and modes are, where the host cannot say.
    pub rules: &'a [Rule],
    /// Where ids come from.
    pub ids: &'a Ids,
    /// The time of everything that is not the store's.
    pub epoch: Epoch,
    /// How the store is compressed.
    pub codec: Codec,
    /// Whether the system is copied into memory where nobody chooses.
    pub copy_to_ram: bool,
    /// The boot loaders that were asked for.
    pub wishes: Wishes,
}

/// An ISO decided but for the size of its store.
#[derive(Debug)]
pub struct Iso {
    /// What the medium is called, and where its store lies.
    pub shape: Shape,
    /// What can be started.
    pub menu: Menu,
    /// What starts it.
    pub loaders: loaders::Loaders,
    /// What pre-flight found; warnings only.
    pub findings: Vec<Finding>,
    /// How the store is written.
    pub settings: Settings,
    store: Tree,
    row: Serial,
    medium: Medium,
    ids: Ids,
    epoch: Epoch,
}

/// Why no ISO can be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system would not start from one.
    #[error("this system would not start from an ISO")]
    Refused(Vec<Finding>),
    /// A file that decides it cannot be read.
    #[error(transparent)]
    Store(#[from] crate::inputs::store::Error),
    /// The initrd cannot be read.
    #[error(transparent)]
    Stage1(#[from] stage1::Error),
    /// A store path cannot be read.
    #[error(transparent)]
    StoreTree(#[from] store_tree::Error),
    /// A file of the store that is none.
    #[error(transparent)]
    StorePath(#[from] store_path::Error),
    /// The menu cannot be written.
    #[error(transparent)]
    Menu(#[from] live_menu::Error),
    /// The closure's GRUB gives no image.
    #[error(transparent)]
    Grub(#[from] grub::Error),
    /// The boot loader's files cannot be reached.
    #[error(transparent)]
    Esp(#[from] esp::Error),
    /// A file of the closure cannot be reached.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// An overlay cannot be read or has no place.
    #[error(transparent)]
    Overlay(#[from] overlay::Error),
    /// Two sources claim one path.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// A path that is none.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The EFI system partition cannot hold its files.
    #[error(transparent)]
    Fat(#[from] FatError),
    /// The store makes no squashfs.
    #[error(transparent)]
    Squashfs(#[from] squashfs::Error),
    /// What was packed is not the store.
    #[error(transparent)]
    Place(#[from] squashfs::PlaceError),
    /// The files make no volume.
    #[error(transparent)]
    Volume(#[from] iso9660::Error),
    /// The volume makes no disk.
    #[error(transparent)]
    Hybrid(#[from] HybridError),
}

/// Decides everything that can be known before the store is packed.
///
/// # Errors
/// [`Error::Refused`] with all findings, or what cannot be read.
pub fn prepare(spec: &IsoSpec<'_>, input: Input<'_>) -> Result<Iso, Error> {
    let Checked { shape, loaders, findings } = preflight::check(input, &spec.wishes, spec.carried)?;
    let distro = store::distro(input)?;
    let wanted = Wanted { distro: &distro, copy_to_ram: spec.copy_to_ram };
    let menu = Menu::of(input.store, input.system, &wanted)?;
    let settings = Settings::new(spec.codec, spec.epoch);
    let store = store::tree(input, spec.epoch)?;
    let row = squashfs::serial(&store, &settings)?;
    let started = Started { shape: &shape, menu: &menu, loaders: &loaders };
    let medium = Medium::of(spec, input, started)?;
    let (ids, epoch) = (spec.ids.clone(), spec.epoch);
    Ok(Iso { shape, menu, loaders, findings, settings, store, row, medium, ids, epoch })
}

impl Iso {
    /// How large the contents of the store's files are.
    pub fn unpacked(&self) -> Bytes {
        self.row.plan.size()
    }

    /// How many files, directories and links the store has.
    pub fn entries(&self) -> usize {
        self.store.size()
    }

    /// How large the EFI system partition is.
    pub fn efi_size(&self) -> Option<Bytes> {
        self.medium.efi.as_ref().map(|plan| plan.size())
    }

    /// Compresses the store, taking from the cache what it holds.
    ///
    /// # Errors
    /// See [`pack::Error`].
    pub fn pack(
        &self,
        input: Input<'_>,
        workshop: Workshop<'_>,
        options: &region::Options<'_>,
    ) -> Result<Packed, pack::Error> {
        let press = Press::new(&self.store, &self.settings);
        workshop.pack(&self.store, &self.row, input.closure, &press, options)
    }

    /// Plans the image; returns it with the size of the squashfs in it.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn plan(&self, packed: &Packed) -> Result<(Plan, Bytes), Error> {
        let stored = Stored::of(&self.store, packed, &self.settings)?;
        let squashfs = squashfs::plan(&self.store, &stored, &self.settings)?;
        let size = squashfs.size();
        let tree = self.medium.tree(&self.shape, Arc::new(squashfs), self.epoch)?;
        let bios = self.medium.bios.as_ref();
        let boot = Boot {
            bios: bios.map(|bios| BiosBoot { image: &bios.image, info: bios.info }),
            efi: self.medium.efi.as_ref().map(|_| &self.medium.efi_image),
        };
        let settings = iso9660::Settings {
            volume: &self.shape.volume,
            epoch: self.epoch,
            application: NAME,
            publisher: NAME,
            boot,
        };
        let iso = iso9660::plan(&tree, &settings)?;
        let hybrid = Hybrid {
            id: self.ids.uuid("disk"),
            esp: self.ids.uuid("partition efi"),
            files: self.ids.uuid("partition files"),
            mbr: bios.map(|bios| bios.mbr.as_slice()),
        };
        Ok((hybrid::plan(&iso, &hybrid)?, size))
    }
}

/// Names an ISO as nixpkgs does, made safe for a file's name.
pub fn file_name(system: &System) -> String {
    let safe = |text: &str| {
        let is_safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '+');
        let parts = text.split(|c| !is_safe(c)).filter(|part| !part.is_empty());
        parts.collect::<Vec<&str>>().join("_")
    };
    format!("nixos-{}-{}.iso", safe(&system.main.label), safe(&system.main.platform))
}

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;
