//! Store databases: made by SQLite in Nix's schema, and by Nix itself where it is installed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::io::Write;
use std::process::{Command, Stdio};

use super::*;
use crate::inputs::closure::Closure;
use crate::inputs::registration;

const REGISTRATION: &str = include_str!("../../testdata/real/minimal-uefi/registration");
const A: &str = "p1ghxi6s5ar9ga8i0wcsadlng4vqc25a-a";
const B: &str = "31nfjp6r58f3bm5ddfyc1f23kh7674vw-b";

fn path(base: &str) -> StorePath {
    StorePath::from_base_name(base).unwrap()
}

/// A database with two paths, `A` referring to `B`.
fn sample(directory: &Path) -> Connection {
    fs::write(directory.join("schema"), "10").unwrap();
    let connection = Connection::open(directory.join("db.sqlite")).unwrap();
    connection
        .execute_batch(&format!(
            "create table ValidPaths (id integer primary key autoincrement not null,
               path text unique not null, hash text not null, registrationTime integer not null,
               deriver text, narSize integer, ultimate integer, sigs text, ca text);
             create table Refs (referrer integer not null, reference integer not null,
               primary key (referrer, reference));
             insert into ValidPaths values
               (1, '/nix/store/{A}', 'sha256:{zeros}', 1, '', 8, 1, 'k:x l:y', 'text:sha256:z'),
               (2, '/nix/store/{B}', 'sha256:{zeros}', 1, null, 9, null, null, null);
             insert into Refs values (1, 2), (1, 1);",
            zeros = "0".repeat(64)
        ))
        .unwrap();
    connection
}

fn listing(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn everything_known_is_kept() {
    let (directory, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample(directory.path()).close().unwrap();
    let before = listing(directory.path());
    let infos = read(directory.path(), &[path(A)], scratch.path()).unwrap();
    assert_eq!(infos.len(), 2);
    assert_eq!(infos[0].signatures, ["k:x", "l:y"]);
    assert_eq!(infos[0].ca.as_deref(), Some("text:sha256:z"));
    assert!(infos[0].ultimate && infos[0].deriver.is_none());
    assert_eq!(infos[0].references, [path(B), path(A)]);
    assert_eq!((infos[1].nar_size, infos[1].ultimate), (9, false));
    assert_eq!(listing(directory.path()), before);
}

#[test]
fn the_write_ahead_log_is_read_and_nothing_changes() {
    let (directory, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let writer = sample(directory.path());
    writer.pragma_update(None, "journal_mode", "wal").unwrap();
    writer.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    writer.execute("update ValidPaths set narSize = 77 where id = 1", []).unwrap();
    let before = listing(directory.path());
    let infos = read(directory.path(), &[path(A)], scratch.path()).unwrap();
    assert_eq!(infos[0].nar_size, 77, "only the log knows this size");
    assert_eq!(listing(directory.path()), before);
    assert!(listing(scratch.path()).is_empty());
    let gone = scratch.path().join("gone");
    assert!(matches!(read(directory.path(), &[path(A)], &gone), Err(Error::Io { .. })));
}

#[test]
fn unknown_schemas_and_missing_paths_are_refused() {
    let (directory, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample(directory.path()).close().unwrap();
    let other = path("0000000000000000000000000000000b-c");
    let found = read(directory.path(), std::slice::from_ref(&other), scratch.path());
    assert!(matches!(found, Err(Error::Missing { path, .. }) if path == other));
    fs::write(directory.path().join("db.sqlite-journal"), "x").unwrap();
    let found = read(directory.path(), &[path(A)], scratch.path());
    assert!(matches!(found, Err(Error::Journal { .. })));
    fs::write(directory.path().join("schema"), "11\n").unwrap();
    let found = read(directory.path(), &[path(A)], scratch.path());
    assert!(matches!(found, Err(Error::Schema { found, .. }) if found == "11"));
    fs::write(directory.path().join("schema"), "10").unwrap();
    fs::remove_file(directory.path().join("db.sqlite-journal")).unwrap();
    fs::write(directory.path().join("db.sqlite"), "no database at all".repeat(99)).unwrap();
    let found = read(directory.path(), &[path(A)], scratch.path());
    assert!(matches!(found, Err(Error::Sqlite { .. })));
}

#[test]
fn a_damaged_database_is_read_or_refused() {
    let (directory, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample(directory.path()).close().unwrap();
    let file = directory.path().join("db.sqlite");
    let whole = fs::read(&file).unwrap();
    for length in [0, 1, 16, 99, 100, 512, whole.len() / 2] {
        fs::write(&file, &whole[..length]).unwrap();
        let found = read(directory.path(), &[path(A)], scratch.path());
        assert!(matches!(found, Err(Error::Sqlite { .. })), "{length}: {found:?}");
    }
    for at in (100..whole.len()).step_by(97) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xff;
        fs::write(&file, damaged).unwrap();
        let _ = read(directory.path(), &[path(A)], scratch.path());
    }
    fs::remove_file(&file).unwrap();
    let found = read(directory.path(), &[path(A)], scratch.path()).unwrap_err();
    assert!(found.to_string().contains("db.sqlite"), "{found}");
}

#[test]
fn odd_directory_names_are_found() {
    let (parent, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let directory = parent.path().join("a b?c#d%41é");
    fs::create_dir(&directory).unwrap();
    sample(&directory).close().unwrap();
    assert_eq!(read(&directory, &[path(B)], scratch.path()).unwrap().len(), 1);
}

#[test]
fn agrees_with_a_store_that_nix_made() {
    let root = tempfile::tempdir().unwrap();
    let store = format!("local?root={}", root.path().display());
    let load = Command::new("nix-store")
        .args(["--store", &store, "--load-db"])
        .env("NIX_REMOTE", "")
        .stdin(Stdio::piped())
        .spawn();
    let mut load = match load {
        Ok(load) => load,
        Err(error) if std::env::var("CI").as_deref() == Ok("true") => {
            panic!("nix-store is needed: {error}")
        }
        Err(error) => {
            eprintln!("SKIPPED: nix-store cannot be run: {error}");
            return;
        }
    };
    load.stdin.take().unwrap().write_all(REGISTRATION.as_bytes()).unwrap();
    assert!(load.wait().unwrap().success());
    let registered = registration::parse(REGISTRATION).unwrap();
    let toplevel = registered
        .iter()
        .find(|info| info.path.name().starts_with("nixos-system-"))
        .map(|info| info.path.clone())
        .unwrap();
    let directory = root.path().join("nix/var/nix/db");
    let infos = read(&directory, std::slice::from_ref(&toplevel), root.path()).unwrap();
    let found = Closure::of(infos, std::slice::from_ref(&toplevel)).unwrap();
    assert_eq!(found, Closure::of(registered, &[toplevel]).unwrap());
}
