//! What a tree may hold.

use std::sync::Arc;

use calve_image_core::plan::{Label, PlanBuilder};
use calve_image_core::tree::{Device, Meta, Mode, Source};

use super::*;
use crate::corpus::Corpus;

fn assert_everyone_agrees(tree: &Tree) {
    let plan = volume(tree);
    assert_whole(&plan);
    let (_dir, iso) = written(&plan);
    readers::assert_bsdtar_agrees(tree, &iso);
    let mut corpus = Corpus::default();
    for node in tree.iter() {
        if !matches!(node.kind(), Kind::Symlink(target) if is_too_much(target)) {
            corpus.add(node.path().relative(), node.entry().clone());
        }
    }
    let tree = corpus.build();
    let (_dir, iso) = written(&volume(&tree));
    readers::assert_xorriso_agrees(&tree, &iso);
}

/// Links that xorriso cannot create, or makes shorter: of `//` it leaves one slash.
fn is_too_much(target: &[u8]) -> bool {
    let mut names = target.split(|byte| *byte == b'/');
    let doubled = target.windows(2).any(|pair| pair == b"//");
    target.len() > 1000 || doubled || names.any(|name| name.len() > 255)
}

#[test]
fn an_empty_tree() {
    assert_everyone_agrees(&corpus::empty());
}

#[test]
fn a_bit_of_everything() {
    assert_everyone_agrees(&holdable(&corpus::small()));
}

#[test]
fn links_of_every_shape() {
    let mut corpus = Corpus::default();
    let targets: [&[u8]; 14] = [
        b"/", b"//", b"/a", b"a/", b"a//b", b"///a//", b".", b"..", b"./..", b"../", b"a/./b",
        b"/..", b"...", b"a b",
    ];
    for (number, target) in targets.into_iter().enumerate() {
        corpus.symlink(format!("shapes/{number}"), target);
    }
    for length in [200, 247, 248, 249, 250, 251, 499, 500, 2000, 4095] {
        corpus.symlink(format!("one/{length}"), vec![b'x'; length]);
        corpus.symlink(format!("many/{length}"), b"a/".repeat(length / 2));
        let long = vec![b'd'; 251];
        corpus.symlink(format!("long/{length}"), &[&long[..], b"/"].concat().repeat(17)[..length]);
    }
    assert_everyone_agrees(&corpus.build());
}

#[test]
fn records_and_what_they_continue_in_fill_sectors_in_every_way() {
    let mut corpus = Corpus::default();
    for length in 1..=253 {
        corpus.file(format!("names/{}", "n".repeat(length)), format!("{length}"));
        corpus.directory(format!("directories/{}", "d".repeat(length)), 0o755);
        corpus.symlink(format!("links/{}", "l".repeat(length)), vec![b't'; length * 3]);
    }
    assert_everyone_agrees(&corpus.build());
}

#[test]
fn directories_of_any_depth_stay_where_they_are() {
    let mut corpus = Corpus::default();
    corpus.file(format!("{}file", "deep/".repeat(100)), *b"found");
    assert_everyone_agrees(&corpus.build());
}

#[test]
fn a_plan_is_a_file_without_gaps() {
    let mut inner = PlanBuilder::new();
    inner.bytes(Bytes::new(5000), Label::new("middle"), *b"middle");
    let inner = inner.finish(Bytes::new(10_000)).unwrap();
    let mut corpus = Corpus::default();
    corpus.add("inner", Entry::file(corpus::meta(0o444), Source::Plan(Arc::new(inner))));
    corpus.file("other", *b"other");
    let plan = volume(&corpus.build());
    assert_whole(&plan);
    let (dir, iso) = written(&plan);
    let Some(bsdtar) = oracle::need("bsdtar") else { return };
    oracle::expect(&bsdtar, crate::args!["-xf", &iso, "-C", dir.path()]);
    let mut expected = vec![0; 10_000];
    expected[5000..5006].copy_from_slice(b"middle");
    assert_eq!(std::fs::read(dir.path().join("inner")).unwrap(), expected);
}

#[test]
fn files_of_one_source_share_an_extent_and_nothing_else() {
    let mut corpus = Corpus::default();
    let source = Source::bytes(corpus::noise(1, 2_000_000));
    for (number, name) in (1..).zip(["a/kernel", "b/kernel"]) {
        let meta = Meta { uid: number, ..corpus::meta(0o444) };
        corpus.add(name, Entry::file(meta, source.clone()));
    }
    let tree = corpus.build();
    assert!(volume(&tree).size() < Bytes::new(3_000_000));
    assert_everyone_agrees(&tree);
}

#[test]
fn the_plan_of_a_little_tree() {
    let mut corpus = Corpus::default();
    corpus.file("boot/kernel", corpus::noise(1, 5000)).file("empty", []).symlink("link", "boot");
    corpus.file("nix-store.squashfs", corpus::noise(2, 1_100_000)).file("version.txt", *b"26.05");
    insta::assert_snapshot!(volume(&corpus.build()).listing());
}

#[test]
fn what_would_not_come_back_is_refused_by_path() {
    let refused = |change: &dyn Fn(&mut Corpus)| {
        let mut corpus = Corpus::default();
        change(&mut corpus);
        planned(&corpus.build(), Boot::default()).unwrap_err().to_string()
    };
    let device = |major, minor| {
        let kind = Kind::Device(Device { block: true, major, minor });
        Entry { meta: corpus::meta(0o600), kind }
    };
    let name = "n".repeat(254);
    let error = refused(&|corpus| {
        corpus.file(&name, []);
    });
    let expected = "a name of 254 bytes: Linux reads at most 253 from an ISO 9660 volume";
    assert_eq!(error, format!("/{name}: {expected}"));
    for (entry, expected) in [
        (Entry::symlink("", Epoch::STORE), "/x: a link target of 0 bytes"),
        (Entry::symlink("x".repeat(4096), Epoch::STORE), "/x: a link target of 4096 bytes"),
        (device(8, 256), "/x: device 8,256"),
        (device(0, 1), "/x: device 0,1"),
        (device(4096, 1), "/x: device 4096,1"),
        (Entry::directory(Meta { uid: u32::MAX, ..corpus::meta(0) }), "/x: owner 4294967295:0"),
        (
            Entry::directory(Meta {
                xattrs: Xattrs::new([(b"user.a".to_vec(), Vec::new())].into()),
                ..Meta::root(Mode::D755, Epoch::STORE)
            }),
            "/x: extended attribute \"user.a\"",
        ),
    ] {
        let error = refused(&|corpus| {
            corpus.add("x", entry.clone());
        });
        assert!(error.starts_with(expected), "{error}");
    }
}
