//! FAT volumes, judged by `fsck.fat` and read back by mtools.

#![allow(clippy::unwrap_used, clippy::panic, clippy::as_conversions, clippy::disallowed_methods)]

mod contract;

use std::path::Path;

use calve_image_core::epoch::Epoch;
use calve_image_core::plan::Plan;
use calve_image_core::tree::{Entry, Tree};
use calve_image_core::units::{Bytes, MIB, SectorSize};
use calve_image_core::writers::fat::{self, Fat, FatError, FatKind, Shape};
use contract::corpus::{self, Corpus};
use contract::{image, oracle, walk};

fn volume(size: Bytes, sector: SectorSize) -> Fat {
    let label = Some("ESP".to_owned());
    Fat { size, sector, label, serial: 0x1234_ABCD, epoch: Epoch::new(1_700_000_000) }
}

/// An ESP as systemd-boot fills one, and names that are hard on FAT.
// mtools knows no surrogate pairs, so none are here; `name.rs` tests them.
fn esp() -> Tree {
    let mut corpus = Corpus::default();
    corpus.file("EFI/BOOT/BOOTX64.EFI", corpus::noise(1, 98_304));
    corpus.file("EFI/systemd/systemd-bootx64.efi", corpus::noise(1, 98_304));
    for number in 0..40 {
        let hash = format!("{number:032}");
        corpus.file(
            format!("EFI/nixos/{hash}-linux-6.6.1-bzImage.efi"),
            corpus::noise(number, 70_001),
        );
        let entry = format!("loader/entries/nixos-generation-{number}.conf");
        corpus.file(entry, format!("title NixOS {number}\n"));
    }
    corpus.file("loader/loader.conf", *b"timeout 5\n").file("loader/entries.srel", *b"type1\n");
    corpus.file("names/gr\u{fc}\u{df}e", *b"utf8").file("names/.dot file", *b"dot");
    corpus.file("names/LOADER~1.CON", *b"mine").file("names/loader.conf", *b"made");
    corpus.file("names/a+b,c;d=e[f]", *b"odd").file(format!("names/{}", "n".repeat(255)), *b"long");
    corpus.directory("hollow", 0o755).file("empty", []).file("thirteen13.abc", *b"13");
    for number in 0..300 {
        corpus.file(format!("wide/{number:03}-a-name-as-long-as-they-are"), [number as u8]);
    }
    corpus.build()
}

fn write(plan: &Plan) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    image::write_poisoned(plan, file.path(), image::POISON);
    file
}

/// Panics unless `fsck.fat` has nothing to say and mtools extracts the tree that was put in.
fn assert_holds(image: &Path, tree: &Tree) {
    let (Some(fsck), Some(mcopy)) = (oracle::need("fsck.fat"), oracle::need("mcopy")) else {
        return;
    };
    let said = oracle::expect(&fsck, args!["-n", "-v", image]);
    let said = String::from_utf8(said).unwrap();
    for complaint in ["ifferences", "rong", "dirty", "Bad", "Reclaim", "Correct", "leaving"] {
        assert!(!said.contains(complaint), "{said}");
    }
    let directory = tempfile::tempdir().unwrap();
    let all = format!("-i{}", image.display());
    let mut command = std::process::Command::new(mcopy);
    command.args(["-s", "-n", "-Q", &all, "::/"]).arg(directory.path()).env("LC_ALL", "C.UTF-8");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let paths = |listing: &str| {
        let path = |line: &str| {
            let mut words = line.split(' ');
            format!("{} {}", words.next().unwrap(), words.next().unwrap())
        };
        listing.lines().map(path).collect::<Vec<_>>()
    };
    assert_eq!(paths(&walk::listing(directory.path())), paths(&tree.listing()));
    walk::assert_same_data(tree, directory.path());
}

#[test]
fn an_esp_reads_back_at_every_kind_and_sector_size() {
    let tree = esp();
    let sizes = [
        (16, SectorSize::B512, FatKind::Fat16),
        (40, SectorSize::B512, FatKind::Fat32),
        (100, SectorSize::B512, FatKind::Fat32),
        (64, SectorSize::B4096, FatKind::Fat16),
        (280, SectorSize::B4096, FatKind::Fat32),
    ];
    for (mib, sector, kind) in sizes {
        assert_eq!(Shape::of(MIB * mib, sector).unwrap().kind, kind);
        let plan = volume(MIB * mib, sector).plan(&tree).unwrap();
        assert_holds(write(&plan).path(), &tree);
    }
}

