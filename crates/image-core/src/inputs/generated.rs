//! What a NixOS root holds beside the store, made here: Nix' state, profile links, `/etc/NIXOS`.
//!
//! Little on purpose. Everything that activation makes at boot is left to it, and whatever must
//! differ from machine to machine (machine-id, random seeds, host keys) must not be in an image.
//! The links and directories below `/nix/var/nix` are those that Nix itself makes when it opens a
//! store (`LocalStore::LocalStore`); `gcroots/profiles` is the one it does *not* make where
//! `gcroots` exists, and without it a collection deletes the running system.

use super::closure::Closure;
use super::etc_dir::{EtcDir, HiddenError};
use super::nix_db;
use super::registration;
use super::store_path::StorePath;
use crate::epoch::Epoch;
use crate::tree::path::PathError;
use crate::tree::{Entry, Meta, Mode, Origin, Source, TreeBuilder, TreePath};

/// Directories of Nix' state, all 0755.
const STATE: [&str; 9] = [
    "/nix/var",
    "/nix/var/nix",
    "/nix/var/nix/db",
    "/nix/var/nix/gcroots",
    "/nix/var/nix/gcroots/auto",
    "/nix/var/nix/gcroots/per-user",
    "/nix/var/nix/profiles",
    "/nix/var/nix/profiles/per-user",
    "/nix/var/nix/temproots",
];

/// Mount points of the kernel's file systems, and of an `/etc` that is an overlay: a root that is first
/// mounted read-only needs them.
const MOUNT_POINTS: [&str; 5] = ["/dev", "/etc", "/proc", "/run", "/sys"];

/// Why the files could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database could not be made.
    #[error(transparent)]
    Database(#[from] nix_db::Error),
    /// `/etc/NIXOS` has no place.
    #[error(transparent)]
    Hidden(#[from] HiddenError),
    /// A path that is none.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// What to make the files for.
#[derive(Clone, Copy, Debug)]
pub struct Generated<'a> {
    /// What the store holds.
    pub closure: &'a Closure,
    /// The system that the profile leads to.
    pub toplevel: &'a StorePath,
    /// What `/etc` is when the system runs.
    pub etc: EtcDir,
    /// Whether to add `/nix-path-registration`, for closures that load it at their first boot.
    pub registration: bool,
    /// Where the layout mounts other volumes.
    pub mount_points: &'a [TreePath],
    /// The date of everything made here.
    pub epoch: Epoch,
}

impl Generated<'_> {
    /// Claims the files; returns the layer that has them.
    ///
    /// # Errors
    /// SQLite's answer. (An immutable `/etc` gets no `/etc/NIXOS`: os-release tells NixOS there.)
    pub fn add(&self, tree: &mut TreeBuilder) -> Result<Origin, Error> {
        let layer = tree.layer("calve's own files");
        let mut add = |path: &str, entry: Entry| -> Result<(), Error> {
            tree.add(layer, TreePath::parse(path)?, entry);
            Ok(())
        };
        for directory in STATE.into_iter().chain(MOUNT_POINTS) {
            add(directory, self.directory())?;
        }
        let database = nix_db::database(self.closure, self.epoch)?;
        add("/nix/var/nix/db/db.sqlite", self.file(database))?;
        add("/nix/var/nix/db/schema", self.file(nix_db::SCHEMA))?;
        add("/nix/var/nix/gcroots/profiles", self.link("/nix/var/nix/profiles"))?;
        add("/nix/var/nix/profiles/system", self.link("system-1-link"))?;
        let toplevel = self.toplevel.to_string();
        add("/nix/var/nix/profiles/system-1-link", self.link(&toplevel))?;
        if self.registration {
            add(registration::FILE, self.file(registration::write(self.closure.paths())))?;
        }
        if self.etc != EtcDir::ImmutableOverlay {
            let marker = self.etc.place(&TreePath::parse("/etc/NIXOS")?)?;
            tree.add(layer, marker, self.file(""));
        }
        for mount in self.mount_points.iter().filter(|mount| !mount.is_root()) {
            tree.add(layer, mount.clone(), self.directory());
        }
        Ok(layer)
    }

    fn directory(&self) -> Entry {
        Entry::directory(Meta::root(Mode::D755, self.epoch))
    }

    fn file(&self, bytes: impl Into<Vec<u8>>) -> Entry {
        Entry::file(Meta::root(Mode::F644, self.epoch), Source::bytes(bytes.into()))
    }

    fn link(&self, target: &str) -> Entry {
        Entry::symlink(target, self.epoch)
    }
}
