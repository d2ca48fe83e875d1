//! Entries whose key and bytes follow from their number.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use calve_image_core::cache::{Cache, Entry, Error, Key};
use calve_image_core::units::{Bytes, GIB};

/// Opens a cache that is never too full.
pub(crate) fn open(directory: &Path) -> Cache {
    Cache::open(directory, GIB).unwrap()
}

pub(crate) fn key(number: u32) -> Key {
    let mut key = [0xA5; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    Key(key)
}

/// The blocks of an entry: three, of different sizes, one of them empty for some.
pub(crate) fn blocks(number: u32) -> [Vec<u8>; 3] {
    [0, 1, 2].map(|index| {
        let len = (number as usize * 37 + index * 101) % 300;
        (0..len).map(|at| (at as u32 * 31 + number * 7 + index as u32) as u8).collect()
    })
}

/// Makes an entry, its blocks out of order.
pub(crate) fn make(cache: &Cache, number: u32) -> Result<Entry, Error> {
    let draft = cache.draft(3)?;
    for index in [2, 0, 1] {
        let unpacked = Bytes::new(index as u64 * 1000);
        draft.add(index, &blocks(number)[index], unpacked, u64::MAX - u64::from(number))?;
    }
    draft.commit(key(number))
}

/// Reads all blocks of an entry as a build would, and compares them with what was put in.
pub(crate) fn check(entry: &Entry, number: u32) {
    let file = entry.file.open().unwrap();
    let read: Vec<Vec<u8>> = entry
        .blocks
        .iter()
        .map(|block| {
            let mut bytes = vec![0; block.size.to_len().unwrap()];
            file.read_exact_at(&mut bytes, block.start.get()).unwrap();
            assert_eq!(block.tag, u64::MAX - u64::from(number));
            bytes
        })
        .collect();
    entry.file.check(&file).unwrap();
    assert_eq!(read, blocks(number));
    let unpacked: Vec<u64> = entry.blocks.iter().map(|block| block.unpacked.get()).collect();
    assert_eq!(unpacked, [0, 1000, 2000]);
}

/// The path of an entry's file.
pub(crate) fn path(directory: &Path, number: u32) -> PathBuf {
    let Key(key) = key(number);
    let name: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    directory.join("entries").join(name)
}

/// The names in a directory of the cache.
pub(crate) fn names(directory: &Path, below: &str) -> Vec<String> {
    let listed = std::fs::read_dir(directory.join(below)).unwrap();
    let mut names: Vec<String> =
        listed.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}
