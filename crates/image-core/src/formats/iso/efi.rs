//! The EFI system partition of a medium: a FAT as small as its files allow.
//!
//! It is a file of the medium, which El Torito names, and the same bytes are a partition of the stick.

use std::sync::Arc;

use super::Error;
use crate::boot::esp;
use crate::boot::grub::{self, Grub, Platform};
use crate::boot::live_menu::{self, Menu};
use crate::boot::systemd_boot::Machine;
use crate::epoch::Epoch;
use crate::inputs::store::HostStore;
use crate::inputs::store_path::StoreFile;
use crate::plan::Plan;
use crate::tree::{Entry, Meta, Mode, Source, TreeBuilder, TreePath};
use crate::units::SectorSize;
use crate::writers::fat::{self, Fat};

/// What nixpkgs calls it.
const LABEL: &str = "EFIBOOT";

/// Files of a partition, with their paths.
pub(super) type Files = Vec<(TreePath, Entry)>;

/// systemd-boot with its menu and what that starts.
pub(super) fn systemd_boot(
    store: &HostStore,
    menu: &Menu,
    machine: Machine,
    program: &StoreFile,
    epoch: Epoch,
) -> Result<Files, Error> {
    let files = live_menu::systemd_boot::files(menu, machine, program.clone());
    Ok(esp::entries(store, &files, epoch)?)
}

/// GRUB, which finds its menu on the medium by a file that no other medium has.
pub(super) fn grub(
    store: &HostStore,
    grub: &Grub,
    machine: Machine,
    marker: &str,
    epoch: Epoch,
) -> Result<Files, Error> {
    let early = grub::early_config(marker);
    let image = grub::efi_image(store, grub, Platform::Efi(machine), super::medium::GRUB, &early)?;
    let entry = Entry::file(Meta::root(Mode::D755, epoch), Source::bytes(image));
    Ok(vec![(TreePath::parse(machine.fallback())?, entry)])
}

/// Plans the partition.
pub(super) fn plan(files: &Files, serial: u32, epoch: Epoch) -> Result<Arc<Plan>, Error> {
    let mut tree = TreeBuilder::new(epoch);
    let layer = tree.layer("the boot loader");
    for (path, entry) in files {
        tree.add(layer, path.clone(), entry.clone());
    }
    let tree = tree.build()?;
    let sector = SectorSize::B512;
    let size = fat::minimum_size(&tree, sector)?;
    let fat = Fat { size, sector, label: Some(LABEL.to_owned()), serial, epoch };
    Ok(Arc::new(fat.plan(&tree)?))
}
