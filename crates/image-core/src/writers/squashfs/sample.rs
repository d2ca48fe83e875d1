//! Trees and packed slabs for tests.

use std::sync::Arc;

use super::{Press, Settings};
use crate::epoch::Epoch;
use crate::pack::spool::Spool;
use crate::pack::{Block, Press as _};
use crate::tree::{Entry, HostFile, Meta, Mode, Source, Tree, TreeBuilder, TreePath};
use crate::units::Bytes;

/// Makes a tree of files in its root directory.
pub(super) fn tree(files: &[(&str, Vec<u8>)]) -> Tree {
    let mut tree = TreeBuilder::new(Epoch::STORE);
    let layer = tree.layer("a test");
    for (name, data) in files {
        let file = Entry::file(Meta::root(Mode::F644, Epoch::STORE), Source::bytes(data.clone()));
        tree.add(layer, TreePath::parse(format!("/{name}")).unwrap(), file);
    }
    tree.build().unwrap()
}

/// Makes data that do not compress.
pub(super) fn noise(seed: u32, size: usize) -> Vec<u8> {
    let mut state = seed;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(size)
    .collect()
}

/// Presses files in slabs that end at these offsets of the row.
pub(super) fn press(
    files: &[(&str, Vec<u8>)],
    settings: &Settings,
    ends: &[usize],
) -> Vec<(Vec<u8>, Block)> {
    let tree = tree(files);
    let press = Press::new(&tree, settings);
    let mut worker = press.worker().unwrap();
    let row = files.iter().flat_map(|(_, data)| data.clone()).collect::<Vec<u8>>();
    let mut start = 0;
    let mut slabs = Vec::new();
    for end in ends {
        let mut out = Vec::new();
        let data = &row[start..*end];
        let tag = worker.press(Bytes::from_len(start), data, &mut out).unwrap();
        let (size, unpacked) = (Bytes::of(&out), Bytes::of(data));
        slabs.push((out, Block { start: Bytes::ZERO, size, unpacked, tag }));
        start = *end;
    }
    slabs
}

/// Stores packed slabs in a file, in any order.
pub(super) fn spool(slabs: &[(Vec<u8>, Block)]) -> Vec<(Arc<HostFile>, Block)> {
    let directory = tempfile::tempdir().unwrap();
    let spool = Spool::new_in(directory.path()).unwrap();
    let placed = slabs.iter().rev().map(|(bytes, block)| {
        let start = spool.add(bytes).unwrap();
        Block { start, ..*block }
    });
    let mut placed: Vec<Block> = placed.collect();
    placed.reverse();
    let file = spool.close().unwrap();
    placed.into_iter().map(|block| (Arc::clone(&file), block)).collect()
}
