//! Large files, many entries, and what a plan costs.

use std::sync::Arc;

use calve_image_core::epoch::Epoch;
use calve_image_core::plan::{Content, Label, Piece, PlanBuilder};
use calve_image_core::tree::Source;
use calve_image_core::units::GIB;

use super::*;

/// A file of that many zeros, which lands as a hole.
fn zeros(size: Bytes) -> Entry {
    let mut plan = PlanBuilder::new();
    plan.zeros(Bytes::ZERO, size, Label::new("zeros"));
    let plan = plan.finish(size).unwrap();
    Entry::file(corpus::meta(0o644), Source::Plan(Arc::new(plan)))
}

#[test]
fn files_around_8_gib() {
    let mut corpus = corpus::Corpus::default();
    for (name, size) in [("a", GIB * 8 - Bytes::new(1)), ("b", GIB * 8)] {
        corpus.add(name, zeros(size)).file(format!("{name}-after"), *b"after");
    }
    let tree = corpus.build();
    let archive = ours::archive(&tree).unwrap();
    assert_whole(&tree, &archive);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("archive.tar");
    to_file(&archive.plan, &Keys::none(), &path);
    let listing = inside(&tree.listing());
    assert_eq!(readers::crate_listing(&path, readers::Attributes::Skip), listing);
    if let Some(tar) = oracle::need("tar") {
        assert_eq!(readers::gnu_listing(&tar, &path), listing);
    }
    if let Some(bsdtar) = oracle::need("bsdtar") {
        let said = String::from_utf8(oracle::expect(&bsdtar, args!["-tvf", &path])).unwrap();
        let sizes: Vec<(&str, u64)> = said
            .lines()
            .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>())
            .map(|words| (words[words.len() - 1], words[4].parse().unwrap()))
            .collect();
        let below = (8 << 30) - 1;
        assert_eq!(sizes, [("a", below), ("a-after", 5), ("b", below + 1), ("b-after", 5)]);
    }
}

/// What a plan takes in memory: its pieces and what they hold, reference counts included.
fn memory(plan: &Plan) -> usize {
    let held = |piece: &Piece| match &piece.content {
        Content::Bytes(data) => data.len() + 2 * size_of::<usize>(),
        Content::Zeros | Content::Host { .. } | Content::Secret { .. } | Content::Sealed { .. } => {
            0
        }
    };
    plan.pieces().iter().map(|piece| size_of::<Piece>() + held(piece)).sum()
}

#[test]
fn a_plan_of_300_000_files_costs_less_than_1_kib_each() {
    let tree = corpus::many_files(300_000);
    let archive = ours::archive(&tree).unwrap();
    assert_whole(&tree, &archive);
    let data: usize = tree
        .iter()
        .map(|node| match node.kind() {
            // The plan shares it with the tree.
            Kind::File(Source::Bytes(data)) if !data.is_empty() => data.len() + 16,
            Kind::Directory | Kind::File(_) | Kind::Symlink(_) | Kind::Device(_) | Kind::Fifo => 0,
        })
        .sum();
    let each = (memory(&archive.plan) - data) / tree.size();
    assert!(each <= 800, "{each} bytes an entry");
}

#[test]
fn a_plan_of_300_000_links_costs_little_more_than_their_headers() {
    let mut corpus = corpus::Corpus::default();
    for number in 0..300_000 {
        let entry = Entry::symlink(format!("../{number}"), Epoch::STORE);
        corpus.add(format!("farm/{number}"), entry);
    }
    let tree = corpus.build();
    let archive = ours::archive(&tree).unwrap();
    assert_whole(&tree, &archive);
    assert!(memory(&archive.plan) / tree.size() <= 520);
}

#[test]
fn thirty_thousand_files_read_back() {
    let tree = corpus::many_files(30_000);
    let (_dir, archive) = written(&tree);
    assert_eq!(
        readers::crate_listing(&archive, readers::Attributes::Show),
        inside(&tree.listing())
    );
    if let Some(tar) = oracle::need("tar") {
        assert_eq!(readers::gnu_listing(&tar, &archive), inside(&tree.listing()));
    }
}
