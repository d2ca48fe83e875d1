//! What is on the medium beside the store: kernels, boot loaders, their menus, and a few words.

use std::sync::Arc;

use super::loaders::{Bios, ISOLINUX, Loaders, Uefi};
use super::preflight::Shape;
use super::{Error, IsoSpec, efi};
use crate::boot::grub::{self, Grub};
use crate::boot::live_menu::{self, Menu};
use crate::epoch::Epoch;
use crate::formats::Input;
use crate::inputs::etc_dir::EtcDir;
use crate::inputs::overlay::Overlays;
use crate::inputs::store_path::StoreFile;
use crate::plan::Plan;
use crate::tree::{Entry, HostDir, Meta, Mode, Origin, Source, Tree, TreeBuilder, TreePath};
use crate::units::{Bytes, MIB};
use crate::writers::iso9660::BootInfo;

/// Where GRUB has its menu, on BIOS and UEFI alike.
pub(super) const GRUB: &str = "/boot/grub";

/// Where El Torito finds the EFI system partition.
const EFI_IMAGE: &str = "/boot/efi.img";

/// Where ISOLINUX looks for its parts and its menu.
const SYSLINUX: &str = "/isolinux";

/// The toplevels of what rides along, one on a line.
const CARRIED: &str = "/carried.txt";

/// What GRUBs of other media look for to find NixOS' (nixpkgs' `grubMarkerFile`).
const MARKER: &str = "/EFI/nixos-installer-image";

/// No program that a BIOS starts is larger.
const BIOS_MAX: Bytes = MIB;

/// What the medium starts, all decided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Started<'a> {
    pub(super) shape: &'a Shape,
    pub(super) menu: &'a Menu,
    pub(super) loaders: &'a Loaders,
}

/// A medium but for its store.
#[derive(Debug)]
pub(super) struct Medium {
    /// Everything, with an empty file in the store's place.
    pub(super) tree: Tree,
    /// The EFI system partition.
    pub(super) efi: Option<Arc<Plan>>,
    /// Where it lies.
    pub(super) efi_image: TreePath,
    /// What a BIOS starts.
    pub(super) bios: Option<BiosImage>,
}

/// What a BIOS starts, from a CD drive and from a stick.
#[derive(Debug)]
pub(super) struct BiosImage {
    /// Where it lies.
    pub(super) image: TreePath,
    /// How it is told where it lies.
    pub(super) info: BootInfo,
    /// The boot code of a stick.
    pub(super) mbr: Vec<u8>,
}

impl Medium {
    /// Decides what is on it.
    pub(super) fn of(
        spec: &IsoSpec<'_>,
        input: Input<'_>,
        started: Started<'_>,
    ) -> Result<Self, Error> {
        let marker = format!("{GRUB}/{}.id", spec.ids.uuid("medium"));
        let draft = Draft {
            tree: TreeBuilder::new(spec.epoch),
            host: HostDir::open(input.store.directory())?,
            epoch: spec.epoch,
        };
        let efi_image = TreePath::parse(EFI_IMAGE)?;
        draft.finish(spec, input, started, &marker, efi_image)
    }

    /// All files, the store among them.
    pub(super) fn tree(
        &self,
        shape: &Shape,
        squashfs: Arc<Plan>,
        epoch: Epoch,
    ) -> Result<Tree, Error> {
        let mut tree = TreeBuilder::new(epoch);
        let layer = tree.layer("the medium");
        let mut store = Some(Source::Plan(squashfs));
        for node in self.tree.iter() {
            let path = node.path();
            let entry = match store.take_if(|_| path == shape.squashfs) {
                Some(source) => Entry::file(node.meta().clone(), source),
                None => node.entry().clone(),
            };
            tree.add(layer, path, entry);
        }
        Ok(tree.build()?)
    }
}

/// The medium's files as they are claimed, layer by layer.
struct Draft {
    tree: TreeBuilder,
    host: HostDir,
    epoch: Epoch,
}

impl Draft {
    fn finish(
        mut self,
        spec: &IsoSpec<'_>,
        input: Input<'_>,
        started: Started<'_>,
        marker: &str,
        efi_image: TreePath,
    ) -> Result<Medium, Error> {
        let Started { shape, menu, loaders } = started;
        self.words(spec, input, shape)?;
        self.kernels(menu)?;
        let efi = self.uefi(input, started, marker)?;
        let efi = match efi {
            None => None,
            Some(files) => {
                let plan = efi::plan(&files, spec.ids.serial("efi"), self.epoch)?;
                let layer = self.tree.layer("the EFI system partition");
                let entry = Entry::file(self.meta(), Source::Plan(Arc::clone(&plan)));
                self.tree.add(layer, efi_image.clone(), entry);
                Some(plan)
            }
        };
        let bios = self.bios(input, started, marker)?;
        if loaders.has_grub() {
            let layer = self.tree.layer("GRUB");
            self.text(layer, &format!("{GRUB}/grub.cfg"), live_menu::grub::text(menu))?;
            self.text(layer, marker, String::new())?;
        }
        let IsoSpec { overlays, rules, epoch, .. } = *spec;
        Overlays { overlays, rules, etc: EtcDir::Plain, epoch }.add(&mut self.tree)?;
        Ok(Medium { tree: self.tree.build()?, efi, efi_image, bios })
    }

