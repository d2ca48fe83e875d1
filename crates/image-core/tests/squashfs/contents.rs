//! What a tree may hold, with every codec.

use std::os::unix::fs::FileExt;

use calve_image_core::tree::{Entry, HostDir};

use super::*;

#[test]
fn the_small_tree_by_every_codec() {
    for codec in Codec::DEFAULTS {
        assert_everyone_agrees(&corpus::small(), &settings(codec));
    }
}

#[test]
fn the_small_tree_in_the_smallest_and_the_largest_blocks() {
    for block in [KIB * 4, KIB * 1024] {
        assert_everyone_agrees(&corpus::small(), &Settings { block, ..settings(Codec::Lz4) });
    }
}

#[test]
fn an_empty_tree() {
    assert_everyone_agrees(&corpus::empty(), &settings(Codec::Zstd(3)));
    let image = Image::new(&corpus::empty(), &settings(Codec::Zstd(3)));
    assert_eq!(image.plan.size(), KIB * 4);
}

/// The bytes are part of what users build on: a change here changes images.
#[test]
fn the_plan_of_a_plain_tree_is_pinned() {
    let image = Image::new(&corpus::plain(), &settings(Codec::Zstd(9)));
    // Data lie in a file that has another name each time.
    let listing = image.plan.listing();
    let lines = listing.lines().map(|line| match line.find(" host ") {
        Some(end) => &line[..end + 5],
        None => line,
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn mksquashfs_makes_the_same_of_what_was_unpacked() {
    let (Some(unsquashfs), Some(mksquashfs)) =
        (oracle::need("unsquashfs"), oracle::need("mksquashfs"))
    else {
        return;
    };
    if !oracle::may_restore() {
        return;
    }
    for tree in [corpus::small(), corpus::many_files(3000)] {
        let image = Image::new(&tree, &settings(Codec::Gzip(9)));
        let again = made_again(&unsquashfs, &mksquashfs, &image);
        assert_eq!(listed(&unsquashfs, &image.path()), listed(&unsquashfs, &again));
        assert_eq!(told(&unsquashfs, &image.path()), told(&unsquashfs, &again));
    }
}

/// What the superblock says, but for the path and the sizes that depend on how data are packed.
fn told(unsquashfs: &Path, image: &Path) -> Vec<String> {
    let said = String::from_utf8(oracle::expect(unsquashfs, args!["-s", image])).unwrap();
    let varies = [
        "Found a valid",
        "Filesystem size",
        "Number of fragments",
        "Xattrs are",
        "Number of xattr",
    ];
    let lines = said.lines().filter(|line| !varies.iter().any(|start| line.starts_with(start)));
    lines.map(str::to_owned).collect()
}

#[test]
fn the_superblock_tells_what_there_is() {
    let Some(unsquashfs) = oracle::need("unsquashfs") else { return };
    let said = |tree, codec| {
        let image = Image::new(&tree, &settings(codec));
        let said = oracle::expect(&unsquashfs, args!["-s", &image.path()]);
        // The path and the size come first.
        let said = String::from_utf8(said).unwrap();
        said.lines()
            .filter(|line| !line.starts_with("Found") && !line.starts_with("Filesystem size"))
            .map(|line| line.to_owned() + "\n")
            .collect::<String>()
    };
    insta::assert_snapshot!("superblock_small", said(corpus::small(), Codec::Zstd(3)));
    insta::assert_snapshot!("superblock_empty", said(corpus::empty(), Codec::Lz4));
}

#[test]
fn a_sparse_source_of_more_than_4_gib() {
    let dir = tempfile::tempdir().unwrap();
    let size = (1 << 32) + (5 << 17) + 17;
    let marks = [0, (1 << 32) - 1, 1 << 32, size - 1];
    let source = std::fs::File::create(dir.path().join("source")).unwrap();
    source.set_len(size).unwrap();
    marks.iter().for_each(|at| source.write_all_at(b"!", *at).unwrap());
    let host = HostDir::open(dir.path()).unwrap().file(b"source").unwrap();
    let mut tree = corpus::Corpus::default();
    tree.add("large", Entry::file(corpus::meta(0o644), host)).file("small", *b"s");
    let image = Image::new(&tree.build(), &Settings::new(Codec::Lz4, Epoch::STORE));
    assert!(image.plan.size() < KIB * 1024);
    if let Some(unsquashfs) = oracle::need("unsquashfs") {
        let listed = listed(&unsquashfs, &image.path());
        let shown = size.to_string().into_bytes();
        assert!(listed[1].windows(shown.len()).any(|window| window == shown));
    }
    if oracle::may_mount() {
        let mounted = Mounted::new(&image.path());
        let copy = std::fs::File::open(mounted.path().join("large")).unwrap();
        let meta = copy.metadata().unwrap();
        assert_eq!(meta.len(), size);
        // Blocks of zeros take no room: two are stored, and the short last one.
        assert_eq!(
            std::os::unix::fs::MetadataExt::blocks(&meta),
            (2 * (1 << 20) + (5 << 17) + 17_u64).div_ceil(512)
        );
        for at in marks {
            let mut bytes = [0xFF; 2];
            let read = copy.read_at(&mut bytes, at).unwrap();
            assert_eq!(bytes[0], b'!', "byte {at}");
            assert!(read == 1 || bytes[1] == 0 || marks.contains(&(at + 1)));
        }
    }
}
