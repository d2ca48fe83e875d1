//! A Proxmox container template: the root file system, which Proxmox unpacks and then configures.
//!
//! - [`preflight`]: whether Proxmox could start the system
//!
//! What is in it follows what Proxmox does with it (pve-container: `PVE::LXC::Create`,
//! `PVE::LXC::Setup::{Base,NixOS}`), and nixpkgs' `virtualisation/proxmox-lxc.nix`. The distribution is
//! read from `/etc/os-release`, the architecture from the interpreter of `/sbin/init`. Network, host
//! name and name servers are Proxmox' to write, at every start. Where there is an `/etc/ssh`, Proxmox
//! makes host keys in it when the container is created; so there is none, and where somebody wants a
//! key of theirs in it, a `.pve-ignore.` file beside it keeps Proxmox from replacing that.

pub mod preflight;

use super::Input;
use super::fill::{Fill, FillError};
use crate::boot::preflight::Finding;
use crate::epoch::Epoch;
use crate::inputs::etc_dir::EtcDir;
use crate::inputs::first_boot;
use crate::inputs::host_key::{self, HostKey};
use crate::inputs::overlay::{Overlay, Rule};
use crate::inputs::system::System;
use crate::inputs::{store, store_path};
use crate::tree::path::PathError;
use crate::tree::{Entry, Meta, Mode, Source, Tree, TreeBuilder, TreePath};

/// Directories that Proxmox, LXC or the system's first second need.
const DIRECTORIES: [(&str, Mode); 4] = [
    ("/etc/systemd/network", Mode::D755),
    // `pct create --ssh-public-keys` fails without it.
    ("/root", Mode::new(0o700)),
    ("/tmp", Mode::new(0o1777)),
    ("/var", Mode::D755),
];

/// What template to make of a system.
#[derive(Clone, Copy, Debug)]
pub struct LxcSpec<'a> {
    /// Directories of the host whose files go into the image.
    pub overlays: &'a [Overlay],
    /// What those files' owners and modes are, where the host cannot say.
    pub rules: &'a [Rule],
    /// The time of everything that is not the store's.
    pub epoch: Epoch,
    /// The host key that the container is to have from the start.
    pub host_key: Option<&'a HostKey>,
}

/// The files of a template.
#[derive(Debug)]
pub struct Lxc {
    /// The files.
    pub tree: Tree,
    /// What pre-flight found; warnings only.
    pub findings: Vec<Finding>,
}

/// Why no template can be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Proxmox could not start the system.
    #[error("this system would not start in a Proxmox container")]
    Refused(Vec<Finding>),
    /// A file that decides it cannot be read.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The image cannot be filled.
    #[error(transparent)]
    Fill(#[from] FillError),
    /// The host key has no place.
    #[error(transparent)]
    HostKey(#[from] host_key::Error),
    /// A path that is none.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A file of the store that is none.
    #[error(transparent)]
    StorePath(#[from] store_path::Error),
}

/// Decides what files a template has.
///
/// # Errors
/// [`Error::Refused`] with all findings, or what cannot be read.
pub fn tree(spec: &LxcSpec<'_>, input: Input<'_>) -> Result<Lxc, Error> {
    let preflight::Checked { init, os_release, findings } = preflight::check(input)?;
    let toplevel = &input.system.main.toplevel;
    let fill = Fill {
        overlays: spec.overlays,
        rules: spec.rules,
        epoch: spec.epoch,
        // Proxmox writes into it before the system runs.
        etc: EtcDir::Plain,
        registration: first_boot::loads_registration(input.store, toplevel, &init)?,
        mount_points: &[],
    };
    let tree = fill.tree(input, |tree| {
        own(tree, spec.epoch, init, os_release)?;
        spec.host_key.map_or(Ok(()), |key| keep_host_key(tree, spec.epoch, key))
    })?;
    Ok(Lxc { tree, findings })
}

/// Claims what makes a root file system a template.
fn own(
    tree: &mut TreeBuilder,
    epoch: Epoch,
    init: Vec<u8>,
    os_release: Option<Vec<u8>>,
) -> Result<(), Error> {
    let layer = tree.layer("the container's files");
    for (path, mode) in DIRECTORIES {
        tree.add(layer, TreePath::parse(path)?, Entry::directory(Meta::root(mode, epoch)));
    }
    let init = Entry::file(Meta::root(Mode::D755, epoch), Source::bytes(init));
    tree.add(layer, TreePath::parse("/sbin/init")?, init);
    if let Some(os_release) = os_release {
        let file = Entry::file(Meta::root(Mode::F644, epoch), Source::bytes(os_release));
        tree.add(layer, TreePath::parse("/etc/os-release")?, file);
    }
    Ok(())
}

/// Claims a host key, and what keeps Proxmox from writing its own in its place.
fn keep_host_key(tree: &mut TreeBuilder, epoch: Epoch, key: &HostKey) -> Result<(), Error> {
    let layer = key.add(tree, EtcDir::Plain, epoch)?;
    for name in [&*key.name, &format!("{}.pub", key.name)] {
        let marker = TreePath::parse(format!("{}/.pve-ignore.{name}", host_key::DIRECTORY))?;
        let empty = Entry::file(Meta::root(Mode::F644, epoch), Source::bytes(Vec::new()));
        tree.add(layer, marker, empty);
    }
    Ok(())
}

/// Names a template as nixpkgs does; `ending` is that of the archive.
///
/// Proxmox replaces other characters when a template is uploaded (`normalize_content_filename` of
/// pve-storage), so a label is made of those that stay.
pub fn file_name(system: &System, ending: &str) -> String {
    let safe = |text: &str| {
        let is_safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let parts = text.split(|c| !is_safe(c)).filter(|part| !part.is_empty());
        parts.collect::<Vec<&str>>().join("_")
    };
    let (label, platform) = (safe(&system.main.label), safe(&system.main.platform));
    format!("nixos-image-lxc-proxmox-{label}-{platform}{ending}")
}

#[cfg(test)]
mod tests;
