//! ISO 9660 volumes and hybrid disks, judged by libarchive, xorriso, isoinfo, sgdisk and blkid.
//!
//! - `readers`: what each of them says a volume holds
//! - `contents`: what a tree may hold
//! - `names`: what entries are called in plain ISO 9660 and in Joliet
//! - `boot`: El Torito and the hybrid disk
//! - `sizes`: files over 4 GiB, and many entries

#![allow(clippy::unwrap_used, clippy::panic, clippy::as_conversions, clippy::disallowed_methods)]

#[path = "../contract/mod.rs"]
mod contract;

mod boot;
mod contents;
mod names;
mod readers;
mod sizes;

use std::path::PathBuf;

use calve_image_core::epoch::Epoch;
use calve_image_core::plan::Plan;
use calve_image_core::tree::{Entry, Kind, Tree, TreePath, Xattrs};
use calve_image_core::units::Bytes;
use calve_image_core::writers::iso9660::{
    self, Boot, Error, Iso, SYSTEM_AREA, Settings, TRAILER, VolumeId,
};
use contract::{corpus, image, oracle};

const EPOCH: Epoch = Epoch::new(1_700_000_000);

fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

fn planned(tree: &Tree, boot: Boot<'_>) -> Result<Iso, Error> {
    let volume = VolumeId::new("nixos-26.05-x86_64").unwrap();
    let settings =
        Settings { volume: &volume, epoch: EPOCH, application: "nixos", publisher: "nixos", boot };
    iso9660::plan(tree, &settings)
}

/// Plans a volume that nothing starts from.
fn volume(tree: &Tree) -> Plan {
    planned(tree, Boot::default()).unwrap().plan
}

/// Writes a volume over poison.
fn written(plan: &Plan) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("volume.iso");
    image::write_poisoned(plan, &file, image::POISON);
    (dir, file)
}

/// A volume has gaps at its ends only.
fn assert_whole(plan: &Plan) {
    let mut at = SYSTEM_AREA;
    for piece in plan.pieces() {
        assert_eq!(piece.offset, at, "{}", plan.label(piece));
        at = piece.end();
    }
    assert_eq!(at + TRAILER, plan.size());
    assert!(plan.size().is_multiple_of(Bytes::new(2048)));
}

/// The part of a tree that ISO 9660 can hold: no attributes, names of up to 253 bytes, small numbers of
/// devices.
fn holdable(tree: &Tree) -> Tree {
    let mut corpus = corpus::Corpus::default();
    for node in tree.iter() {
        let Entry { mut meta, kind } = node.entry().clone();
        meta.xattrs = Xattrs::NONE;
        let large =
            matches!(&kind, Kind::Device(device) if device.major > 4095 || device.minor > 255);
        if !large {
            let path = node.path();
            let names = path.components().map(|name| &name[..name.len().min(253)]);
            corpus.add(names.collect::<Vec<_>>().join(&b'/'), Entry { meta, kind });
        }
    }
    corpus.build()
}
