//! The bound, who goes first, who stays.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use calve_image_core::cache::{self, Cache, Tally, Trimmed, Usage};
use calve_image_core::units::Bytes;
use proptest::prelude::*;

use crate::sample::{check, key, make, names, open, path};

/// Makes an entry of one block and sets the time of its use; returns the size of its file.
fn used(dir: &Path, number: u32, size: usize, seconds: u64) -> u64 {
    let draft = open(dir).draft(1).unwrap();
    draft.add(0, &vec![1; size], Bytes::ZERO, 0).unwrap();
    let entry = draft.commit(key(number)).unwrap();
    set_use(dir, number, seconds);
    entry.file.identity().size.get()
}

fn set_use(dir: &Path, number: u32, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let path = dir.join("uses").join(path(dir, number).file_name().unwrap());
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// A kind of entry: its size, and when it was used.
fn population() -> impl Strategy<Value = Vec<(usize, u64)>> {
    proptest::collection::vec((0usize..5000, 0u64..50), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_bound_holds_and_no_more_goes_than_must(all in population(), bound in 0u64..30_000) {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let mut made: Vec<(u64, u32, u64)> = (0..).zip(&all).map(|(number, (size, seconds))| {
            (*seconds, number, used(dir, number, *size, *seconds))
        }).collect();
        made.sort_unstable();
        let total: u64 = made.iter().map(|(_, _, size)| size).sum();
        let usage = cache::usage(dir).unwrap();
        prop_assert_eq!(usage.all, Tally { entries: made.len() as u64, bytes: Bytes::new(total) });

        let trimmed = Cache::open(dir, Bytes::new(bound)).unwrap().trim().unwrap();
        // What has to go, from the one that was used least recently on.
        let (mut left, mut gone) = (total, 0);
        while left > bound {
            left -= made[gone].2;
            gone += 1;
        }
        prop_assert!(trimmed.left.bytes.get() <= bound);
        prop_assert_eq!(trimmed.left.bytes.get(), left);
        prop_assert_eq!(trimmed.removed.entries, gone as u64);
        for (index, (_, number, _)) in made.iter().enumerate() {
            prop_assert_eq!(path(dir, *number).exists(), index >= gone);
        }
        prop_assert_eq!(cache::usage(dir).unwrap().all, trimmed.left);
        prop_assert_eq!(names(dir, "uses").len(), made.len() - gone);
    }
}

#[test]
fn a_look_up_is_a_use() {
    let dir = tempfile::tempdir().unwrap();
    let size = used(dir.path(), 1, 100, 1000);
    used(dir.path(), 2, 100, 2000);
    let before = SystemTime::now();
    open(dir.path()).get(key(1)).unwrap().unwrap();
    // The kernel's clock of files ticks more coarsely than ours.
    let newest = cache::usage(dir.path()).unwrap().newest.unwrap();
    assert!(newest > before - Duration::from_secs(1), "{newest:?} {before:?}");
    let trimmed = cache::trim(dir.path(), Bytes::new(size)).unwrap();
    assert_eq!(trimmed.removed.entries, 1);
    assert!(path(dir.path(), 1).exists());
}

#[test]
fn what_a_build_uses_stays_until_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..4 {
        used(dir.path(), number, 100, 1000);
    }
    let build = open(dir.path());
    let found = build.get(key(0)).unwrap().unwrap();
    let fresh = make(&build, 7).unwrap();
    let theirs = make(&build, 1);
    // A clock that was set back must not cost the build its files.
    set_use(dir.path(), 0, 0);
    set_use(dir.path(), 7, 0);
    let trimmed = cache::trim(dir.path(), Bytes::ZERO).unwrap();
    assert_eq!((trimmed.removed.entries, trimmed.left.entries), (2, 3));
    check(&fresh, 7);
    found.file.open().unwrap();
    theirs.unwrap().file.open().unwrap();
    // It may itself trim, when it is done: then nothing is left that anybody uses.
    drop(build);
    let trimmed = cache::trim(dir.path(), Bytes::ZERO).unwrap();
    assert_eq!((trimmed.removed.entries, trimmed.left), (3, Tally::default()));
    for below in ["entries", "uses", "leases", "drafts"] {
        assert_eq!(names(dir.path(), below), [""; 0], "{below}");
    }
}

#[test]
fn a_build_that_trims_lets_go_of_its_own_but_not_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (Cache::open(dir.path(), Bytes::ZERO).unwrap(), open(dir.path()));
    for number in 0..4 {
        make(&first, number).unwrap();
    }
    let taken = second.get(key(2)).unwrap().unwrap();
    let trimmed = first.trim().unwrap();
    assert_eq!((trimmed.removed.entries, trimmed.left.entries), (3, 1));
    check(&taken, 2);
}

#[test]
fn a_draft_keeps_the_lease_of_its_build() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path());
    make(&cache, 1).unwrap();
    let draft = cache.draft(0).unwrap();
    drop(cache);
    assert_eq!(cache::trim(dir.path(), Bytes::ZERO).unwrap().left.entries, 1);
    draft.commit(key(2)).unwrap();
    assert_eq!(cache::trim(dir.path(), Bytes::ZERO).unwrap().removed.entries, 2);
}

#[test]
fn entries_without_a_record_of_use_are_as_old_as_their_file() {
    let dir = tempfile::tempdir().unwrap();
    make(&open(dir.path()), 1).unwrap();
    fs::remove_dir_all(dir.path().join("uses")).unwrap();
    fs::create_dir(dir.path().join("uses")).unwrap();
    let usage = cache::usage(dir.path()).unwrap();
    let modified = fs::metadata(path(dir.path(), 1)).unwrap().modified().unwrap();
    assert_eq!((usage.oldest, usage.newest), (Some(modified), Some(modified)));
    // And records without an entry go.
    fs::remove_file(path(dir.path(), 1)).unwrap();
    let orphan = dir.path().join("uses").join(path(dir.path(), 1).file_name().unwrap());
    fs::write(&orphan, "").unwrap();
    cache::trim(dir.path(), Bytes::MAX).unwrap();
    assert!(!orphan.exists());
}

#[test]
fn nothing_is_made_by_looking() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("no/such/directory");
    for directory in [&missing, dir.path()] {
        assert_eq!(cache::usage(directory).unwrap(), Usage::default());
        assert_eq!(cache::trim(directory, Bytes::ZERO).unwrap(), Trimmed::default());
    }
    assert_eq!(names(dir.path(), "."), [""; 0]);
}
