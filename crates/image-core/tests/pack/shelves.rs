//! Where an archive is cut: by what lies on a shelf, so that a change moves few cuts.

use std::sync::Arc;

use calve_image_core::epoch::Epoch;
use calve_image_core::inputs::closure::Closure;
use calve_image_core::inputs::nar_hash::NarHash;
use calve_image_core::pack::shelf::{self, Shelf};
use calve_image_core::plan::{Label, PlanBuilder, Serial};
use calve_image_core::tree::{Entry, Meta, Mode, Source, Tree, TreeBuilder, TreePath};
use calve_image_core::units::{Bytes, KIB, MIB};
use calve_image_core::writers::tar;

use super::contract::corpus::noise;
use super::{closure, info, store_path};

/// An archive of made-up paths of these sizes, all of the same bytes.
fn made_up(sizes: &[(u32, Bytes)]) -> (Tree, Serial, Closure) {
    let mut tree = TreeBuilder::new(Epoch::STORE);
    let layer = tree.layer("test");
    let most = sizes.iter().map(|(_, size)| size.get()).max().unwrap_or_default();
    let bytes: Arc<[u8]> = vec![7; usize::try_from(most).unwrap()].into();
    let file = |size: Bytes| {
        let mut plan = PlanBuilder::new();
        plan.range(Bytes::ZERO, Label::new("x"), &Source::Bytes(bytes.clone()), Bytes::ZERO, size);
        let source = Source::Plan(Arc::new(plan.finish(size).unwrap()));
        Entry::file(Meta::root(Mode::STORE_FILE, Epoch::STORE), source)
    };
    tree.add(layer, TreePath::parse("/etc/first").unwrap(), file(KIB));
    tree.add(layer, TreePath::parse("/var/last").unwrap(), file(KIB));
    for (number, size) in sizes {
        let path = TreePath::parse(store_path(*number).to_string()).unwrap();
        tree.add(layer, path, file(*size));
    }
    let tree = tree.build().unwrap();
    let archive = tar::archive(&tree).unwrap();
    let infos =
        sizes.iter().map(|(number, _)| info(store_path(*number), NarHash::from_bytes([0; 32])));
    (tree, archive, closure(infos.collect()))
}

fn cut(sizes: &[(u32, Bytes)]) -> (Vec<Shelf>, Vec<Vec<Vec<u8>>>) {
    let (tree, archive, closure) = made_up(sizes);
    let shelves = shelf::cut(&tree, &archive, &closure).unwrap();
    assert_eq!(shelves.first().unwrap().start, Bytes::ZERO);
    assert_eq!(shelves.last().unwrap().end, archive.plan.size());
    for pair in shelves.windows(2) {
        assert_eq!(pair[0].end, pair[1].start, "shelves leave nothing out");
    }
    for shelf in &shelves {
        let blocks = &shelf.blocks;
        assert_eq!(blocks.iter().map(|(_, len)| *len).sum::<Bytes>(), shelf.end - shelf.start);
        assert_eq!(blocks.first().unwrap().0, shelf.start);
    }
    let names = shelves
        .iter()
        .map(|shelf| shelf.paths.iter().map(|m| tree.node(m.node).name().to_vec()).collect());
    let names = names.collect();
    (shelves, names)
}

#[test]
fn shelves_are_cut_by_what_is_on_them() {
    // As in a NixOS closure: most paths are tiny, few are large.
    let sizes: Vec<(u32, Bytes)> = (0..1500)
        .map(|number| {
            let draw = noise(u64::from(number) + 77, 2);
            let size = match draw[0] {
                0..=150 => KIB * u64::from(draw[1] % 8 + 1),
                151..=240 => KIB * (u64::from(draw[1]) * 4 + 1),
                241..=255 => MIB * (u64::from(draw[1]) % 24 + 1),
            };
            (number, size)
        })
        .collect();
    let (shelves, before) = cut(&sizes);
    let small: Vec<&Shelf> = shelves.iter().filter(|shelf| shelf.paths.len() > 1).collect();
    let total: Bytes = small.iter().map(|shelf| shelf.end - shelf.start).sum();
    let mean = total.get() / u64::try_from(small.len()).unwrap() / KIB.get();
    assert!((2048..6144).contains(&mean), "{} shelves of {mean} KiB on average", small.len());
    assert!(small.iter().all(|shelf| shelf.end - shelf.start <= MIB * 9));

    // A path that goes and one that comes change the shelves that they are on, and few others.
    for victim in [3, 400, 1499] {
        let mut changed = sizes.clone();
        changed[victim] = (100_000 + u32::try_from(victim).unwrap(), KIB * 3);
        let (_, after) = cut(&changed);
        let fresh = after.iter().filter(|shelf| !before.contains(shelf)).count();
        assert!((1..=6).contains(&fresh), "{fresh} of {} shelves changed", after.len());
    }
}
