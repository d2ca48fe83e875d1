//! ext4 images, judged by e2fsprogs, the kernel and another reader.

#![allow(clippy::unwrap_used, clippy::panic, clippy::as_conversions, clippy::disallowed_methods)]

#[path = "../contract/mod.rs"]
mod contract;

mod contents;
mod readers;
mod reused;
mod sizes;

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use calve_image_core::epoch::Epoch;
use calve_image_core::plan::{Content, Label, Plan, PlanBuilder};
use calve_image_core::tree::{Device, Entry, HostDir, Kind, Meta, Source, Tree, Xattrs};
use calve_image_core::units::{Bytes, GIB, KIB, MIB};
use calve_image_core::writers::ext4::{self, Error, Ext4};
use contract::{corpus, image, oracle, walk};
use uuid::Uuid;

const BLOCK: Bytes = Bytes::new(4096);
const TIB: Bytes = Bytes::new(1 << 40);

fn options(size: Bytes) -> Ext4 {
    let uuid = Uuid::from_u128(0x1111_2222_3333_4444_5555_6666_7777_8888);
    let seed = Uuid::from_u128(0xFFEE_DDCC_BBAA_9988_7766_5544_3322_1100);
    Ext4::new(size, uuid, seed)
}

fn plan(tree: &Tree, size: Bytes) -> Plan {
    options(size).plan(tree).unwrap()
}

/// `e2fsck -fn` must find nothing to say.
fn assert_clean(image: &Path) {
    let Some(e2fsck) = oracle::need("e2fsck") else { return };
    let output = oracle::run(&e2fsck, args!["-fn", image]);
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints: Vec<_> = said
        .lines()
        .filter(|line| !line.starts_with("Pass ") && !line.contains(" files ("))
        .collect();
    assert!(output.status.success() && complaints.is_empty(), "{said}");
}

/// Mounts an image read-only and unmounts it when dropped.
struct Mounted {
    dir: tempfile::TempDir,
}

impl Mounted {
    fn new(image: &Path, options: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mount = oracle::need("mount").unwrap();
        oracle::expect(&mount, args!["-o", options, image, dir.path()]);
        Self { dir }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let status = Command::new("umount").arg(self.path()).status().unwrap();
        assert!(status.success());
    }
}

/// What the kernel lists must be the tree, and `lost+found`.
fn assert_kernel_agrees(image: &Path, tree: &Tree) {
    if !oracle::may_mount() {
        return;
    }
    let mounted = Mounted::new(image, "loop,ro");
    let listed = walk::listing(mounted.path());
    let (lost_found, rest): (Vec<_>, Vec<_>) =
        listed.lines().partition(|line| line.starts_with("/lost+found "));
    assert_eq!(lost_found, ["/lost+found d 0700 0:0 1"]);
    let rest = rest.into_iter().fold(String::new(), |text, line| text + line + "\n");
    assert_eq!(rest, tree.listing());
    walk::assert_same_data(tree, mounted.path());
}

fn temporary(name: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join(name);
    (dir, image)
}

/// Writes a plan with poisoned gaps and lets everybody look at it.
fn assert_everyone_agrees(tree: &Tree, size: Bytes) {
    let (_dir, image) = temporary("image.ext4");
    image::write_poisoned(&plan(tree, size), &image, image::POISON);
    assert_clean(&image);
    assert_kernel_agrees(&image, tree);
}
