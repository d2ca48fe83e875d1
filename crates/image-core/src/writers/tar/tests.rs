//! Goldens of headers, and where pieces come to lie. What readers make of them: `tests/tar`.

use super::*;
use crate::epoch::Epoch;
use crate::plan::{Content, SecretId};
use crate::tree::{Device, Entry, Meta, Mode, TreeBuilder, TreePath, Xattrs};

fn tree(entries: impl IntoIterator<Item = (Vec<u8>, Entry)>) -> Tree {
    let mut builder = TreeBuilder::new(Epoch::STORE);
    let layer = builder.layer("test");
    for (path, entry) in entries {
        builder.add(layer, TreePath::parse(path).unwrap(), entry);
    }
    builder.build().unwrap()
}

fn file(data: &[u8]) -> Entry {
    Entry::file(Meta::root(Mode::F644, Epoch::STORE), Source::bytes(data))
}

/// Lets one entry become an archive and returns its headers, runs of NULs shown as their number.
fn headers(path: &str, entry: Entry) -> String {
    let tree = tree([(path.as_bytes().to_vec(), entry)]);
    let archive = archive(&tree).unwrap();
    let Content::Bytes(bytes) = &archive.plan.pieces()[0].content else { panic!("no bytes") };
    let mut text = String::new();
    let mut nuls = 0;
    for byte in bytes.iter().chain([&b'|']) {
        if *byte == 0 {
            nuls += 1;
            continue;
        }
        if nuls > 0 {
            text += &format!("<{nuls}>");
        }
        nuls = 0;
        text += &byte.escape_ascii().to_string();
    }
    text
}

fn meta(mode: u16, uid: u32, gid: u32, mtime: u32) -> Meta {
    Meta { uid, gid, ..Meta::root(Mode::new(mode), Epoch::new(mtime)) }
}

#[test]
fn headers_of_every_kind() {
    let node = |kind| Entry { meta: meta(0o600, 0, 0, 1), kind };
    let device = |block| node(Kind::Device(Device { block, major: 8, minor: 17 }));
    insta::assert_snapshot!(
        [
            headers(
                "file",
                Entry::file(meta(0o4755, 1000, 100, 1_700_000_000), Source::bytes(*b"data"))
            ),
            headers("dir", Entry::directory(meta(0o1775, 0, 30_000, 1))),
            headers("link", Entry::symlink("../t", Epoch::new(0))),
            headers("char", device(false)),
            headers("block", device(true)),
            headers("pipe", node(Kind::Fifo)),
        ]
        .join("\n")
    );
}

#[test]
fn headers_with_records() {
    let attributes =
        [(b"security.capability".to_vec(), vec![1, 0, 0, 2]), (b"user.a".to_vec(), vec![])];
    let with = Meta { xattrs: Xattrs::new(attributes.into()), ..meta(0o755, 0, 0, 1) };
    insta::assert_snapshot!(
        [
            headers(&"n".repeat(101), file(b"")),
            headers(&"\u{fc}".repeat(51), file(b"")),
            headers("link", Entry::symlink("t".repeat(101), Epoch::STORE)),
            headers(
                "owner",
                Entry::file(meta(0o644, 2_097_152, u32::MAX - 1, 1), Source::bytes(*b""))
            ),
            headers("attributes", Entry::file(with, Source::bytes(*b""))),
        ]
        .join("\n")
    );
}

#[test]
fn pieces_follow_each_other_and_entries_start_where_they_say() {
    let entries = [("a", file(b"")), ("b", file(&[7; 513])), ("c", file(b"x"))];
    let tree = tree(entries.map(|(path, entry)| (path.as_bytes().to_vec(), entry)));
    let archive = archive(&tree).unwrap();
    let starts: Vec<u64> = tree.iter().map(|node| archive.start(node.id()).get()).collect();
    assert_eq!(starts, [0, 0, 512, 2048]);
    assert_eq!((archive.end().get(), archive.plan.size().get()), (3072, 10_240));
    let lines: Vec<String> = archive
        .plan
        .pieces()
        .iter()
        .map(|piece| {
            format!("{} {} {}", piece.offset.get(), piece.len.get(), archive.plan.label(piece))
        })
        .collect();
    assert_eq!(
        lines,
        [
            "0 1024 headers 0",
            "1024 513 data 2",
            "1537 511 padding 2",
            "2048 512 headers 1",
            "2560 1 data 3",
            "2561 511 padding 3",
            "3072 7168 end",
        ]
    );
}

#[test]
fn the_end_fills_a_record() {
    for (links, size) in [(0, 10_240), (1, 10_240), (18, 10_240), (19, 20_480), (20, 20_480)] {
        let links = (0..links)
            .map(|link| (format!("{link}").into_bytes(), Entry::symlink("x", Epoch::STORE)));
        assert_eq!(archive(&tree(links)).unwrap().plan.size().get(), size);
    }
}

