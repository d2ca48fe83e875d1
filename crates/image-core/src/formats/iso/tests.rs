//! What is on a medium and in its store.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::loaders::Wishes;
use super::sample::{live, with_syslinux};
use super::*;
use crate::boot::sample::{Built, CHILD, INITRD, KERNEL, SYSTEMD, TOP};
use crate::inputs::store_path::StorePath;
use crate::tree::{Kind, Source, TreePath};
use crate::units::MIB;

const EPOCH: Epoch = Epoch::new(1_700_000_000);

fn made(built: &Built, carried: &[StorePath], overlays: &[Overlay]) -> Result<Iso, Error> {
    let ids = Ids::from_parts(&[b"test"]);
    let spec = IsoSpec {
        carried,
        overlays,
        rules: &[],
        ids: &ids,
        epoch: EPOCH,
        codec: Codec::Zstd(3),
        copy_to_ram: false,
        wishes: Wishes::default(),
    };
    let input = Input { store: &built.store, system: &built.system, closure: &built.closure };
    prepare(&spec, input)
}

fn built() -> Built {
    let mut sample = live();
    with_syslinux(&mut sample);
    sample.build()
}

/// The files of a tree, without directories: path and size.
fn files(tree: &Tree) -> Vec<String> {
    let lines = tree.listing();
    let files = lines.lines().filter(|line| !line.contains(" d "));
    files.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn what_is_on_a_medium() {
    let built = built();
    let carried = [StorePath::from_base_name(CHILD).unwrap()];
    let iso = made(&built, &carried, &[]).unwrap();
    assert_eq!(
        files(&iso.medium.tree),
        [
            "/EFI/nixos-installer-image",
            "/boot/efi.img",
            &format!("/boot/nix/store/{INITRD}/initrd"),
            &format!("/boot/nix/store/{KERNEL}/bzImage"),
            "/carried.txt",
            "/isolinux/isolinux.bin",
            "/isolinux/isolinux.cfg",
            "/isolinux/ldlinux.c32",
            "/isolinux/libutil.c32",
            "/isolinux/menu.c32",
            "/nix-store.squashfs",
            "/version.txt",
        ]
    );
    let text = |path: &str| {
        let node = iso.medium.tree.find(&TreePath::parse(path).unwrap()).unwrap();
        let Kind::File(Source::Bytes(bytes)) = node.kind() else { panic!("{path}") };
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    assert_eq!(text("/carried.txt"), format!("/nix/store/{CHILD}\n"));
    assert_eq!(text("/version.txt"), "25.05.sample");
    let bios = iso.medium.bios.as_ref().unwrap();
    assert_eq!((bios.image.to_string().as_str(), bios.mbr.len()), ("/isolinux/isolinux.bin", 432));
    let size = iso.efi_size().unwrap();
    assert!(size < MIB * 16, "{size}: no larger than its files");
}

#[test]
fn what_is_in_the_store() {
    let built = built();
    let iso = made(&built, &[], &[]).unwrap();
    let listing = iso.store.listing();
    let top: Vec<&str> = listing
        .lines()
        .filter(|line| line.split(' ').next().unwrap().matches('/').count() == 1)
        .collect();
    let directory = |name: &str| format!("/{name} d 0555 0:0 1");
    let mut expected =
        [TOP, CHILD, KERNEL, INITRD, SYSTEMD, super::sample::SYSLINUX].map(directory).to_vec();
    expected.sort();
    let registration = crate::inputs::registration::write(built.closure.paths());
    let at = EPOCH.seconds();
    expected.push(format!("/nix-path-registration f 0444 0:0 {at} {}", registration.len()));
    expected.insert(0, "/ d 0755 0:0 1".to_owned());
    let mut found: Vec<String> = top.into_iter().map(str::to_owned).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn overlays_add_files_and_replace_none() {
    let built = built();
    let user = tempfile::tempdir().unwrap();
    std::fs::create_dir(user.path().join("docs")).unwrap();
    std::fs::write(user.path().join("docs/hello"), "world").unwrap();
    let overlay: Overlay = user.path().to_str().unwrap().parse().unwrap();
    let iso = made(&built, &[], std::slice::from_ref(&overlay)).unwrap();
    assert!(files(&iso.medium.tree).contains(&"/docs/hello".to_owned()));
    std::fs::write(user.path().join("nix-store.squashfs"), "mine").unwrap();
    let error = made(&built, &[], &[overlay]).unwrap_err().to_string();
    assert!(error.contains("the medium's own files"), "{error}");
}

#[test]
fn names_are_nixpkgs_own() {
    let mut built = built();
    let mut named = |label: &str| {
        label.clone_into(&mut built.system.main.label);
        file_name(&built.system)
    };
    assert_eq!(named("25.05.20250101.abcdef"), "nixos-25.05.20250101.abcdef-x86_64-linux.iso");
    assert_eq!(named("a/b c:ü"), "nixos-a_b_c-x86_64-linux.iso");
}
