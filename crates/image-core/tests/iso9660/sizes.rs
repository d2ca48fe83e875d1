//! Files over 4 GiB, and many entries.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use calve_image_core::plan::{Label, PlanBuilder};
use calve_image_core::tree::Source;
use calve_image_core::units::GIB;

use super::*;
use crate::args;

/// A file of zeros, which lands as a hole, with a word at its end.
fn hollow(size: Bytes) -> Entry {
    let mut plan = PlanBuilder::new();
    let end = size - Bytes::new(3);
    plan.zeros(Bytes::ZERO, end, Label::new("zeros"));
    plan.bytes(end, Label::new("word"), *b"end");
    let plan = plan.finish(size).unwrap();
    Entry::file(corpus::meta(0o644), Source::Plan(Arc::new(plan)))
}

#[test]
fn files_around_4_gib() {
    let mut corpus = corpus::Corpus::default();
    let sizes = [GIB * 4 - Bytes::new(2048), GIB * 4 - Bytes::new(2047), GIB * 4, GIB * 9];
    for (name, size) in ["a", "b", "c", "d"].into_iter().zip(sizes) {
        corpus.add(name, hollow(size)).file(format!("{name}-after"), name.as_bytes());
    }
    let plan = volume(&corpus.build());
    assert_whole(&plan);
    let dir = tempfile::tempdir().unwrap();
    let iso = dir.path().join("volume.iso");
    image::write_sparse(&plan, &iso);
    let expected: Vec<(String, u64)> = ["a", "b", "c", "d"]
        .into_iter()
        .zip(sizes)
        .flat_map(|(name, size)| [(name.to_owned(), size.get()), (format!("{name}-after"), 1)])
        .collect();
    if let Some(bsdtar) = oracle::need("bsdtar") {
        let said = String::from_utf8(oracle::expect(&bsdtar, args!["-tvf", &iso])).unwrap();
        let mut sizes: Vec<(String, u64)> = said
            .lines()
            .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>())
            .filter(|words| words[0].starts_with('-'))
            .map(|words| (words[words.len() - 1].to_owned(), words[4].parse().unwrap()))
            .collect();
        sizes.sort_unstable();
        assert_eq!(sizes, expected);
    }
    if let Some(xorriso) = oracle::need("xorriso") {
        let args = args![
            "-abort_on",
            "SORRY",
            "-indev",
            &iso,
            "-find",
            "/",
            "-type",
            "f",
            "-sort_lba",
            "-exec",
            "report_lba",
            "--"
        ];
        assert_extents(
            &String::from_utf8(oracle::expect(&xorriso, args)).unwrap(),
            &iso,
            &expected,
        );
    }
}

/// Reads xorriso's `File data lba: extent, lba, sectors, size, 'path'`: extents follow one another, and
/// the last one ends in the file's last word.
fn assert_extents(said: &str, iso: &std::path::Path, expected: &[(String, u64)]) {
    let image = std::fs::File::open(iso).unwrap();
    for (name, size) in expected.iter().filter(|(name, _)| name.len() == 1) {
        let extents: Vec<Vec<u64>> = said
            .lines()
            .filter(|line| line.ends_with(&format!("'/{name}'")))
            .map(|line| line.split_once(':').unwrap().1)
            .map(|line| {
                line.split(',').take(4).map(|number| number.trim().parse().unwrap()).collect()
            })
            .collect();
        let extent = (1 << 32) - 2048;
        assert_eq!(extents.len() as u64, size.div_ceil(extent), "{extents:?}");
        for pair in extents.windows(2) {
            assert_eq!(pair[0][1] + pair[0][2], pair[1][1], "{extents:?}");
        }
        let mut word = [0; 3];
        image.read_exact_at(&mut word, extents[0][1] * 2048 + size - 3).unwrap();
        assert_eq!(&word, b"end");
    }
}

#[test]
fn thirty_thousand_files() {
    let tree = corpus::many_files(30_000);
    let plan = volume(&tree);
    assert_whole(&plan);
    let (_dir, iso) = written(&plan);
    readers::assert_bsdtar_agrees(&tree, &iso);
}

#[test]
fn a_wide_directory_of_one_mangled_name() {
    let mut corpus = corpus::Corpus::default();
    for number in 0..3000 {
        corpus.file(
            format!(
                "wide/{}{number}",
                "a-name-that-is-longer-than-plain-iso-has-room-for-".repeat(2)
            ),
            [],
        );
    }
    let tree = corpus.build();
    let (_dir, iso) = written(&volume(&tree));
    for by in [None, Some("-J"), Some("-R")] {
        let Some(mut names) = readers::isoinfo(&iso, by) else { return };
        names.dedup();
        assert_eq!(names.len(), 3001);
    }
    readers::assert_bsdtar_agrees(&tree, &iso);
}

#[test]
fn more_directories_than_a_path_table_numbers_are_refused() {
    let mut corpus = corpus::Corpus::default();
    for number in 0..65_535 {
        corpus.directory(format!("{number}"), 0o755);
    }
    let error = planned(&corpus.build(), Boot::default()).unwrap_err();
    assert_eq!(error, Error::Directories { found: 65_536 });
}

#[test]
fn what_no_reader_counts_to_is_refused() {
    let error = |entry: &dyn Fn() -> Entry, count: usize| {
        let mut corpus = corpus::Corpus::default();
        for number in 0..count {
            corpus.add(format!("{number}"), entry());
        }
        planned(&corpus.build(), Boot::default()).unwrap_err()
    };
    let large = error(&|| hollow(GIB * 400), 1);
    assert!(matches!(large, Error::FileTooLarge { .. }), "{large}");
    let many = error(&|| hollow(GIB * 300), 28);
    assert!(matches!(many, Error::TooLarge { .. }), "{many}");
}
