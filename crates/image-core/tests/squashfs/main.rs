//! squashfs images, judged by squashfs-tools and the kernel.
//!
//! - `contents`: what a tree may hold, with every codec
//! - `directories`: listings at the lengths where they change their form
//! - `refused`: what it may not hold
//! - `any`: any small tree

#![allow(clippy::unwrap_used, clippy::panic, clippy::as_conversions, clippy::disallowed_methods)]

#[path = "../contract/mod.rs"]
mod contract;

mod any;
mod contents;
mod directories;
mod refused;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use calve_image_core::epoch::Epoch;
use calve_image_core::inputs::closure::Closure;
use calve_image_core::pack::{self, Request};
use calve_image_core::plan::Plan;
use calve_image_core::region::{self, Keys};
use calve_image_core::tree::Tree;
use calve_image_core::units::{Bytes, KIB};
use calve_image_core::writers::squashfs::{self, Codec, Press, Settings, Stored};
use contract::{corpus, image, oracle, walk};

fn settings(codec: Codec) -> Settings {
    Settings { block: KIB * 128, ..Settings::new(codec, Epoch::new(1_700_000_000)) }
}

/// An image in a directory of its own, with a copy of its plan.
struct Image {
    dir: tempfile::TempDir,
    plan: Plan,
}

impl Image {
    /// Packs a tree's files, and writes the plan with poison where it has gaps.
    fn new(tree: &Tree, settings: &Settings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let row = squashfs::serial(tree, settings).unwrap();
        let request = Request {
            tree,
            row: &row,
            closure: &Closure::of([], &[]).unwrap(),
            press: &Press::new(tree, settings),
            keys: &Keys::none(),
            cache: None,
            spool: dir.path(),
        };
        let packed = pack::pack(&request, &region::Options::default()).unwrap();
        let stored = Stored::of(tree, &packed, settings).unwrap();
        let plan = squashfs::plan(tree, &stored, settings).unwrap();
        let image = Self { dir, plan };
        image::write_poisoned(&image.plan, &image.path(), image::POISON);
        image
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("image.squashfs")
    }
}

/// Mounts an image and unmounts it when dropped.
struct Mounted {
    dir: tempfile::TempDir,
}

impl Mounted {
    fn new(image: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mount = oracle::need("mount").unwrap();
        oracle::expect(&mount, args!["-t", "squashfs", "-o", "loop,ro", image, dir.path()]);
        Self { dir }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let umount = oracle::need("umount").unwrap();
        oracle::expect(&umount, args![self.path()]);
    }
}

/// Writes a tree and lets everybody look at it.
fn assert_everyone_agrees(tree: &Tree, settings: &Settings) {
    let image = Image::new(tree, settings);
    assert_whole(&image.plan);
    if let Some(unsquashfs) = oracle::need("unsquashfs")
        && oracle::may_restore()
    {
        let root = image.dir.path().join("root");
        oracle::expect(&unsquashfs, args!["-quiet", "-no-progress", "-d", &root, &image.path()]);
        assert_eq!(walk::listing(&root), tree.listing());
        walk::assert_same_data(tree, &root);
    }
    if oracle::may_mount() {
        let mounted = Mounted::new(&image.path());
        assert_eq!(walk::listing(mounted.path()), tree.listing());
        walk::assert_same_data(tree, mounted.path());
    }
}

/// An image has no gaps, and is what block devices are a multiple of.
fn assert_whole(plan: &Plan) {
    let mut at = Bytes::ZERO;
    for piece in plan.pieces() {
        assert_eq!(piece.offset, at, "{}", plan.label(piece));
        at = piece.end();
    }
    assert_eq!(at, plan.size());
    assert!(at.is_multiple_of(KIB * 4));
}

/// What `unsquashfs` lists, without the sizes of directories: those depend on where inodes lie.
fn listed(unsquashfs: &Path, image: &Path) -> Vec<Vec<u8>> {
    let said = oracle::expect(unsquashfs, args!["-lln", image]);
    let lines = said.split(|byte| *byte == b'\n');
    lines
        .map(|line| if line.starts_with(b"d") { without_size(line) } else { line.into() })
        .collect()
}

fn without_size(line: &[u8]) -> Vec<u8> {
    let words: Vec<&[u8]> =
        line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect();
    [&words[..2], &words[3..]].concat().join(&b' ')
}

/// Unpacks an image, makes one of that with `mksquashfs`, and returns its path.
fn made_again(unsquashfs: &Path, mksquashfs: &Path, image: &Image) -> PathBuf {
    let (root, again) = (image.dir.path().join("again"), image.dir.path().join("again.squashfs"));
    oracle::expect(unsquashfs, args!["-quiet", "-no-progress", "-d", &root, &image.path()]);
    let mut arguments = args![&root, &again].to_vec();
    arguments.extend(["-quiet", "-no-progress", "-mkfs-time", "1700000000"].map(OsStr::new));
    oracle::expect(mksquashfs, &arguments);
    again
}
