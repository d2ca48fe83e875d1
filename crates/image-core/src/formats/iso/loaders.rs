//! What starts a medium: the boot loaders that the closure brings, one for UEFI and one for BIOS.
//!
//! Every NixOS brings systemd-boot, which reads kernels from the EFI system partition only; a live
//! system's GRUB reads them from the medium itself, so its images are smaller by a kernel and an
//! initrd. systemd-boot is taken where nobody asks: it is started as it is, whereas GRUB is linked here.
//! With a BIOS it is the other way round: ISOLINUX is taken as it is, GRUB is linked.

use std::fmt;
use std::str::FromStr;

use super::Error;
use crate::boot::grub::{Grub, Platform};
use crate::boot::preflight::{Findings, Told};
use crate::boot::systemd_boot::Machine;
use crate::formats::Input;
use crate::inputs::store_path::StoreFile;

/// Where nixpkgs' syslinux has what a BIOS starts.
const SYSLINUX: &str = "share/syslinux";

/// What ISOLINUX cannot do without: itself, its core, the menu, the menu's library, a stick's boot code.
pub(super) const ISOLINUX: [&str; 5] =
    ["isolinux.bin", "ldlinux.c32", "menu.c32", "libutil.c32", "isohdpfx.bin"];

/// What starts it in UEFI machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UefiLoader {
    /// systemd-boot, with kernels in the EFI system partition.
    SystemdBoot,
    /// GRUB, with kernels on the medium.
    Grub,
}

/// What starts it in BIOS machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BiosLoader {
    /// syslinux' loader for CD drives.
    Isolinux,
    /// GRUB.
    Grub,
}

impl UefiLoader {
    /// All of them, for help texts.
    pub const ALL: [Self; 2] = [Self::SystemdBoot, Self::Grub];

    /// Returns its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::SystemdBoot => "systemd-boot",
            Self::Grub => "grub",
        }
    }
}

impl BiosLoader {
    /// All of them, for help texts.
    pub const ALL: [Self; 2] = [Self::Isolinux, Self::Grub];

    /// Returns its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Isolinux => "isolinux",
            Self::Grub => "grub",
        }
    }
}

impl fmt::Display for UefiLoader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for BiosLoader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A word that names no boot loader.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found:?}")]
pub struct LoaderError {
    expected: String,
    found: String,
}

impl FromStr for UefiLoader {
    type Err = LoaderError;

    fn from_str(text: &str) -> Result<Self, LoaderError> {
        let known = Self::ALL.into_iter().find(|loader| loader.word() == text);
        let expected = || Self::ALL.map(Self::word).join(" or ");
        known.ok_or_else(|| LoaderError { expected: expected(), found: text.to_owned() })
    }
}

impl FromStr for BiosLoader {
    type Err = LoaderError;

    fn from_str(text: &str) -> Result<Self, LoaderError> {
        let known = Self::ALL.into_iter().find(|loader| loader.word() == text);
        let expected = || Self::ALL.map(Self::word).join(" or ");
        known.ok_or_else(|| LoaderError { expected: expected(), found: text.to_owned() })
    }
}

/// The boot loaders that were asked for; where nobody asks the closure decides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    /// For UEFI.
    pub uefi: Option<UefiLoader>,
    /// For BIOS.
    pub bios: Option<BiosLoader>,
}

/// The boot loaders of a medium.
#[derive(Clone, Debug)]
pub struct Loaders {
    /// The machines that it is for.
    pub machine: Machine,
    /// What starts it in UEFI machines.
    pub uefi: Option<Uefi>,
    /// What starts it in BIOS machines.
    pub bios: Option<Bios>,
}

/// UEFI's boot loader, and where it is.
#[derive(Clone, Debug)]
pub enum Uefi {
    /// The program.
    SystemdBoot(StoreFile),
    /// The closure's GRUB.
    Grub(Grub),
}

/// A BIOS' boot loader, and where it is.
#[derive(Clone, Debug)]
pub enum Bios {
    /// The folder of syslinux.
    Isolinux(StoreFile),
    /// The closure's GRUB.
    Grub(Grub),
}

impl Loaders {
    /// Chooses; says what the closure does not have. `None` where nothing would start the medium.
    pub(super) fn choose(
        input: Input<'_>,
        wishes: &Wishes,
        findings: &mut Findings,
    ) -> Result<Option<Self>, Error> {
        let platform = &input.system.main.platform;
        let Some(machine) = Machine::from_platform(platform) else {
            findings.refuse(Told {
                about: "platform".to_owned(),
                wants: platform.clone(),
                gives: format!(
                    "boot loaders for {}",
                    Machine::ALL.map(Machine::platform).join(", ")
                ),
                mend: "build the configuration for one of these platforms".to_owned(),
            });
            return Ok(None);
        };
        let grub = Grub::find(input.store, input.closure)?;
        let uefi = uefi(input, wishes.uefi, machine, grub.as_ref())?;
        let bios = bios(input, wishes.bios, machine, grub.as_ref())?;
        if let (None, Some(asked)) = (&uefi, wishes.uefi) {
            refuse_wish(asked.word(), "UEFI", findings);
        }
        if let (None, Some(asked)) = (&bios, wishes.bios) {
            refuse_wish(asked.word(), "BIOS", findings);
        }
        tell_of_missing(machine, uefi.is_some(), bios.is_some(), findings);
        Ok((uefi.is_some() || bios.is_some()).then_some(Self { machine, uefi, bios }))
    }

