//! The menu of a live medium: one list of entries, written down for each boot loader.
//!
//! - [`systemd_boot`]: entries and `loader.conf`, beside the kernels that they start
//! - [`grub`]: `grub.cfg`, for BIOS and UEFI alike
//! - [`isolinux`]: the file of that name that ISOLINUX reads
//!
//! All menus say the same: the system, its specialisations, the system copied to RAM, the system on a
//! serial console. An entry's command line is what NixOS says, verbatim, and the entry's own word.
//! Titles are those of nixpkgs' `iso-image.nix`, and so is the timeout. Themes and pictures are left
//! out: a menu of text is the same on a screen and on a serial line.

use crate::inputs::bootspec::Bootspec;
use crate::inputs::store::{self, HostStore};
use crate::inputs::store_path::StoreFile;
use crate::inputs::system::System;

pub mod grub;
pub mod isolinux;
pub mod systemd_boot;

/// After so many seconds the default entry is started; nixpkgs' number for such media.
const TIMEOUT: u32 = 10;

/// The word by which both stage 1 kinds copy the medium into memory (nixpkgs' `iso-image.nix`,
/// `stage-1-init.sh`).
const COPY_TO_RAM: &str = "copytoram";

/// The words of the entry for machines without a screen.
const SERIAL_CONSOLE: &str = "console=ttyS0,115200n8";

/// Why a system cannot be listed in a menu.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be reached.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A text would break out of its line.
    #[error("{what} has a control character: {text:?}")]
    Control {
        /// Which text.
        what: &'static str,
        /// The text.
        text: String,
    },
    /// A specialisation's name cannot be part of a file's name.
    #[error(
        "the specialisation {name:?} cannot be named in a boot menu: expected no spaces, control characters or {}",
        crate::boot::systemd_boot::FAT_REFUSES
    )]
    Name {
        /// The name.
        name: String,
    },
}

/// What a medium offers to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Menu {
    /// In the order of the menu.
    pub entries: Vec<Entry>,
    /// Which of them starts by itself.
    pub default: usize,
}

/// A line of the menu, and what it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is called in files: `nixos`, `nixos-copytoram`.
    pub name: String,
    /// What a person reads.
    pub title: String,
    /// The kernel, links followed.
    pub kernel: StoreFile,
    /// The initrd, where there is one.
    pub initrd: Option<StoreFile>,
    /// The device tree, where the configuration names one.
    pub devicetree: Option<StoreFile>,
    /// The kernel's command line, parameter by parameter.
    pub parameters: Vec<String>,
}

/// What decides the texts of a menu.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// What the distribution calls itself.
    pub distro: &'a str,
    /// Whether the system is copied into memory where nobody chooses.
    pub copy_to_ram: bool,
}

impl Menu {
    /// Lists what a system has to offer; configurations without a kernel have no entry.
    ///
    /// # Errors
    /// Names and texts that no menu can hold, files that cannot be reached.
    pub fn of(store: &HostStore, system: &System, wanted: &Wanted<'_>) -> Result<Self, Error> {
        let title = format!("{} {}", wanted.distro, system.main.label);
        let title = plain("the system's name", &title)?;
        let mut entries = Vec::new();
        for (specialisation, configuration) in system.all() {
            let Some(spec) = &configuration.bootspec else { continue };
            entries.push(match specialisation {
                None => Entry::of(store, spec, "nixos".to_owned(), title.to_owned())?,
                Some(name) => {
                    let file = format!("nixos-specialisation-{}", nameable(name)?);
                    Entry::of(store, spec, file, format!("{title} ({name})"))?
                }
            });
        }
        if let Some(main) = entries.first().filter(|_| system.main.bootspec.is_some()).cloned() {
            entries.push(main.with("copytoram", "Copy ISO Files to RAM", COPY_TO_RAM));
            let serial = format!("Serial {SERIAL_CONSOLE}");
            entries.push(main.with("serial", &serial, SERIAL_CONSOLE));
        }
        let is_copy = |entry: &Entry| entry.name == "nixos-copytoram";
        let copy = entries.iter().position(is_copy).filter(|_| wanted.copy_to_ram);
        Ok(Self { default: copy.unwrap_or(0), entries })
    }

    /// The entry that starts by itself.
    pub fn default_entry(&self) -> Option<&Entry> {
        self.entries.get(self.default)
    }

    /// The files that entries start, each once.
    pub fn files(&self) -> Vec<&StoreFile> {
        let mut files: Vec<&StoreFile> = Vec::new();
        for entry in &self.entries {
            let own = [Some(&entry.kernel), entry.initrd.as_ref(), entry.devicetree.as_ref()];
            files.extend(own.into_iter().flatten());
        }
        files.sort_unstable();
        files.dedup();
        files
    }
}

impl Entry {
    fn of(store: &HostStore, spec: &Bootspec, name: String, title: String) -> Result<Self, Error> {
        let resolve =
            |file: &Option<StoreFile>| file.as_ref().map(|file| store.resolve(file)).transpose();
        let mut parameters = vec![format!("init={}", spec.init)];
        for parameter in &spec.kernel_params {
            parameters.push(plain("a kernel parameter", parameter)?.to_owned());
        }
        Ok(Self {
            name,
            title,
            kernel: store.resolve(&spec.kernel)?,
            initrd: resolve(&spec.initrd)?,
            devicetree: resolve(&spec.devicetree)?,
            parameters,
        })
    }

    /// The same with one more parameter.
    fn with(&self, name: &str, title: &str, parameter: &str) -> Self {
        let mut entry = self.clone();
        entry.name.push_str(&format!("-{name}"));
        entry.title.push_str(&format!(": {title}"));
        entry.parameters.push(parameter.to_owned());
        entry
    }

    /// The kernel's command line.
    pub fn command_line(&self) -> String {
        self.parameters.join(" ")
    }
}

/// Where the medium has a file that an entry starts, as nixpkgs' own media do.
pub fn place(file: &StoreFile) -> String {
    format!("/boot{file}")
}

fn plain<'t>(what: &'static str, text: &'t str) -> Result<&'t str, Error> {
    if text.contains(char::is_control) {
        return Err(Error::Control { what, text: text.to_owned() });
    }
    Ok(text)
}

fn nameable(name: &str) -> Result<&str, Error> {
    let refused = crate::boot::systemd_boot::FAT_REFUSES;
    let is_refused = |c: char| c.is_control() || c.is_whitespace() || refused.contains(c);
    if name.contains(is_refused) {
        return Err(Error::Name { name: name.to_owned() });
    }
    Ok(name)
}

#[cfg(test)]
mod tests;
