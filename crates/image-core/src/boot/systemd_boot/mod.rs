//! The files of an ESP with systemd-boot, as nixpkgs' own builder would leave them.
//!
//! Names and texts follow the builder of NixOS 23.11 to 26.05 to the byte (the next `nixos-rebuild`
//! replaces them by whatever the closure's own builder makes). The image is generation 1. `machine-id`
//! is left out, because an image has none; DATE is the build's epoch. Kernels shared between
//! specialisations are there once.
//!
//! - `menu`: loader.conf, and the options of it that a profile may set
//! - `entry`: the entries, their names and texts
//!
//! Secrets are appended to the initrd that they are for ([`super::initrd_secrets`]), as the closure's own
//! script would do. What the entries would need but an ESP made here cannot have is refused: secrets that
//! nobody gave, further initrds outside the closure, XBOOTLDR. Follows `systemd-boot-builder.py` in nixpkgs, the UAPI Boot
//! Loader Specification, loader.conf(5) and systemd.boot-assessment.

use std::collections::BTreeMap;

use super::initrd_secrets::{Appendix, Part, Secret, Wanted};
use crate::epoch::Epoch;
use crate::inputs::builder::Settings;
use crate::inputs::secret_appender::{self, Appended, Origin};
use crate::inputs::store::{self, HostStore};
use crate::inputs::store_path::{StoreFile, StorePath};
use crate::inputs::system::System;
use crate::tree::TreePath;

mod entry;
mod menu;

use entry::Entry;
pub(crate) use entry::{FAT_REFUSES, place};
pub use menu::{ConsoleMode, Options, Timeout};

/// What entries are titled where the closure's builder has no name (`system.nixos.distroName`).
const DISTRO: &str = "NixOS";

/// Why a closure cannot be started by systemd-boot from an ESP made here.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The closure has no kernel.
    #[error("{toplevel} has no boot.json: it is a container and brings no kernel")]
    NoBootspec {
        /// The toplevel.
        toplevel: StorePath,
    },
    /// No systemd-boot exists for the platform.
    #[error("expected a system for {}, found {found:?}", Machine::platforms())]
    Platform {
        /// The platform that the closure is for.
        found: String,
    },
    /// A file could not be reached.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A text would break out of its line.
    #[error("{what} of {toplevel} has a control character: {text:?}")]
    Control {
        /// Which text.
        what: &'static str,
        /// Whose.
        toplevel: StorePath,
        /// The text.
        text: String,
    },
    /// A specialisation's name cannot be part of a file's name on the ESP.
    #[error(
        "the specialisation {name:?} cannot be named on an ESP: FAT refuses {FAT_REFUSES} and control characters"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// It is not known which secrets must be appended to the initrd.
    #[error(transparent)]
    Appender(#[from] secret_appender::Error),
    /// A secret must be appended to the initrd.
    #[error("{toplevel} expects the secret {dest} in its initrd, which was not given")]
    MissingSecret {
        /// Whose initrd.
        toplevel: StorePath,
        /// Where its first stage looks for it.
        dest: TreePath,
    },
    /// Further initrds are not part of the closure.
    #[error("{toplevel} expects further initrds on the ESP that no store path holds: {}", paths.join(", "))]
    ExtraInitrds {
        /// Whose.
        toplevel: StorePath,
        /// The paths on the ESP.
        paths: Vec<String>,
    },
    /// The closure's builder keeps kernels on another partition.
    #[error(
        "the closure keeps kernels in {boot} and its ESP in {esp} (XBOOTLDR), which calve does not make"
    )]
    Xbootldr {
        /// Where kernels would be.
        boot: String,
        /// Where the ESP would be.
        esp: String,
    },
    /// Boot counting would never be ended.
    #[error(
        "boot counting needs systemd-bless-boot and boot-complete.target, which {toplevel} lacks: \
         every boot would count as failed"
    )]
    NoBlessing {
        /// The toplevel.
        toplevel: StorePath,
    },
}

/// A kind of machine that systemd-boot starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// 64-bit x86.
    X86_64,
    /// 64-bit Arm.
    Aarch64,
    /// 32-bit x86.
    I686,
}

impl Machine {
    /// All of them, for messages and tests.
    pub const ALL: [Self; 3] = [Self::X86_64, Self::Aarch64, Self::I686];

    /// Tells the machine by Nix's name of the platform.
    pub fn from_platform(platform: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|machine| machine.platform() == platform)
    }

    /// Nix's name of the platform.
    pub fn platform(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-linux",
            Self::Aarch64 => "aarch64-linux",
            Self::I686 => "i686-linux",
        }
    }

    /// UEFI's short name, as in `systemd-bootx64.efi`.
    fn efi(self) -> &'static str {
        match self {
            Self::X86_64 => "x64",
            Self::Aarch64 => "aa64",
            Self::I686 => "ia32",
        }
    }

    /// Where firmware looks for a program without being told, below the ESP's root.
    pub fn fallback(self) -> String {
        format!("EFI/BOOT/BOOT{}.EFI", self.efi().to_uppercase())
    }

    /// The closure's systemd-boot for this machine, links not followed.
    pub fn program(self, toplevel: &StorePath) -> StoreFile {
        let inner = format!("systemd/lib/systemd/boot/efi/systemd-boot{}.efi", self.efi());
        // The path is plain, so the fallback is never taken.
        toplevel.join(&inner).unwrap_or_else(|_| toplevel.clone().into())
    }

    fn platforms() -> String {
        Self::ALL.map(Self::platform).join(" or ")
    }
}

