//! What is in the squashfs: store paths, and what Nix knows of them.
//!
//! It is mounted as `/nix/store`, so its root is the store's directory: owned by root alone, 0755, as
//! `mksquashfs` leaves it for nixpkgs (stage 2 makes it the builders' group's). A path that the system
//! and what rides along share is one path.

use super::Error;
use crate::epoch::Epoch;
use crate::formats::Input;
use crate::inputs::{registration, store_tree};
use crate::tree::{Entry, Meta, Mode, Source, Tree, TreeBuilder, TreePath};
use crate::units::{Bytes, KIB};

/// Where those who load it look for the registration, below the store's directory.
const REGISTRATION: &str = "/nix-path-registration";

/// What the distribution is called where it does not say.
const DISTRO: &str = "NixOS";

/// No os-release is larger.
const TEXT_MAX: Bytes = Bytes::new(64 * KIB.get());

/// Claims the closure's paths and their registration.
pub(super) fn tree(input: Input<'_>, epoch: Epoch) -> Result<Tree, Error> {
    let mut tree = TreeBuilder::new(epoch);
    let layer = tree.layer("the store");
    let root = TreePath::root();
    tree.add(layer, root.clone(), Entry::directory(Meta::root(Mode::D755, Epoch::STORE)));
    store_tree::add_below(&mut tree, layer, &root, input.store, input.closure)?;
    let text = registration::write(input.closure.paths());
    let file = Entry::file(Meta::root(Mode::STORE_FILE, epoch), Source::bytes(text.into_bytes()));
    tree.add(layer, TreePath::parse(REGISTRATION)?, file);
    Ok(tree.build()?)
}

/// What the distribution calls itself: `NAME` of os-release.
pub(super) fn distro(input: Input<'_>) -> Result<String, Error> {
    let file = input.system.main.toplevel.join("etc/os-release")?;
    let text = match input.store.read(&file, TEXT_MAX) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) if error.is_not_found() => String::new(),
        Err(error) => return Err(error.into()),
    };
    let name = text.lines().find_map(|line| line.strip_prefix("NAME="));
    let name = name.map(|name| name.trim_matches(['"', '\'']));
    Ok(name.filter(|name| !name.is_empty()).unwrap_or(DISTRO).to_owned())
}
