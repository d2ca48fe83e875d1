//! Any small tree, for properties that all of them have.

use std::collections::{BTreeMap, BTreeSet};

use calve_image_core::epoch::Epoch;
use calve_image_core::tree::{Device, Entry, Kind, Meta, Mode, Source, Tree, Xattrs};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::corpus::Corpus;

/// Whether names and values may hold newlines: some readers take them for an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Newlines {
    Allowed,
    Avoided,
}

/// Bytes that a name may hold.
fn byte(newlines: Newlines) -> impl Strategy<Value = u8> {
    any::<u8>().prop_map(move |byte| match byte {
        0 | b'/' => b'_',
        b'\n' if newlines == Newlines::Avoided => b'_',
        byte => byte,
    })
}

fn name(newlines: Newlines) -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![4 => 1usize..20, 1 => 90usize..110, 1 => 140usize..=255];
    length
        .prop_flat_map(move |length| vec(byte(newlines), length))
        .prop_map(|name| if name == b"." || name == b".." { b"_".to_vec() } else { name })
}

fn kind(newlines: Newlines) -> impl Strategy<Value = Kind> {
    let device = (any::<bool>(), 0u32..4096, 0u32..1 << 20)
        .prop_map(|(block, major, minor)| Kind::Device(Device { block, major, minor }));
    prop_oneof![
        3 => Just(Kind::Directory),
        3 => vec(any::<u8>(), 0..2000).prop_map(|data| Kind::File(Source::bytes(data))),
        2 => vec(byte(newlines), 1..300).prop_map(|target| Kind::Symlink(target.into())),
        1 => device,
        1 => Just(Kind::Fifo),
    ]
}

fn id() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), 0u32..70_000, 2_097_150u32..2_097_154, Just(u32::MAX - 1)]
}

fn meta(newlines: Newlines) -> impl Strategy<Value = Meta> {
    let attribute = vec(byte(newlines), 0..200);
    let xattrs = prop_oneof![
        2 => Just(BTreeMap::new()),
        1 => btree_map("user\\.[a-z ]{1,20}".prop_map(String::into_bytes), attribute, 1..3),
    ];
    (0u16..0o10000, id(), id(), any::<u32>(), xattrs).prop_map(|(mode, uid, gid, mtime, xattrs)| {
        let (mode, mtime) = (Mode::new(mode), Epoch::new(mtime));
        Meta { mode, uid, gid, mtime, xattrs: Xattrs::new(xattrs) }
    })
}

/// Any small tree: puts each entry into one of the directories before it.
pub fn tree(newlines: Newlines) -> impl Strategy<Value = Tree> {
    let entry = (any::<prop::sample::Index>(), name(newlines), meta(newlines), kind(newlines));
    vec(entry, 0..25).prop_map(|entries| {
        let mut corpus = Corpus::default();
        let (mut directories, mut taken) = (vec![Vec::new()], BTreeSet::new());
        for (above, name, meta, kind) in entries {
            let path = [above.get(&directories).as_slice(), b"/", &name].concat();
            if path.len() < 3000 && taken.insert(path.clone()) {
                if matches!(kind, Kind::Directory) {
                    directories.push(path.clone());
                }
                corpus.add(path, Entry { meta, kind });
            }
        }
        corpus.build()
    })
}
