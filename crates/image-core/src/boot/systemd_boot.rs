//! The files of an ESP with systemd-boot, as nixpkgs' own builder would leave them.
//!
//! Names and texts follow the builder of NixOS 23.11 to 26.05 to the byte (the next `nixos-rebuild`
//! replaces them by whatever the closure's own builder makes). The image is generation 1. `machine-id`
//! is left out, because an image has none; DATE is the build's epoch. Kernels shared between
//! specialisations are there once.
//!
//! What the entries would need but an ESP made here cannot have is refused: initrd secrets, further
//! initrds outside the closure, XBOOTLDR. Follows `systemd-boot-builder.py` in nixpkgs, the UAPI Boot
//! Loader Specification, loader.conf(5) and systemd.boot-assessment.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::epoch::Epoch;
use crate::inputs::bootspec::Bootspec;
use crate::inputs::installer::Settings;
use crate::inputs::store::{self, HostStore};
use crate::inputs::store_path::{StoreFile, StorePath};
use crate::inputs::system::System;

/// Where kernels and initrds lie.
const KERNELS: &str = "EFI/nixos";

/// Where entries lie.
const ENTRIES: &str = "loader/entries";

/// The name of the one generation that an image has.
const GENERATION: &str = "nixos-generation-1";

/// The menu's seconds where nobody says anything; NixOS' default.
const TIMEOUT: Timeout = Timeout::Seconds(5);

/// Characters that FAT refuses in names.
const FAT_REFUSES: &str = "\"*/:<>?\\|";

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
    /// Secrets must be appended to the initrd.
    #[error(
        "{toplevel} expects secrets in its initrd (boot.initrd.secrets), which calve does not add yet"
    )]
    Secrets {
        /// Whose initrd.
        toplevel: StorePath,
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
}

impl Machine {
    const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    /// Tells the machine by Nix's name of the platform.
    pub fn from_platform(platform: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|machine| machine.platform() == platform)
    }

    /// Nix's name of the platform.
    pub fn platform(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-linux",
            Self::Aarch64 => "aarch64-linux",
        }
    }

    /// UEFI's short name, as in `systemd-bootx64.efi`.
    fn efi(self) -> &'static str {
        match self {
            Self::X86_64 => "x64",
            Self::Aarch64 => "aa64",
        }
    }

    fn platforms() -> String {
        Self::ALL.map(Self::platform).join(" or ")
    }
}

/// What the menu waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// So many seconds; 0 shows no menu unless a key is held.
    Seconds(u32),
    /// A choice by the user.
    Force,
    /// Nothing, and the menu stays hidden.
    Hidden,
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seconds(seconds) => write!(f, "{seconds}"),
            Self::Force => f.write_str("menu-force"),
            Self::Hidden => f.write_str("menu-hidden"),
        }
    }
}

impl FromStr for Timeout {
    type Err = ();

    /// Reads loader.conf's own words; empty, as older builders write it, is no timeout.
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "" | "menu-force" => Ok(Self::Force),
            "menu-hidden" => Ok(Self::Hidden),
            seconds => seconds.parse().map(Self::Seconds).map_err(|_| ()),
        }
    }
}

/// How systemd-boot sets the console's resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsoleMode {
    /// As the firmware left it.
    Keep,
    /// A suitable one.
    Auto,
    /// The largest.
    Max,
    /// 0: 80x25, 1: 80x50, 2 and more: the firmware's own.
    Number(u8),
}

impl fmt::Display for ConsoleMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep => f.write_str("keep"),
            Self::Auto => f.write_str("auto"),
            Self::Max => f.write_str("max"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

impl FromStr for ConsoleMode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "keep" => Ok(Self::Keep),
            "auto" => Ok(Self::Auto),
            "max" => Ok(Self::Max),
            number => number.parse().map(Self::Number).map_err(|_| ()),
        }
    }
}

/// What a profile may say; `None` leaves it to the closure, and then to NixOS' defaults.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// What the menu waits for.
    pub timeout: Option<Timeout>,
    /// Whether the command line may be edited in the menu.
    pub editor: Option<bool>,
    /// The console's resolution.
    pub console_mode: Option<ConsoleMode>,
    /// How often the generation may fail before the next is tried; 0 turns counting off.
    pub tries: Option<u32>,
}

/// The bytes of a file on the ESP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A file of the closure, links followed.
    Store(StoreFile),
    /// A text made here.
    Text(String),
}

/// The files of an ESP by their path, without a leading slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files(pub BTreeMap<String, Content>);

/// Plans all files of the ESP.
pub fn plan(
    store: &HostStore,
    system: &System,
    options: &Options,
    epoch: Epoch,
) -> Result<Files, Error> {
    let settings = system.main.installer.as_ref().map(|i| i.settings.clone()).unwrap_or_default();
    refuse_xbootldr(&settings)?;
    let tries = tries(system, options, &settings)?;
    let mut files = loader(store, system)?;
    for (name, configuration) in system.all() {
        let toplevel = &configuration.toplevel;
        let spec = configuration.bootspec.as_ref();
        let spec = spec.ok_or_else(|| Error::NoBootspec { toplevel: toplevel.clone() })?;
        let entry = Entry::of(store, name, spec)?;
        files.insert(
            format!("{ENTRIES}/{}", file_name(name, tries)?),
            Content::Text(entry.text(epoch)?),
        );
        files.extend(entry.files());
    }
    let conf = loader_conf(options, &settings, tries);
    files.insert("loader/loader.conf".to_owned(), Content::Text(conf));
    // bootctl marks that entries are of the Boot Loader Specification's first type.
    files.insert("loader/entries.srel".to_owned(), Content::Text("type1\n".to_owned()));
    Ok(Files(files))
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
    let efi = machine.efi();
    let program = format!("systemd/lib/systemd/boot/efi/systemd-boot{efi}.efi");
    // The path is plain, so the fallback is never taken.
    let program =
        system.main.toplevel.join(&program).unwrap_or(system.main.toplevel.clone().into());
    let program = Content::Store(store.resolve(&program)?);
    Ok(BTreeMap::from([
        (format!("EFI/systemd/systemd-boot{efi}.efi"), program.clone()),
        (format!("EFI/BOOT/BOOT{}.EFI", efi.to_uppercase()), program),
    ]))
}