    fn meta(&self) -> Meta {
        Meta::root(Mode::STORE_FILE, self.epoch)
    }

    fn text(&mut self, layer: Origin, path: &str, text: String) -> Result<(), Error> {
        let entry = Entry::file(self.meta(), Source::bytes(text.into_bytes()));
        self.tree.add(layer, TreePath::parse(path)?, entry);
        Ok(())
    }

    fn file(&mut self, layer: Origin, path: &str, file: &StoreFile) -> Result<(), Error> {
        let below = format!("{}/{}", file.path().base_name(), file.inner());
        let source = self.host.file(below.trim_end_matches('/').as_bytes())?;
        self.tree.add(layer, TreePath::parse(path)?, Entry::file(self.meta(), source));
        Ok(())
    }

    /// The store's place, and what people and installers read.
    fn words(&mut self, spec: &IsoSpec<'_>, input: Input<'_>, shape: &Shape) -> Result<(), Error> {
        let layer = self.tree.layer("the medium's own files");
        let store = Entry::file(self.meta(), Source::bytes(Vec::new()));
        self.tree.add(layer, shape.squashfs.clone(), store);
        self.text(layer, "/version.txt", input.system.main.label.clone())?;
        self.text(layer, MARKER, String::new())?;
        if !spec.carried.is_empty() {
            let lines = spec.carried.iter().map(|toplevel| format!("{toplevel}\n"));
            self.text(layer, CARRIED, lines.collect())?;
        }
        Ok(())
    }

    /// What boot loaders read from the medium.
    fn kernels(&mut self, menu: &Menu) -> Result<(), Error> {
        let layer = self.tree.layer("kernels");
        for file in menu.files() {
            self.file(layer, &live_menu::place(file), file)?;
        }
        Ok(())
    }

    /// The files of the EFI system partition; GRUB's program is on the medium too, for those who copy
    /// its files to a stick.
    fn uefi(
        &mut self,
        input: Input<'_>,
        started: Started<'_>,
        marker: &str,
    ) -> Result<Option<efi::Files>, Error> {
        let Started { menu, loaders, .. } = started;
        let Loaders { machine, uefi, .. } = loaders;
        Ok(match uefi {
            None => None,
            Some(Uefi::SystemdBoot(program)) => {
                Some(efi::systemd_boot(input.store, menu, *machine, program, self.epoch)?)
            }
            Some(Uefi::Grub(grub)) => {
                let files = efi::grub(input.store, grub, *machine, marker, self.epoch)?;
                let layer = self.tree.layer("GRUB for UEFI");
                for (path, entry) in &files {
                    self.tree.add(layer, path.clone(), entry.clone());
                }
                Some(files)
            }
        })
    }

    fn bios(
        &mut self,
        input: Input<'_>,
        started: Started<'_>,
        marker: &str,
    ) -> Result<Option<BiosImage>, Error> {
        match &started.loaders.bios {
            None => Ok(None),
            Some(Bios::Isolinux(folder)) => self.isolinux(input, started.menu, folder).map(Some),
            Some(Bios::Grub(grub)) => self.grub(input, grub, marker).map(Some),
        }
    }

    fn isolinux(
        &mut self,
        input: Input<'_>,
        menu: &Menu,
        folder: &StoreFile,
    ) -> Result<BiosImage, Error> {
        let layer = self.tree.layer("ISOLINUX");
        let inside = |name: &str| folder.path().join(&format!("{}/{name}", folder.inner()));
        let [program, modules @ .., boot_code] = ISOLINUX;
        for name in modules {
            let file = input.store.resolve(&inside(name)?)?;
            self.file(layer, &format!("{SYSLINUX}/{name}"), &file)?;
        }
        self.text(layer, &format!("{SYSLINUX}/isolinux.cfg"), live_menu::isolinux::text(menu))?;
        // It is told where it lies, so its bytes change.
        let image = TreePath::parse(format!("{SYSLINUX}/{program}"))?;
        let bytes = input.store.read(&inside(program)?, BIOS_MAX)?;
        self.tree.add(layer, image.clone(), Entry::file(self.meta(), Source::bytes(bytes)));
        let mbr = input.store.read(&inside(boot_code)?, BIOS_MAX)?;
        Ok(BiosImage { image, info: BootInfo::Isolinux, mbr })
    }

    fn grub(&mut self, input: Input<'_>, grub: &Grub, marker: &str) -> Result<BiosImage, Error> {
        let early = grub::early_config(marker);
        let made = grub::bios_image(input.store, grub, GRUB, &early)?;
        let layer = self.tree.layer("GRUB for BIOS");
        let image = TreePath::parse(format!("{GRUB}/bios.img"))?;
        let entry = Entry::file(self.meta(), Source::bytes(made.eltorito));
        self.tree.add(layer, image.clone(), entry);
        Ok(BiosImage { image, info: BootInfo::Grub2, mbr: made.hybrid_mbr })
    }
}