#[test]
fn a_farm_of_links_is_a_plan_of_few_pieces() {
    let links =
        (0..60_000).map(|link| (format!("{link}").into_bytes(), Entry::symlink("x", Epoch::STORE)));
    let archive = archive(&tree(links)).unwrap();
    assert_eq!(archive.end().get(), 60_000 * 512);
    // 469 runs of 64 KiB, and the end.
    assert_eq!(archive.plan.pieces().len(), 470);
    assert!(archive.plan.pieces()[..469].iter().all(|piece| piece.len.get() <= 64 << 10));
}

#[test]
fn an_image_within_keeps_its_secret_and_has_no_gaps() {
    let mut inner = PlanBuilder::new();
    inner.secret(Bytes::new(100), Bytes::new(50), Label::new("key"), SecretId("host key".into()));
    let inner = Source::Plan(inner.finish(Bytes::new(700)).unwrap().into());
    let image = Entry::file(Meta::root(Mode::F644, Epoch::STORE), inner);
    let archive = archive(&tree([(b"image".to_vec(), image)])).unwrap();
    let listing = archive.plan.listing();
    let lines: Vec<&str> = listing.lines().skip(2).collect();
    assert_eq!(
        lines,
        [
            "512 100 zeros data 1",
            "612 50 secret data/key \"host key\" from 0",
            "662 550 zeros data 1",
            "1212 324 zeros padding 1",
            "1536 8704 zeros end",
        ]
    );
}

#[test]
fn what_no_reader_brings_back_is_refused_by_name() {
    let refused = |path: &str, entry: Entry| {
        archive(&tree([(path.as_bytes().to_vec(), entry)])).unwrap_err().to_string()
    };
    let with = |name: &[u8], value: Vec<u8>| {
        let xattrs = Xattrs::new([(name.to_vec(), value)].into());
        Entry { meta: Meta { xattrs, ..meta(0o644, 0, 0, 1) }, ..file(b"") }
    };
    let owned = |uid, gid| Entry { meta: meta(0o644, uid, gid, 1), ..file(b"") };
    let device = |major, minor| {
        let kind = Kind::Device(Device { block: false, major, minor });
        Entry { meta: meta(0o600, 0, 0, 1), kind }
    };
    let long = format!("{}/x", "n".repeat(255));
    let deep = vec![long.as_str(); 16].join("/");
    for (found, expected) in [
        (refused(&"n".repeat(256), file(b"")), "a name of 256 bytes: Linux takes at most 255"),
        (refused(&deep, file(b"")), "a path of 4126 bytes: Linux takes at most 4095"),
        (refused("l", Entry::symlink("", Epoch::STORE)), "/l: a link target of 0 bytes"),
        (
            refused("l", Entry::symlink("t".repeat(4096), Epoch::STORE)),
            "a link target of 4096 bytes",
        ),
        (refused("l", Entry::symlink("a\0b", Epoch::STORE)), "none of them NUL"),
        (refused("o", owned(u32::MAX, 0)), "/o: owner 4294967295:0: Linux has owners"),
        (refused("o", owned(0, u32::MAX)), "/o: owner 0:4294967295"),
        (refused("d", device(4096, 0)), "/d: device 4096,0"),
        (refused("d", device(1, 1 << 20)), "/d: device 1,1048576"),
        (
            refused("x", with(b"user.a=b", vec![])),
            "attribute \"user.a=b\" cannot be in an archive: an equals sign",
        ),
        (refused("x", with(b"user.a%3Db", vec![])), "GNU tar reads %3D"),
        (refused("x", with(b"user.a%25b", vec![])), "GNU tar reads %3D"),
        (refused("x", with(b"user.\0", vec![])), "none of them NUL"),
        (refused("x", with(b"", vec![])), "a name of 1 to 255 bytes"),
        (refused("x", with(&[b'n'; 256], vec![])), "a name of 1 to 255 bytes"),
        (refused("x", with(b"system.posix_acl_access", vec![2, 0, 0, 0])), "which ACLs are"),
        (refused("x", with(b"user.a", vec![0; 65_537])), "more than 65536 bytes"),
    ] {
        assert!(found.contains(expected), "{found:?}");
    }
    let many = (0..17).map(|number| (format!("user.{number}").into_bytes(), vec![0; 65_536]));
    let meta = Meta { xattrs: Xattrs::new(many.collect()), ..meta(0o644, 0, 0, 1) };
    let found = refused("x", Entry { meta, ..file(b"") });
    assert!(found.contains("of 1114578 bytes: readers of archives take 1048576"), "{found}");
    let mut inner = PlanBuilder::new();
    inner.zeros(Bytes::ZERO, Bytes::MAX, Label::new("all"));
    let inner = Source::Plan(inner.finish(Bytes::MAX).unwrap().into());
    let image = Entry::file(Meta::root(Mode::F644, Epoch::STORE), inner);
    assert!(refused("x", image).contains("an image of"));
}