    /// Whether any of them is GRUB.
    pub(super) fn has_grub(&self) -> bool {
        matches!(self.uefi, Some(Uefi::Grub(_))) || matches!(self.bios, Some(Bios::Grub(_)))
    }
}

impl Uefi {
    /// Which it is.
    pub fn loader(&self) -> UefiLoader {
        match self {
            Self::SystemdBoot(_) => UefiLoader::SystemdBoot,
            Self::Grub(_) => UefiLoader::Grub,
        }
    }
}

impl Bios {
    /// Which it is.
    pub fn loader(&self) -> BiosLoader {
        match self {
            Self::Isolinux(_) => BiosLoader::Isolinux,
            Self::Grub(_) => BiosLoader::Grub,
        }
    }
}

fn uefi(
    input: Input<'_>,
    asked: Option<UefiLoader>,
    machine: Machine,
    grub: Option<&Grub>,
) -> Result<Option<Uefi>, Error> {
    let program = machine.program(&input.system.main.toplevel);
    let is_there = match input.store.resolve(&program) {
        Ok(program) => Some(program).filter(|program| input.closure.contains(program.path())),
        Err(error) if error.is_not_found() => None,
        Err(error) => return Err(error.into()),
    };
    let grub = grub.filter(|grub| grub.is_for(Platform::Efi(machine))).cloned();
    let systemd_boot = is_there.map(Uefi::SystemdBoot);
    let grub = grub.map(Uefi::Grub);
    Ok(match asked {
        Some(UefiLoader::SystemdBoot) => systemd_boot,
        Some(UefiLoader::Grub) => grub,
        None => systemd_boot.or(grub),
    })
}

fn bios(
    input: Input<'_>,
    asked: Option<BiosLoader>,
    machine: Machine,
    grub: Option<&Grub>,
) -> Result<Option<Bios>, Error> {
    match machine {
        Machine::X86_64 | Machine::I686 => {}
        Machine::Aarch64 => return Ok(None),
    }
    let isolinux = isolinux(input)?.map(Bios::Isolinux);
    let grub = grub.filter(|grub| grub.is_for(Platform::Bios)).cloned().map(Bios::Grub);
    Ok(match asked {
        Some(BiosLoader::Isolinux) => isolinux,
        Some(BiosLoader::Grub) => grub,
        None => isolinux.or(grub),
    })
}

/// The folder of the closure's syslinux, where all that is needed is in it; the last by name.
fn isolinux(input: Input<'_>) -> Result<Option<StoreFile>, Error> {
    for info in input.closure.paths().iter().rev() {
        if !info.path.name().starts_with("syslinux") {
            continue;
        }
        let mut is_whole = true;
        for name in ISOLINUX {
            let file = info.path.join(&format!("{SYSLINUX}/{name}"))?;
            is_whole &= input.store.kind(&file)?.is_some_and(|kind| kind.is_file());
        }
        if is_whole {
            return Ok(Some(info.path.join(SYSLINUX)?));
        }
    }
    Ok(None)
}

fn refuse_wish(loader: &str, firmware: &str, findings: &mut Findings) {
    findings.refuse(Told {
        about: format!("{firmware} boot loader"),
        wants: format!("to be started by something else: it brings no {loader} for {firmware}"),
        gives: format!("{loader}, as asked for"),
        mend: "leave the choice to calve, or add the boot loader to environment.systemPackages"
            .to_owned(),
    });
}

fn tell_of_missing(machine: Machine, uefi: bool, bios: bool, findings: &mut Findings) {
    let told = |firmware: &str, wants: &str, mend: &str| Told {
        about: format!("{firmware} boot loader"),
        wants: wants.to_owned(),
        gives: format!("no start in {firmware} machines"),
        mend: mend.to_owned(),
    };
    let mend = "add pkgs.syslinux or pkgs.grub2 to environment.systemPackages, as \
                isoImage.makeBiosBootable does, if they matter";
    let no_uefi = told(
        "UEFI",
        "no boot loader for UEFI: it has neither systemd-boot nor GRUB",
        "build it with a systemd that has systemd-boot, or add pkgs.grub2_efi to \
         environment.systemPackages",
    );
    match (machine, uefi, bios) {
        (_, true, true) | (Machine::Aarch64, true, false) => {}
        (Machine::X86_64 | Machine::I686, true, false) => {
            findings.warn(told("BIOS", "no boot loader for BIOS: neither syslinux nor GRUB", mend));
        }
        (_, false, true) => findings.warn(no_uefi),
        (_, false, false) => findings.refuse(no_uefi),
    }
}