fn file_name(specialisation: Option<&str>, tries: Option<u32>) -> Result<String, Error> {
    let mut name = GENERATION.to_owned();
    if let Some(part) = specialisation {
        if part.contains(|c: char| c.is_control() || FAT_REFUSES.contains(c)) {
            return Err(Error::Name { name: part.to_owned() });
        }
        name.push_str(&format!("-specialisation-{part}"));
    }
    if let Some(tries) = tries {
        name.push_str(&format!("+{tries}"));
    }
    Ok(name + ".conf")
}

fn loader_conf(options: &Options, settings: &Settings, tries: Option<u32>) -> String {
    let timeout = settings.timeout.as_ref().and_then(|text| text.parse().ok());
    let timeout = options.timeout.or(timeout).unwrap_or(TIMEOUT);
    let console_mode = settings.console_mode.as_ref().and_then(|text| text.parse().ok());
    let console_mode = options.console_mode.or(console_mode).unwrap_or(ConsoleMode::Keep);
    let editor = options.editor.or(settings.editor).unwrap_or(true);
    // A counted entry's name changes with each boot: either `+` or `.` follows the number.
    let default = match tries {
        Some(_) => format!("{GENERATION}[+.]*"),
        None => format!("{GENERATION}.conf"),
    };
    let editor = if editor { "" } else { "editor 0\n" };
    format!("timeout {timeout}\ndefault {default}\n{editor}console-mode {console_mode}\n")
}

/// One entry of the menu.
struct Entry<'a> {
    specialisation: Option<&'a str>,
    spec: &'a Bootspec,
    kernel: StoreFile,
    initrd: Option<StoreFile>,
    devicetree: Option<StoreFile>,
}

impl<'a> Entry<'a> {
    fn of(
        store: &HostStore,
        specialisation: Option<&'a str>,
        spec: &'a Bootspec,
    ) -> Result<Self, Error> {
        if spec.initrd_secrets.is_some() {
            return Err(Error::Secrets { toplevel: spec.toplevel.clone() });
        }
        if !spec.extra_initrds.is_empty() {
            let paths = spec.extra_initrds.clone();
            return Err(Error::ExtraInitrds { toplevel: spec.toplevel.clone(), paths });
        }
        let resolve =
            |file: &Option<StoreFile>| file.as_ref().map(|f| store.resolve(f)).transpose();
        Ok(Self {
            specialisation,
            spec,
            kernel: store.resolve(&spec.kernel)?,
            initrd: resolve(&spec.initrd)?,
            devicetree: resolve(&spec.devicetree)?,
        })
    }

    /// What the entry's lines refer to.
    fn files(&self) -> impl Iterator<Item = (String, Content)> {
        [Some(&self.kernel), self.initrd.as_ref(), self.devicetree.as_ref()]
            .into_iter()
            .flatten()
            .map(|file| (place(file), Content::Store(file.clone())))
    }

    fn text(&self, epoch: Epoch) -> Result<String, Error> {
        let title = match self.specialisation {
            Some(name) => format!("NixOS ({name})"),
            None => "NixOS".to_owned(),
        };
        let label = self.plain("the label", &self.spec.label)?;
        let sort_key = self.plain("the sort key", &self.spec.sort_key)?;
        let mut options = format!("init={}", self.spec.init);
        for parameter in &self.spec.kernel_params {
            options.push(' ');
            options.push_str(self.plain("a kernel parameter", parameter)?);
        }
        let line = |key: &str, file: &Option<StoreFile>| {
            file.as_ref().map(|file| format!("{key} /{}\n", place(file))).unwrap_or_default()
        };
        Ok(format!(
            "title {title}\nsort-key {sort_key}\nversion Generation 1 {label}, built on {date}\n\
             linux /{kernel}\n{initrd}options {options}\n{devicetree}",
            date = date(epoch),
            kernel = place(&self.kernel),
            initrd = line("initrd", &self.initrd),
            devicetree = line("devicetree", &self.devicetree),
        ))
    }

    fn plain<'t>(&self, what: &'static str, text: &'t str) -> Result<&'t str, Error> {
        if text.contains(char::is_control) {
            let toplevel = self.spec.toplevel.clone();
            return Err(Error::Control { what, toplevel, text: text.to_owned() });
        }
        Ok(text)
    }
}

/// Where a file of the store lies on the ESP.
fn place(file: &StoreFile) -> String {
    let base = file.path().base_name();
    if file.inner().is_empty() {
        format!("{KERNELS}/{base}.efi")
    } else {
        format!("{KERNELS}/{base}-{}.efi", file.file_name())
    }
}

/// The day of an epoch in UTC, `2026-11-21`.
fn date(epoch: Epoch) -> String {
    // Years are counted from March, so that a leap day is the last of its year.
    let days = u64::from(epoch.seconds()) / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
#[path = "systemd_boot_tests.rs"]
mod tests;