#[test]
fn sizes_at_the_borders_of_the_kinds_are_clean() {
    let tree = corpus::plain();
    for sector in SectorSize::ALL {
        let kind = |kib: u64| Shape::of(Bytes::new(kib << 10), sector).map(|shape| shape.kind);
        let (mut low, mut high) = (20 << 10, 300 << 10);
        while high - low > 1 {
            let middle = (low + high) / 2;
            if kind(middle) == Ok(FatKind::Fat16) { low = middle } else { high = middle }
        }
        assert_eq!((kind(low), kind(high)), (Ok(FatKind::Fat16), Ok(FatKind::Fat32)));
        for kib in [low, high] {
            let plan = volume(Bytes::new(kib << 10), sector).plan(&tree).unwrap();
            assert_holds(write(&plan).path(), &tree);
        }
    }
}

#[test]
fn the_minimum_size_holds_the_tree_and_a_full_volume_is_clean() {
    for (tree, sector) in [
        (esp(), SectorSize::B512),
        (corpus::plain(), SectorSize::B4096),
        (corpus::empty(), SectorSize::B512),
    ] {
        let size = fat::minimum_size(&tree, sector).unwrap();
        let plan = volume(size, sector).plan(&tree).unwrap();
        assert_holds(write(&plan).path(), &tree);
    }
    let shape = Shape::of(MIB * 40, SectorSize::B512).unwrap();
    let mut corpus = Corpus::default();
    let rest = u64::from(shape.clusters - 1) * shape.cluster.get();
    corpus.file("all", vec![7; rest as usize]);
    let tree = corpus.build();
    let plan = volume(MIB * 40, SectorSize::B512).plan(&tree).unwrap();
    assert_holds(write(&plan).path(), &tree);
    let mut corpus = Corpus::default();
    corpus.file("all", vec![7; rest as usize + 1]);
    let said = volume(MIB * 40, SectorSize::B512).plan(&corpus.build()).unwrap_err();
    assert!(matches!(said, FatError::Full { .. }), "{said}");
}

#[test]
fn identity_and_times_are_the_callers() {
    let Some(mdir) = oracle::need("mdir") else { return };
    let mut corpus = Corpus::default();
    corpus.file("file", *b"x");
    let plan = volume(MIB * 64, SectorSize::B512).plan(&corpus.build()).unwrap();
    let image = write(&plan);
    let said = oracle::expect(&mdir, args!["-i", image.path(), "::/"]);
    let said = String::from_utf8(said).unwrap();
    for part in ["Volume in drive : is ESP", "1234-ABCD", "2023-11-14  22:13"] {
        assert!(said.contains(part), "{part}\n{said}");
    }
}

#[test]
fn what_fat_cannot_hold_is_refused_by_path() {
    let refused = |entry: Entry| {
        let mut corpus = Corpus::default();
        corpus.add("x/y", entry);
        volume(MIB * 64, SectorSize::B512).plan(&corpus.build()).unwrap_err().to_string()
    };
    let link = Entry::symlink("z", Epoch::STORE);
    assert_eq!(refused(link), "/x/y: FAT cannot hold a symbolic link");
    let sticky = Entry::directory(corpus::meta(0o1777));
    assert_eq!(refused(sticky), "/x/y: FAT cannot hold the mode 1777");
    let tiny = volume(MIB, SectorSize::B512).plan(&corpus::empty()).unwrap_err();
    assert!(
        tiny.to_string()
            .starts_with("a FAT volume of 1 MiB with 512 byte sectors: expected at least"),
        "{tiny}"
    );
    let mut named = volume(MIB * 64, SectorSize::B512);
    named.label = Some("twelve chars".to_owned());
    assert!(matches!(named.plan(&corpus::empty()), Err(FatError::Label { .. })));
}

#[test]
fn every_byte_that_a_reader_may_look_at_is_in_the_plan() {
    let plan = volume(MIB * 64, SectorSize::B512).plan(&corpus::plain()).unwrap();
    let mut at = Bytes::ZERO;
    for piece in plan.pieces() {
        assert_eq!(piece.offset, at, "{}", plan.label(piece));
        at = piece.end();
    }
    let listing = plan.listing();
    assert_eq!(listing.lines().filter(|line| line.ends_with("gap")).count(), 1);
}

/// The bytes are part of what users build on: a change here changes images.
#[test]
fn the_plan_of_a_small_volume_is_pinned() {
    let plan = volume(MIB * 40, SectorSize::B512).plan(&corpus::plain()).unwrap();
    insta::assert_snapshot!("fat32", plan.listing());
    let plan = volume(MIB * 20, SectorSize::B4096).plan(&corpus::plain()).unwrap();
    insta::assert_snapshot!("fat16_4096", plan.listing());
}
