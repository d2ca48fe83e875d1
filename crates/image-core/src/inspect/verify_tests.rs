//! Live images made by mksquashfs and xorriso, whole and damaged.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::*;
use crate::inspect::tests::run;

const HELLO: &str = "/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-hello";
const LINUX: &str = "/nix/store/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-linux";

/// Data that does not compress, so it is stored as it is.
fn noise(size: usize) -> Vec<u8> {
    let step = |n: &u32| Some(n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    std::iter::successors(Some(7), step).map(|n| n.to_be_bytes()[0]).take(size).collect()
}

/// Makes a store of two paths, its registration, and an ISO of it; none where a program is missing.
fn iso(dir: &Path) -> Option<PathBuf> {
    let store = dir.join("store");
    let at = |path: &str| store.join(path.strip_prefix("/nix/store/").unwrap());
    fs::create_dir_all(at(HELLO).join("bin")).unwrap();
    fs::write(at(HELLO).join("bin/hello"), "#!/bin/sh\necho hello\n".repeat(5000)).unwrap();
    fs::set_permissions(at(HELLO).join("bin/hello"), fs::Permissions::from_mode(0o555)).unwrap();
    std::os::unix::fs::symlink("hello", at(HELLO).join("bin/hi")).unwrap();
    fs::write(at(HELLO).join("text"), "a text\n".repeat(30_000)).unwrap();
    fs::create_dir(at(LINUX)).unwrap();
    fs::write(at(LINUX).join("bzImage"), noise(40_000)).unwrap();
    let mut registration = String::new();
    for path in [HELLO, LINUX] {
        let mut nar = Nar::default();
        hash(&at(path), &mut nar);
        writeln!(registration, "{path}\n{}\n1\n\n0", nar.finish().base16()).unwrap();
    }
    fs::write(store.join("nix-path-registration"), registration).unwrap();
    let boot = dir.join("iso/boot/nix/store/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-linux");
    fs::create_dir_all(&boot).unwrap();
    fs::copy(at(LINUX).join("bzImage"), boot.join("bzImage")).unwrap();
    let squashfs = dir.join("iso/nix-store.squashfs");
    let image = dir.join("live.iso");
    let made = run(
        "mksquashfs",
        &[
            store.to_str().unwrap(),
            squashfs.to_str().unwrap(),
            "-quiet",
            "-no-progress",
            "-no-fragments",
        ],
    ) && run(
        "xorriso",
        &[
            "-as",
            "mkisofs",
            "-quiet",
            "-R",
            "-V",
            "live-id",
            "-o",
            image.to_str().unwrap(),
            dir.join("iso").to_str().unwrap(),
        ],
    );
    made.then_some(image)
}

fn hash(path: &Path, nar: &mut Nar) {
    let metadata = fs::symlink_metadata(path).unwrap();
    if metadata.is_symlink() {
        nar.symlink(fs::read_link(path).unwrap().as_os_str().as_encoded_bytes());
    } else if metadata.is_dir() {
        nar.open_directory();
        let mut names: Vec<_> =
            fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        for name in names {
            nar.entry(name.as_encoded_bytes());
            hash(&path.join(name), nar);
        }
        nar.close_directory();
    } else {
        nar.open_file(metadata.len(), metadata.permissions().mode() & 0o100 != 0);
        nar.data(&fs::read(path).unwrap());
        nar.close_file();
    }
}

fn verdict(image: &Path) -> Verdict {
    verify(&fs::File::open(image).unwrap(), &|_| {}, &Cancel::new()).unwrap()
}

/// Flips a byte in the middle of the first place that holds `what`, or at `place` of the image.
fn damage(image: &Path, place: usize) {
    let mut bytes = fs::read(image).unwrap();
    bytes[place] ^= 0x10;
    fs::write(image, bytes).unwrap();
}

fn find(image: &Path, what: &[u8], skip: usize) -> usize {
    let bytes = fs::read(image).unwrap();
    bytes.windows(what.len()).enumerate().filter(|(_, w)| *w == what).nth(skip).unwrap().0
}

#[test]
fn a_whole_image_is_good() {
    let dir = tempfile::tempdir().unwrap();
    let Some(image) = iso(dir.path()) else { return };
    let verdict = verdict(&image);
    assert_eq!(verdict.faults, []);
    assert_eq!((verdict.good, verdict.unregistered, verdict.files), (2, 0, 3));
    let live = crate::inspect::live(&fs::File::open(&image).unwrap()).unwrap().unwrap();
    assert_eq!(live.iso.volume, "live-id");
    assert_eq!(live.store.unwrap().0, "/nix-store.squashfs");
}

#[test]
fn a_byte_in_a_compressed_file_names_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let Some(image) = iso(dir.path()) else { return };
    // The first data of the squashfs are those of the first file.
    let start = find(&image, b"hsqs", 0);
    damage(&image, start + 96 + 40);
    let [fault] = verdict(&image).faults.try_into().unwrap();
    assert_eq!(fault.path, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-hello/bin/hello");
    assert!(fault.found.starts_with("the data block at byte 96 is damaged"), "{}", fault.found);
}

#[test]
fn a_byte_in_a_file_without_a_check_sum_names_it_too() {
    let dir = tempfile::tempdir().unwrap();
    let Some(image) = iso(dir.path()) else { return };
    // It stands in the image twice: once in the squashfs, once beside it.
    let noise = &noise(64)[..];
    let places = [find(&image, noise, 0), find(&image, noise, 1)];
    let squashfs = find(&image, b"hsqs", 0);
    let (inside, beside) = if places[0] > squashfs && places[1] < squashfs {
        (places[0], places[1])
    } else {
        let size = 12_000;
        let within = |place: &&usize| **place > squashfs && **place < squashfs + size * 8;
        let inside = *places.iter().find(within).unwrap();
        (inside, *places.iter().find(|place| **place != inside).unwrap())
    };
    damage(&image, inside + 1000);
    let found = verdict(&image).faults;
    let linux = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-linux";
    let paths: Vec<&str> = found.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(paths, [linux, &format!("/boot/nix/store/{linux}/bzImage")]);
    assert!(found[0].found.ends_with(&format!("no check sum guards {linux}/bzImage")), "{found:?}");
    damage(&image, inside + 1000);
    damage(&image, beside + 1000);
    let [fault] = verdict(&image).faults.try_into().unwrap();
    assert_eq!(fault.path, format!("/boot/nix/store/{linux}/bzImage"));
    assert_eq!(fault.found, "it differs from the store's");
}

#[test]
fn what_is_cut_short_or_no_live_image_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let Some(image) = iso(dir.path()) else { return };
    let size = fs::metadata(&image).unwrap().len();
    let file = fs::File::options().write(true).open(&image).unwrap();
    file.set_len(size - 300_000).unwrap();
    let found = verdict(&image);
    assert_eq!(found.faults[0].path, "the image");
    fs::write(&image, vec![0; 1 << 20]).unwrap();
    let error = verify(&fs::File::open(&image).unwrap(), &|_| {}, &Cancel::new()).unwrap_err();
    assert!(matches!(error, Stop::NoStore { found: "no ISO 9660 file system" }));
}
