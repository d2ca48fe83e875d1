//! Odd store paths: what a NAR can hold is taken, what is missing is named.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::ffi::OsStr;
use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::inputs::registration;
use crate::inputs::store::Elsewhere;
use crate::inputs::store_path::StorePath;

const A: &str = "p1ghxi6s5ar9ga8i0wcsadlng4vqc25a-a";

/// The listing of a store whose one path is made by `make`.
fn listing(make: impl FnOnce(&Path)) -> Result<String, Error> {
    let root = tempfile::tempdir().unwrap();
    let store = root.path().join("nix/store");
    fs::create_dir_all(&store).unwrap();
    make(&store.join(A));
    let text = format!("/nix/store/{A}\n{}\n1\n\n0\n", "0".repeat(64));
    let infos = registration::parse(&text).unwrap();
    let top = [infos[0].path.clone()];
    let closure = Closure::of(infos, &top).unwrap();
    let mut tree = TreeBuilder::new(Epoch::STORE);
    add(&mut tree, &HostStore::at(root.path()), &closure)?;
    let listing = tree.build().unwrap().listing();
    let below = listing.lines().filter_map(|line| line.strip_prefix("/nix/store/"));
    Ok(below.map(|line| line.replace(A, "A")).collect::<Vec<_>>().join("\n"))
}

#[test]
fn a_path_may_be_a_file_or_a_link() {
    let file = listing(|path| fs::write(path, "text").unwrap()).unwrap();
    assert_eq!(file, "A f 0444 0:0 1 4");
    let program = listing(|path| {
        fs::write(path, "").unwrap();
        fs::set_permissions(path, PermissionsExt::from_mode(0o6755)).unwrap();
    });
    assert_eq!(program.unwrap(), "A f 0555 0:0 1 0", "set-user-ID has no place in a store");
    let link = listing(|path| symlink("/nowhere at all", path).unwrap()).unwrap();
    assert!(link.starts_with("A l 0777 0:0 1 -> "), "{link}");
    assert_eq!(listing(|path| fs::create_dir(path).unwrap()).unwrap(), "A d 0555 0:0 1");
}

/// Has nothing, and is never asked.
#[derive(Debug)]
struct Nobody;

impl Elsewhere for Nobody {
    fn bring(&self, path: &StorePath) -> std::io::Result<()> {
        panic!("{path} was looked at");
    }
}

#[test]
fn paths_that_are_elsewhere_have_a_size() {
    let text = format!("/nix/store/{A}\n{}\n800\n\n0\n", "0".repeat(64));
    let infos = registration::parse(&text).unwrap();
    let top = [infos[0].path.clone()];
    let closure = Closure::of(infos, &top).unwrap();
    let mut tree = TreeBuilder::new(Epoch::STORE);
    let store = HostStore::at("/nonexistent").with_elsewhere(Arc::new(Nobody));
    add(&mut tree, &store, &closure).unwrap();
    let listing = tree.build().unwrap().listing();
    assert!(listing.contains(&format!("/nix/store/{A} f 0444 0:0 1 900")), "{listing}");
}

#[test]
fn names_are_bytes_and_their_case_counts() {
    let listing = listing(|path| {
        fs::create_dir(path).unwrap();
        for name in [&b"\xff\xfe"[..], b"Same", b"same", b"a b", &[b'n'; 255]] {
            fs::write(path.join(OsStr::from_bytes(name)), "").unwrap();
        }
    });
    assert_eq!(listing.unwrap().lines().count(), 6);
}

#[test]
fn what_is_missing_or_no_part_of_a_store_is_named() {
    let missing = listing(|_| {}).unwrap_err();
    let told = std::iter::successors(Some(&missing as &dyn std::error::Error), |e| e.source());
    let told = told.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    assert!(told.contains(A) && told.contains("No such file"), "{told}");
    let pipe = listing(|path| {
        fs::create_dir(path).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let pipe = path.join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    });
    let said = pipe.unwrap_err().to_string();
    assert!(said.contains("/pipe is a named pipe"), "{said}");
}

/// A part of the store that the builder may not read is named; root may read all.
#[test]
fn what_cannot_be_read_is_named() {
    if rustix::process::geteuid().is_root() {
        return;
    }
    let found = listing(|path| {
        fs::create_dir(path).unwrap();
        fs::create_dir(path.join("closed")).unwrap();
        fs::set_permissions(path.join("closed"), PermissionsExt::from_mode(0o000)).unwrap();
    });
    let said = found.unwrap_err().to_string();
    assert!(said.contains("closed"), "{said}");
}

#[test]
fn workers_change_nothing() {
    let root = tempfile::tempdir().unwrap();
    let store = root.path().join("nix/store");
    let names: Vec<String> = ('a'..='d').map(|first| format!("{first}{}", &A[1..])).collect();
    for name in &names {
        fs::create_dir_all(store.join(name).join("deep/er")).unwrap();
        for number in 0..40 {
            fs::write(store.join(name).join(format!("deep/{number}")), name).unwrap();
        }
    }
    let registration: String = names
        .iter()
        .map(|name| format!("/nix/store/{name}\n{}\n1\n\n0\n", "0".repeat(64)))
        .collect();
    let infos = registration::parse(&registration).unwrap();
    let tops: Vec<_> = infos.iter().map(|info| info.path.clone()).collect();
    let closure = Closure::of(infos, &tops).unwrap();
    let listing = |workers| {
        let store = HostStore::at(root.path()).with_workers(NonZeroUsize::new(workers).unwrap());
        let mut tree = TreeBuilder::new(Epoch::STORE);
        add(&mut tree, &store, &closure).map(|_| tree.build().unwrap().listing())
    };
    let one = listing(1).unwrap();
    assert_eq!(one.lines().filter(|line| line.contains(" f ")).count(), 160);
    assert_eq!(listing(5).unwrap(), one);
    // Whoever finds it, the first of several mistakes is told.
    for name in &names[1..3] {
        fs::remove_dir_all(store.join(name)).unwrap();
    }
    for workers in [1, 5] {
        let error = listing(workers).unwrap_err().to_string();
        assert!(error.contains(&names[1]), "{error}");
    }
}
