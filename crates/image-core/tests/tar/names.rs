//! Paths and links at the lengths where they move, and bytes that are no text.

use super::*;

/// A directory of that many bytes, in components that Linux takes.
fn deep(length: usize) -> String {
    let mut path = String::new();
    while path.len() < length {
        let left = length - path.len();
        // No path ends in a slash.
        let component = if left == 202 { 199 } else { left.min(200) };
        path += &"d".repeat(component);
        if path.len() < length {
            path.push('/');
        }
    }
    assert_eq!(path.len(), length);
    path
}

#[test]
fn lengths_where_paths_move() {
    let mut corpus = corpus::Corpus::default();
    for length in [98, 99, 100, 101, 102, 154, 155, 156, 157, 254, 255] {
        let tag = format!("{length:03}");
        corpus.file(format!("f{tag}{}", "n".repeat(length - 4)), *b"file");
        corpus.directory(format!("d{tag}{}", "n".repeat(length - 4)), 0o755);
        corpus.symlink(format!("l{tag}{}", "n".repeat(length - 4)), "t".repeat(length));
    }
    for above in [1, 98, 99, 100, 153, 154, 155, 156] {
        for name in [1, 98, 99, 100, 101] {
            corpus.file(format!("{}/{}", deep(above), "n".repeat(name)), *b"file");
            corpus.directory(format!("{}/{}", deep(above), "m".repeat(name)), 0o700);
        }
    }
    for length in [253, 254, 255, 256, 257, 258, 511, 512, 513, 1000, 3000, 4000] {
        corpus.file(format!("{}/x", deep(length - 2)), *b"deep");
    }
    // Cut off at 100 bytes, the name of a file ends in a slash.
    corpus.file(format!("{}/{}", "s".repeat(99), "f".repeat(200)), *b"slash");
    for length in [99, 100, 101, 155, 156, 255, 256, 4095] {
        corpus.symlink(format!("links/{length}"), "t".repeat(length));
    }
    assert_everyone_agrees(&corpus.build());
}

#[test]
fn the_longest_path() {
    let mut corpus = corpus::Corpus::default();
    corpus.file(format!("{}/x", deep(4093)), *b"deep");
    let (_dir, archive) = written(&corpus.build());
    let listing = inside(&corpus_listing(4093));
    assert_eq!(readers::crate_listing(&archive, readers::Attributes::Show), listing);
    if let Some(tar) = oracle::need("tar") {
        assert_eq!(readers::gnu_listing(&tar, &archive), listing);
    }
}

fn corpus_listing(length: usize) -> String {
    let mut corpus = corpus::Corpus::default();
    corpus.file(format!("{}/x", deep(length)), *b"deep");
    corpus.build().listing()
}

/// In a header and in a record: UTF-8, other bytes, newlines, equals signs.
#[test]
fn names_and_links_of_any_bytes() {
    let mut corpus = corpus::Corpus::default();
    let odd: [&[u8]; 6] = [
        b"\xff\xfe\x80",
        "gr\u{fc}\u{df}e-\u{1f980}".as_bytes(),
        b"a=b",
        b"12 path=x",
        b"\x01\x7f\t\r",
        b"back\\slash \"quote\"",
    ];
    for (number, odd) in odd.iter().enumerate() {
        let long = format!("{number}-{}", "n".repeat(150));
        corpus.file([b"short-", *odd].concat(), *odd);
        corpus.file([long.as_bytes(), *odd].concat(), *odd);
        corpus.file([b"d-", *odd, b"/", long.as_bytes(), *odd].concat(), *odd);
        corpus.symlink(format!("links/short-{number}"), odd);
        corpus.symlink(format!("links/long-{number}"), [long.as_bytes(), *odd].concat());
    }
    corpus.file("new\nline", *b"n").symlink("links/new\nline", "new\nline\n");
    assert_everyone_agrees(&corpus.build());
}

/// The `tar` crate ends a record at the first newline, so only the others are asked.
#[test]
fn long_names_and_links_with_newlines() {
    let mut corpus = corpus::Corpus::default();
    let long = format!("new\nline\n12 path=x\n{}", "n".repeat(150));
    corpus.file(&long, *b"n").symlink("link", &long);
    corpus.directory(format!("{long}-directory"), 0o755);
    let tree = corpus.build();
    let (_dir, archive) = written(&tree);
    let listing = inside(&tree.listing());
    if let Some(tar) = oracle::need("tar") {
        assert_eq!(readers::gnu_listing(&tar, &archive), listing);
        if oracle::may_restore() {
            assert_unpacked(&tar, &["-xpf"], &archive, &tree);
        }
    }
    if let Some(bsdtar) = oracle::need("bsdtar") {
        assert_eq!(readers::mtree(&bsdtar, &archive).0, listing);
    }
}
