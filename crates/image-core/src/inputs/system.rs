//! A NixOS toplevel as calve sees it, with its specialisations.
//!
//! Everything here is read from the toplevel's own files in the store; what a file says is kept, not
//! judged (`boot::preflight` judges). A container has no kernel and so no `boot.json`; a specialisation
//! is a toplevel of its own, described inside its parent's `boot.json`. The initrd is not opened here,
//! because specialisations mostly share one: see [`super::stage1`].
//!
//! Follows nixpkgs' `top-level.nix`, `kernel.nix`, `specialisation.nix`, `etc.nix`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use super::bootspec::{self, Bootspec};
use super::crypttab;
use super::fstab::{self, Fstab};
use super::installer::Installer;
use super::stage1::read_builtin;
use super::store::{self, HostStore};
use super::store_path::{StoreFile, StorePath};
use crate::units::{Bytes, MIB};

/// No file that is read whole is larger in a real system; `boot.json` grows with specialisations.
const TEXT_MAX: Bytes = Bytes::new(16 * MIB.get());

/// Why a toplevel could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be reached.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The path is of the store, but no NixOS system.
    #[error("{path} is no NixOS system: expected a file {file:?} in it")]
    NoSystem {
        /// The path.
        path: StorePath,
        /// What every system has.
        file: &'static str,
    },
    /// Its `boot.json` is malformed.
    #[error(transparent)]
    Bootspec(#[from] bootspec::Error),
    /// Its fstab or crypttab is malformed.
    #[error(transparent)]
    Fstab(#[from] fstab::Error),
    /// `boot.json` describes another system.
    #[error("{path}/boot.json describes {found}, expected itself")]
    OtherToplevel {
        /// The path.
        path: StorePath,
        /// What the document describes.
        found: StorePath,
    },
}

/// One configuration of a system: the toplevel itself or a specialisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Configuration {
    /// The toplevel.
    pub toplevel: StorePath,
    /// NixOS' label, `24.11.20241231.abcdef`.
    pub label: String,
    /// Nix's name of the platform, `x86_64-linux`.
    pub platform: String,
    /// What to boot; `None` for containers.
    pub bootspec: Option<Bootspec>,
    /// What it mounts.
    pub fstab: Fstab,
    /// What its second stage unlocks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub crypttab: Vec<crypttab::Volume>,
    /// The words of `kernel-params`.
    pub kernel_params: Vec<String>,
    /// Whether `/etc` is an overlay, so that the image's own `/etc` is hidden.
    pub etc_overlay: bool,
    /// Whether `init` is an executable file in the store.
    pub has_init: bool,
    /// What installs its boot loader; `None` where it cannot be switched to.
    pub installer: Option<Installer>,
    /// Modules built into its kernel, by the kernel's names.
    #[serde(skip)]
    pub builtin_modules: BTreeSet<String>,
    /// Whether a boot that went well is marked as such: systemd-bless-boot with its service, and
    /// boot-complete.target.
    pub blesses_boots: bool,
}

/// A NixOS system: its toplevel and the specialisations in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct System {
    /// The toplevel's own configuration.
    #[serde(flatten)]
    pub main: Configuration,
    /// Further configurations, by name.
    pub specialisations: BTreeMap<String, Configuration>,
}

impl System {
    /// Reads the system that an argument means: a toplevel or a link to one.
    pub fn read(store: &HostStore, argument: &Path) -> Result<Self, Error> {
        Self::of(store, &store.find(argument)?)
    }

    /// Reads the system of a toplevel.
    pub fn of(store: &HostStore, toplevel: &StorePath) -> Result<Self, Error> {
        let bootspec = read_bootspec(store, toplevel)?;
        let children = bootspec.as_ref().map(|spec| spec.specialisations.clone());
        let specialisations = children
            .unwrap_or_default()
            .into_iter()
            .map(|(name, spec)| {
                let toplevel = spec.toplevel.clone();
                Ok((name, configuration(store, toplevel, Some(spec))?))
            })
            .collect::<Result<_, Error>>()?;
        let main = configuration(store, toplevel.clone(), bootspec)?;
        Ok(Self { main, specialisations })
    }

    /// The main configuration under no name, then each specialisation under its own.
    pub fn all(&self) -> impl Iterator<Item = (Option<&str>, &Configuration)> {
        let named = self.specialisations.iter().map(|(name, c)| (Some(name.as_str()), c));
        std::iter::once((None, &self.main)).chain(named)
    }
}

