//! What calve makes: each format is one file, a composition of the parts before it.
//!
//! - [`archive`]: a file tree as a tar, compressed: what containers and WSL have in common
//! - [`disk`]: a GPT disk with an ESP and the system's volumes
//! - [`iso`]: a medium that starts a live system
//! - [`lxc`]: a Proxmox container template
//! - [`wsl`]: a WSL distribution
//! - [`nix_serve`]: store paths in one stream, for another store
//! - [`fill`]: what every image holds: the store, Nix' state, the user's files
//! - [`fit`]: a layout and a closure, brought together: what the one offers, what the other wants

pub mod archive;
pub mod disk;
pub mod fill;
pub mod fit;
pub mod iso;
pub mod lxc;
pub mod nix_serve;
pub mod wsl;

use std::borrow::Cow;

use crate::disk::qcow2::{self, Qcow2Error};
use crate::inputs::closure::Closure;
use crate::inputs::store::HostStore;
use crate::inputs::system::System;
use crate::plan::Plan;

/// A system to make an image of.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Where the closure's files are.
    pub store: &'a HostStore,
    /// What the toplevel says.
    pub system: &'a System,
    /// What the system needs.
    pub closure: &'a Closure,
}

/// What sort of image to make of a system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A disk that boots.
    #[default]
    Disk,
    /// A Proxmox container template.
    Lxc,
    /// A WSL distribution.
    Wsl,
    /// A medium that starts a live system.
    Iso,
}

impl Format {
    /// All of them, for help texts and tests.
    pub const ALL: [Self; 4] = [Self::Disk, Self::Lxc, Self::Wsl, Self::Iso];

    /// Returns its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Lxc => "lxc",
            Self::Wsl => "wsl",
            Self::Iso => "iso",
        }
    }
}

/// How an image file holds a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Container {
    /// The disk's own bytes.
    #[default]
    Raw,
    /// QEMU's format, without the clusters that nobody uses.
    Qcow2,
}

impl Container {
    /// All of them, for help texts and tests.
    pub const ALL: [Self; 2] = [Self::Raw, Self::Qcow2];

    /// Returns its word, which is also the ending of a file's name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }

    /// Plans the image file of a disk.
    ///
    /// # Errors
    /// A disk that the format cannot hold.
    pub fn wrap(self, disk: &Plan) -> Result<Cow<'_, Plan>, Qcow2Error> {
        match self {
            Self::Raw => Ok(Cow::Borrowed(disk)),
            Self::Qcow2 => qcow2::plan(disk).map(Cow::Owned),
        }
    }
}
