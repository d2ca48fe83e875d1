//! Whatever is wrong with an entry, it counts as missing, goes, and can be made again.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::sample::{check, key, make, names, open, path};

/// Says that the entry is refused, has gone, and is made anew.
fn assert_damaged(dir: &Path, number: u32, what: &str) {
    let cache = open(dir);
    assert!(cache.get(key(number)).unwrap().is_none(), "{what}");
    assert!(!path(dir, number).exists(), "{what}");
    check(&make(&cache, number).unwrap(), number);
    check(&cache.get(key(number)).unwrap().unwrap(), number);
}

#[test]
fn every_bit_counts() {
    let dir = tempfile::tempdir().unwrap();
    make(&open(dir.path()), 3).unwrap();
    let whole = fs::read(path(dir.path(), 3)).unwrap();
    let cache = open(dir.path());
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(path(dir.path(), 3), &bytes).unwrap();
        assert!(cache.get(key(3)).unwrap().is_none(), "a bit of byte {at} of {}", whole.len());
        assert!(!path(dir.path(), 3).exists());
    }
    fs::write(path(dir.path(), 3), &whole).unwrap();
    check(&cache.get(key(3)).unwrap().unwrap(), 3);
}

#[test]
fn every_length_counts() {
    let dir = tempfile::tempdir().unwrap();
    make(&open(dir.path()), 3).unwrap();
    let whole = fs::read(path(dir.path(), 3)).unwrap();
    let cache = open(dir.path());
    for len in 0..whole.len() {
        fs::write(path(dir.path(), 3), &whole[..len]).unwrap();
        assert!(cache.get(key(3)).unwrap().is_none(), "{len} of {}", whole.len());
        fs::write(path(dir.path(), 3), &whole[len + 1..]).unwrap();
        assert!(cache.get(key(3)).unwrap().is_none(), "without the first {len}");
    }
    fs::write(path(dir.path(), 3), [&whole[..], b"\0"].concat()).unwrap();
    assert_damaged(dir.path(), 3, "longer");
}

/// A way to spoil an entry's file.
type Spoil = fn(&Path);

#[test]
fn other_damage_counts() {
    let spoils: [(&str, Spoil); 5] = [
        ("zeros, as after a power cut", |path| {
            fs::write(path, vec![0; fs::metadata(path).unwrap().len() as usize]).unwrap();
        }),
        ("ones", |path| {
            fs::write(path, vec![0xFF; fs::metadata(path).unwrap().len() as usize]).unwrap();
        }),
        ("another version", |path| {
            let mut bytes = fs::read(path).unwrap();
            let version = bytes.len() - b"calvepak".len() - 4;
            bytes[version] += 1;
            fs::write(path, bytes).unwrap();
        }),
        ("a whole entry of another key", |path| {
            let dir = path.parent().unwrap().parent().unwrap();
            make(&open(dir), 9).unwrap();
            fs::copy(crate::sample::path(dir, 9), path).unwrap();
        }),
        ("not readable", |path| {
            // For root nothing is, so it is emptied as well.
            fs::write(path, "").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
        }),
    ];
    for (what, spoil) in spoils {
        let dir = tempfile::tempdir().unwrap();
        make(&open(dir.path()), 3).unwrap();
        spoil(&path(dir.path(), 3));
        assert_damaged(dir.path(), 3, what);
    }
}

#[test]
fn a_damaged_entry_is_replaced_by_who_makes_it() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path());
    make(&cache, 3).unwrap();
    fs::write(path(dir.path(), 3), "damaged after the look-up").unwrap();
    check(&make(&cache, 3).unwrap(), 3);
    check(&cache.get(key(3)).unwrap().unwrap(), 3);
}

#[test]
fn what_is_no_file_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path());
    fs::create_dir(path(dir.path(), 3)).unwrap();
    let error = cache.get(key(3)).unwrap_err().to_string();
    assert_eq!(error, format!("cannot use {}", path(dir.path(), 3).display()));
    assert_eq!(names(dir.path(), "entries").len(), 1);
}