fn read_bootspec(store: &HostStore, toplevel: &StorePath) -> Result<Option<Bootspec>, Error> {
    let Some(text) = optional(store, toplevel, "boot.json")? else { return Ok(None) };
    let mut spec = Bootspec::parse(&text, &format!("{toplevel}/boot.json"))?;
    if spec.toplevel != *toplevel {
        return Err(Error::OtherToplevel { path: toplevel.clone(), found: spec.toplevel });
    }
    let mut children = std::mem::take(&mut spec.specialisations);
    for spec in std::iter::once(&mut spec).chain(children.values_mut()) {
        if let Some(program) = &spec.initrd_secrets
            && appends_nothing(store, program)?
        {
            spec.initrd_secrets = None;
        }
    }
    spec.specialisations = children;
    Ok(Some(spec))
}

/// Whether a program that appends secrets has none: NixOS up to 23.11 names it in every `boot.json`, and
/// it then leaves before it does anything (`exit 0` outside of all conditions).
fn appends_nothing(store: &HostStore, program: &StoreFile) -> Result<bool, store::Error> {
    match store.read_text(program, TEXT_MAX) {
        Ok(text) => Ok(text.lines().any(|line| line == "exit 0")),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

fn configuration(
    store: &HostStore,
    toplevel: StorePath,
    bootspec: Option<Bootspec>,
) -> Result<Configuration, Error> {
    let required = |file: &'static str| {
        let text = optional(store, &toplevel, file)?;
        text.ok_or_else(|| Error::NoSystem { path: toplevel.clone(), file })
    };
    let label = required("nixos-version")?.trim_end().to_owned();
    let platform = required("system")?.trim_end().to_owned();
    let fstab = optional(store, &toplevel, "etc/fstab")?.unwrap_or_default();
    let fstab = Fstab::parse(&fstab, &format!("{toplevel}/etc/fstab"))?;
    let crypttab = optional(store, &toplevel, "etc/crypttab")?.unwrap_or_default();
    let crypttab = crypttab::parse(&crypttab, &format!("{toplevel}/etc/crypttab"))?;
    let params = optional(store, &toplevel, "kernel-params")?.unwrap_or_default();
    let installer = Installer::find(store, &toplevel)?;
    let builtin_modules = builtin_modules(store, &toplevel)?;
    let unit = |name: &str| exists(store, &toplevel, &format!("etc/systemd/system/{name}"));
    // Units that lie in systemd's package alone are where no NixOS looks for them.
    let blesses_boots = exists(store, &toplevel, "systemd/lib/systemd/systemd-bless-boot")?
        && unit("systemd-bless-boot.service")?
        && unit("boot-complete.target")?;
    Ok(Configuration {
        label,
        platform,
        bootspec,
        fstab,
        crypttab,
        kernel_params: params.split_ascii_whitespace().map(str::to_owned).collect(),
        etc_overlay: exists(store, &toplevel, "etc-metadata-image")?,
        has_init: is_executable(store, &toplevel, "init")?,
        installer,
        builtin_modules,
        blesses_boots,
        toplevel,
    })
}

/// A file of the toplevel; all names used here are plain.
fn file(toplevel: &StorePath, inner: &str) -> StoreFile {
    toplevel.join(inner).unwrap_or_else(|_| StoreFile::from(toplevel.clone()))
}

/// Reads a text of the toplevel; `None` where it has none.
fn optional(
    store: &HostStore,
    toplevel: &StorePath,
    inner: &str,
) -> Result<Option<String>, store::Error> {
    match store.read_text(&file(toplevel, inner), TEXT_MAX) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

fn exists(store: &HostStore, toplevel: &StorePath, inner: &str) -> Result<bool, store::Error> {
    match store.kind(&file(toplevel, inner)) {
        Ok(kind) => Ok(kind.is_some()),
        // A unit that is masked is a link to /dev/null.
        Err(store::Error::Outside { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_executable(
    store: &HostStore,
    toplevel: &StorePath,
    inner: &str,
) -> Result<bool, store::Error> {
    use std::os::unix::fs::PermissionsExt;
    if !store.kind(&file(toplevel, inner))?.is_some_and(|kind| kind.is_file()) {
        return Ok(false);
    }
    let metadata = store.open(&file(toplevel, inner))?.metadata();
    Ok(metadata.is_ok_and(|metadata| metadata.permissions().mode() & 0o100 != 0))
}

/// Reads `modules.builtin` of each kernel version in the toplevel's modules; there is one.
fn builtin_modules(
    store: &HostStore,
    toplevel: &StorePath,
) -> Result<BTreeSet<String>, store::Error> {
    const MODULES: &str = "kernel-modules/lib/modules";
    if !exists(store, toplevel, MODULES)? {
        return Ok(BTreeSet::new());
    }
    let mut names = BTreeSet::new();
    for version in store.names(&file(toplevel, MODULES))? {
        let list = format!("{MODULES}/{version}/modules.builtin");
        let text = optional(store, toplevel, &list)?.unwrap_or_default();
        names.extend(read_builtin(&text));
    }
    Ok(names)
}

#[cfg(test)]
#[path = "system_tests.rs"]
mod tests;
