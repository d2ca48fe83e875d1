//! Listings at the lengths where they change their form.

use super::*;

/// Runs of 256 names, blocks of 8 KiB, and 64 KiB, which is where the short form ends.
#[test]
fn directories_of_all_sizes() {
    let mut corpus = corpus::Corpus::default();
    for names in [1, 2, 255, 256, 257, 330, 512, 513, 1700, 2600] {
        for number in 0..names {
            let name = "n".repeat(number % 61);
            corpus.file(format!("{names}/{number:04}{name}"), [7; 3]);
            if number % 50 == 0 {
                corpus.directory(format!("{names}/{number:04}-directory"), 0o755);
            }
        }
    }
    assert_everyone_agrees(&corpus.build(), &settings(Codec::Lz4));
}

/// Names of 255 bytes: 31 of them fill a block, and an index's entry is as long.
#[test]
fn directories_of_the_longest_names() {
    let mut corpus = corpus::Corpus::default();
    for number in 0..500 {
        corpus.file(format!("long/{number:03}{}", "l".repeat(252)), []);
    }
    assert_everyone_agrees(&corpus.build(), &settings(Codec::Zstd(3)));
}

#[test]
fn seventy_thousand_names_in_one_directory() {
    let names = 70_000;
    let tree = corpus::wide(names);
    let image = Image::new(&tree, &settings(Codec::Zstd(3)));
    if let Some(unsquashfs) = oracle::need("unsquashfs") {
        // The root, the directory, the names, and nothing after the last end of line.
        assert_eq!(listed(&unsquashfs, &image.path()).len(), names + 3);
    }
    if oracle::may_mount() {
        let mounted = Mounted::new(&image.path());
        let wide = mounted.path().join("wide");
        assert_eq!(std::fs::read_dir(&wide).unwrap().count(), names);
        // The kernel finds names through the index, and another way when it lists them.
        for number in (0..names).step_by(997).chain([names - 1]) {
            let name = format!("{number:06}-a-name-as-long-as-they-are");
            assert!(std::fs::symlink_metadata(wide.join(name)).unwrap().is_file(), "{number}");
        }
        assert!(std::fs::symlink_metadata(wide.join("0349999")).is_err());
    }
}