/// The bytes of a file on the ESP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A file of the closure, links followed.
    Store(StoreFile),
    /// An initrd of the closure, links followed, with secrets after it.
    Initrd {
        /// The initrd.
        file: StoreFile,
        /// What comes after it.
        appendix: Appendix,
    },
    /// A text made here.
    Text(String),
}

/// The files of an ESP by their path, without a leading slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files(pub BTreeMap<String, Content>);

/// What an ESP is to be like, where the closure does not say.
#[derive(Clone, Copy, Debug)]
pub struct Wishes<'a> {
    /// How the menu behaves.
    pub options: &'a Options,
    /// The secrets that somebody brings for initrds.
    pub secrets: &'a [Secret],
    /// The date of the entries.
    pub epoch: Epoch,
}

/// Plans all files of the ESP.
pub fn plan(store: &HostStore, system: &System, wishes: Wishes<'_>) -> Result<Files, Error> {
    let Wishes { options, epoch, .. } = wishes;
    let settings = system.main.installer.as_ref().map(|i| i.settings.clone()).unwrap_or_default();
    refuse_xbootldr(&settings)?;
    let tries = tries(system, options, &settings)?;
    let distro = settings.distro_name.as_deref().unwrap_or(DISTRO);
    let mut files = loader(store, system)?;
    for (name, configuration) in system.all() {
        let toplevel = &configuration.toplevel;
        let spec = configuration.bootspec.as_ref();
        let spec = spec.ok_or_else(|| Error::NoBootspec { toplevel: toplevel.clone() })?;
        let entry = Entry::of(store, name, spec)?;
        files.insert(entry::file_name(name, tries)?, Content::Text(entry.text(distro, epoch)?));
        files.extend(entry.files());
    }
    append_secrets(store, system, wishes.secrets, &mut files)?;
    let conf = menu::loader_conf(options, &settings, tries);
    files.insert("loader/loader.conf".to_owned(), Content::Text(conf));
    // bootctl marks that entries are of the Boot Loader Specification's first type.
    files.insert("loader/entries.srel".to_owned(), Content::Text("type1\n".to_owned()));
    Ok(Files(files))
}

/// Puts secrets after the initrds that they are for. Configurations with one initrd share it, and so what
/// is appended to it: the closure's own scripts would do it one after another.
fn append_secrets(
    store: &HostStore,
    system: &System,
    given: &[Secret],
    files: &mut BTreeMap<String, Content>,
) -> Result<(), Error> {
    let wanted = Wanted::read(store, system)?;
    let mut appendices: BTreeMap<StoreFile, Appendix> = BTreeMap::new();
    for (_, configuration) in system.all() {
        let initrd = configuration.bootspec.as_ref().and_then(|spec| spec.initrd.as_ref());
        let secrets = wanted.of(configuration);
        let Some(initrd) = initrd.filter(|_| !secrets.is_empty()) else { continue };
        let appendix = appendices.entry(store.resolve(initrd)?).or_default();
        for Appended { dest, origin } in secrets {
            let part = match (origin, given.iter().find(|secret| secret.dest == *dest)) {
                (Origin::Store(file), _) => Part::Store(store.resolve(file)?),
                (Origin::File(_), Some(secret)) => Part::Given(secret.clone()),
                (Origin::File(_), None) => {
                    let toplevel = configuration.toplevel.clone();
                    return Err(Error::MissingSecret { toplevel, dest: dest.clone() });
                }
            };
            appendix.0.insert(dest.clone(), part);
        }
    }
    for (file, appendix) in appendices {
        files.insert(place(&file), Content::Initrd { file, appendix });
    }
    Ok(())
}

fn refuse_xbootldr(settings: &Settings) -> Result<(), Error> {
    match (&settings.boot_mount_point, &settings.esp_mount_point) {
        (Some(boot), Some(esp)) if boot != esp => {
            Err(Error::Xbootldr { boot: boot.clone(), esp: esp.clone() })
        }
        (_, _) => Ok(()),
    }
}

/// How often the generation may be tried; `None` where boots are not counted.
fn tries(system: &System, options: &Options, settings: &Settings) -> Result<Option<u32>, Error> {
    let tries = options.tries.or(settings.boot_counting_tries).filter(|tries| *tries > 0);
    let unblessed = system.all().find(|(_, configuration)| !configuration.blesses_boots);
    match (tries, unblessed) {
        (Some(_), Some((_, configuration))) => {
            Err(Error::NoBlessing { toplevel: configuration.toplevel.clone() })
        }
        (tries, _) => Ok(tries),
    }
}

/// systemd-boot itself, twice: under its own name, and where firmware looks without being told.
fn loader(store: &HostStore, system: &System) -> Result<BTreeMap<String, Content>, Error> {
    let platform = &system.main.platform;
    let machine = Machine::from_platform(platform)
        .ok_or_else(|| Error::Platform { found: platform.clone() })?;
    let program = machine.program(&system.main.toplevel);
    let program = Content::Store(store.resolve(&program)?);
    Ok(BTreeMap::from([
        (format!("EFI/systemd/systemd-boot{}.efi", machine.efi()), program.clone()),
        (machine.fallback(), program),
    ]))
}

#[cfg(test)]
mod tests;
