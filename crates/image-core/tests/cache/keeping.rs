//! What goes in comes out; drafts leave nothing.

use std::sync::Barrier;

use calve_image_core::cache::Error;
use calve_image_core::units::Bytes;

use crate::sample::{blocks, check, key, make, names, open};

#[test]
fn an_entry_is_found_by_who_comes_later() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path());
    assert!(cache.get(key(1)).unwrap().is_none());
    let made = make(&cache, 1).unwrap();
    check(&made, 1);
    check(&cache.get(key(1)).unwrap().unwrap(), 1);
    drop(cache);
    let found = open(dir.path()).get(key(1)).unwrap().unwrap();
    check(&found, 1);
    assert_eq!(found.blocks, made.blocks);
    // The first one's file has not been touched by any of that.
    check(&made, 1);
    assert!(open(dir.path()).get(key(2)).unwrap().is_none());
}

#[test]
fn an_entry_may_have_no_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path());
    assert!(cache.draft(0).unwrap().commit(key(1)).unwrap().blocks.is_empty());
    assert!(cache.get(key(1)).unwrap().unwrap().blocks.is_empty());
}

#[test]
fn blocks_come_from_many_workers() {
    const BLOCKS: usize = 64;
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path());
    let draft = cache.draft(BLOCKS).unwrap();
    let block = |index: usize| vec![index as u8; 1000 + index];
    let start = Barrier::new(4);
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (draft, start) = (&draft, &start);
            scope.spawn(move || {
                start.wait();
                for index in (worker..BLOCKS).step_by(4) {
                    draft.add(index, &block(index), Bytes::ZERO, 0).unwrap();
                }
            });
        }
    });
    draft.commit(key(1)).unwrap();
    let entry = cache.get(key(1)).unwrap().unwrap();
    let bytes = std::fs::read(entry.file.path()).unwrap();
    for (index, found) in entry.blocks.iter().enumerate() {
        let start = found.start.to_len().unwrap();
        assert_eq!(bytes[start..start + found.size.to_len().unwrap()], block(index));
    }
}

#[test]
fn whoever_is_slower_takes_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path());
    let slow = cache.draft(3).unwrap();
    for (index, block) in blocks(1).iter().enumerate() {
        slow.add(index, block, Bytes::new(index as u64 * 1000), u64::MAX - 1).unwrap();
    }
    let fast = make(&open(dir.path()), 1).unwrap();
    let slow = slow.commit(key(1)).unwrap();
    assert_eq!(slow.file.identity(), fast.file.identity());
    // The fast one put its blocks in another order.
    assert_eq!(slow.blocks, fast.blocks);
    check(&fast, 1);
    check(&slow, 1);
    assert_eq!(names(dir.path(), "drafts"), [""; 0]);
}

#[test]
fn what_is_kept_for_one_build_has_no_name() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path());
    let draft = cache.draft(1).unwrap();
    draft.add(0, b"only for us", Bytes::new(11), 7).unwrap();
    let kept = draft.keep().unwrap();
    drop(cache);
    assert_eq!(names(dir.path(), "drafts"), [""; 0]);
    assert_eq!(names(dir.path(), "entries"), [""; 0]);
    let file = kept.file.open().unwrap();
    let mut bytes = [0; 11];
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, kept.blocks[0].start.get())
        .unwrap();
    kept.file.check(&file).unwrap();
    assert_eq!(&bytes, b"only for us");
}

#[test]
fn a_draft_given_up_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path());
    let draft = cache.draft(2).unwrap();
    draft.add(0, b"data", Bytes::ZERO, 0).unwrap();
    assert_eq!(names(dir.path(), "drafts").len(), 1);
    drop(draft);
    assert_eq!(names(dir.path(), "drafts"), [""; 0]);
    drop(cache);
    assert_eq!(names(dir.path(), "leases"), [""; 0]);
}

#[test]
fn blocks_are_those_that_were_announced() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path());
    let told = |result: Result<(), Error>| result.unwrap_err().to_string();
    let draft = cache.draft(2).unwrap();
    draft.add(1, b"data", Bytes::ZERO, 0).unwrap();
    let twice = draft.add(1, b"data", Bytes::ZERO, 0);
    assert_eq!(told(twice), "block 1 of an entry of 2 was added twice");
    let beyond = draft.add(2, b"data", Bytes::ZERO, 0);
    assert_eq!(told(beyond), "block 2 of an entry of 2 was not announced");
    let missing = draft.commit(key(1)).map(drop);
    assert_eq!(told(missing), "block 0 of an entry of 2 was not added");
    assert!(cache.get(key(1)).unwrap().is_none());
    assert_eq!(names(dir.path(), "drafts"), [""; 0]);
}
