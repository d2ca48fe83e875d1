//! Directories that are full, read-only, or somebody else's.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use calve_image_core::cache::{self, Cache, Error};
use calve_image_core::units::{Bytes, GIB};

use crate::args;
use crate::contract::oracle;
use crate::sample::{check, key, make, names, open};

const DIRECTORY: &str = "CALVE_TEST_MOUNT";

#[test]
fn a_directory_is_made_for_its_user_alone() {
    let dir = tempfile::tempdir().unwrap();
    let directory = dir.path().join("not/there/yet");
    let cache = open(&directory);
    make(&cache, 1).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    let mut seen = 0;
    for below in [".", "entries", "uses", "leases"] {
        for name in names(&directory, below) {
            let path = directory.join(below).join(name);
            assert_eq!(mode(&path), if path.is_dir() { 0o700 } else { 0o600 }, "{path:?}");
            seen += 1;
        }
    }
    assert_eq!(seen, 9);
}

#[test]
fn backups_leave_it_out() {
    let dir = tempfile::tempdir().unwrap();
    make(&open(dir.path()), 1).unwrap();
    let Some(tar) = oracle::need("tar") else { return };
    let list = |option: &str| {
        let archive = oracle::expect(&tar, args!["-c", option, "-C", dir.path(), "."]);
        String::from_utf8_lossy(&archive).contains("entries")
    };
    assert!(list("--no-xattrs"));
    assert!(!list("--exclude-caches"));
}

#[test]
fn a_tag_cut_short_is_mended() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("CACHEDIR.TAG"), "").unwrap();
    drop(open(dir.path()));
    let tag = fs::read(dir.path().join("CACHEDIR.TAG")).unwrap();
    assert!(tag.starts_with(b"Signature: 8a477f597d28d172789f06886806bc55\n"));
    drop(open(dir.path()));
    assert_eq!(fs::read(dir.path().join("CACHEDIR.TAG")).unwrap(), tag);
}

#[test]
fn somebody_elses_directory_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("entries")).unwrap();
    fs::write(dir.path().join("entries/diary"), "").unwrap();
    let expected = format!(
        "{} holds other files: expected a cache, an empty directory or none",
        dir.path().display()
    );
    let told = [
        Cache::open(dir.path(), GIB).map(drop),
        cache::trim(dir.path(), Bytes::ZERO).map(drop),
        cache::usage(dir.path()).map(drop),
    ];
    for told in told {
        assert_eq!(told.unwrap_err().to_string(), expected);
    }
    assert_eq!(names(dir.path(), "."), ["entries"]);
    // Not even in a cache do files go that have no key for a name.
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    fs::write(dir.path().join("entries/diary"), "").unwrap();
    cache::trim(dir.path(), Bytes::ZERO).unwrap();
    assert_eq!(names(dir.path(), "entries"), ["diary"]);
}

#[test]
fn what_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    for directory in [file.join("below"), file, "/proc/calve".into()] {
        let Err(Error::Io { action, path, .. }) = Cache::open(&directory, GIB) else {
            panic!("{directory:?}");
        };
        assert_eq!((action, path), ("make the directory", directory));
    }
}

/// Runs a test named `child_…` in a mount namespace of its own, after a command of mount.
fn mounted(child: &str, mount: &str, prepare: fn(&Path)) {
    let Some(unshare) = oracle::need("unshare") else { return };
    let dir = tempfile::tempdir().unwrap();
    prepare(dir.path());
    let namespace = if rustix::process::geteuid().is_root() { "-m" } else { "-rm" };
    let tried = Command::new(&unshare).args([namespace, "true"]).output().unwrap();
    if !tried.status.success() {
        return oracle::skip("no mount namespace is to be had");
    }
    let script = format!("{mount} && exec \"$@\"");
    let program: [OsString; 5] =
        ["sh".into(), "-e".into(), "-c".into(), script.into(), "sh".into()];
    let output = Command::new(unshare)
        .arg(namespace)
        .args(program)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("places::{child}"), "--ignored", "--nocapture"])
        .env(DIRECTORY, dir.path())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn directory() -> PathBuf {
    std::env::var_os(DIRECTORY).unwrap().into()
}

#[test]
fn a_full_file_system_is_told_and_left_whole() {
    let mount = format!("mount -t tmpfs -o size=1m none \"${DIRECTORY}\"");
    mounted("child_fills", &mount, |_| {});
}

#[test]
#[ignore = "runs on a small file system"]
fn child_fills() {
    let dir = directory();
    let cache = open(&dir);
    make(&cache, 1).unwrap();
    let draft = cache.draft(100).unwrap();
    let full =
        (0..100).find_map(|index| draft.add(index, &[index as u8; 64 << 10], Bytes::ZERO, 0).err());
    let Some(Error::Io { action: "write", path, source }) = full else { panic!("{full:?}") };
    assert!(path.starts_with(&dir), "{path:?}");
    assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
    // Neither what is there nor what is to go needs room.
    assert_eq!(cache::usage(&dir).unwrap().all.entries, 1);
    assert_eq!(cache::trim(&dir, Bytes::ZERO).unwrap().left.entries, 1);
    drop(cache);
    // The draft still has the lease.
    assert_eq!(cache::trim(&dir, Bytes::ZERO).unwrap().left.entries, 1);
    drop(draft);
    assert_eq!(cache::trim(&dir, Bytes::ZERO).unwrap().left.entries, 0);
    let cache = open(&dir);
    check(&make(&cache, 2).unwrap(), 2);
    check(&cache.get(key(2)).unwrap().unwrap(), 2);
}

#[test]
fn a_read_only_directory_is_told_and_can_be_looked_at() {
    let mount = format!("mount --bind \"${DIRECTORY}\" \"${DIRECTORY}\"");
    let mount = format!("{mount} && mount -o remount,bind,ro \"${DIRECTORY}\"");
    mounted("child_reads", &mount, |dir| {
        make(&open(dir), 1).unwrap();
    });
}

#[test]
#[ignore = "runs on a read-only file system"]
fn child_reads() {
    let dir = directory();
    let refused = [
        Cache::open(&dir, GIB).map(drop).unwrap_err(),
        cache::trim(&dir, Bytes::ZERO).map(drop).unwrap_err(),
    ];
    for error in refused {
        let Error::Io { action: "open", path, source } = error else { panic!("{error:?}") };
        assert!(path.starts_with(&dir), "{path:?}");
        assert_eq!(source.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    }
    assert_eq!(cache::usage(&dir).unwrap().all.entries, 1);
}
