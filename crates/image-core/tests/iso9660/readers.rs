//! What other programs say that a volume holds.

use std::path::Path;

use calve_image_core::tree::Tree;

use crate::args;
use crate::contract::{oracle, walk};

/// The listing of everything but the root directory, which unpacking leaves to its caller.
fn inside(listing: &str) -> &str {
    listing.split_once('\n').unwrap().1
}

/// What is compared of a line; all of it, if the reader brings all of it back.
type Compared = fn(&str) -> String;

fn assert_unpacked(tree: &Tree, dir: &Path, compared: Compared) {
    let (found, expected) = (walk::listing(dir), tree.listing());
    for (found, expected) in inside(&found).lines().zip(inside(&expected).lines()) {
        assert_eq!(compared(found), compared(expected));
    }
    assert_eq!(found.lines().count(), expected.lines().count());
    walk::assert_same_data(tree, dir);
}

/// xorriso leaves the times of links as they come.
fn without_times_of_links(line: &str) -> String {
    match line.split(' ').collect::<Vec<_>>().as_slice() {
        [path, "l", mode, owner, _, "->", target] => format!("{path} l {mode} {owner} {target}"),
        _ => line.to_owned(),
    }
}

/// Unpacks with libarchive and lets the kernel say what there is.
pub(crate) fn assert_bsdtar_agrees(tree: &Tree, iso: &Path) {
    let Some(bsdtar) = oracle::need("bsdtar") else { return };
    if oracle::may_restore() {
        let dir = tempfile::tempdir().unwrap();
        let args = args!["--numeric-owner", "-xpf", iso, "-C", dir.path()];
        let output = oracle::run(&bsdtar, args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{said}");
        assert_unpacked(tree, dir.path(), str::to_owned);
    }
}

/// Unpacks with xorriso and lets the kernel say what there is.
pub(crate) fn assert_xorriso_agrees(tree: &Tree, iso: &Path) {
    let Some(xorriso) = oracle::need("xorriso") else { return };
    if oracle::may_restore() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("root");
        let osirrox = "on:auto_chmod_off:o_excl_off:device_files";
        let args = args![
            "-abort_on",
            "SORRY",
            "-report_about",
            "SORRY",
            "-osirrox",
            osirrox,
            "-indev",
            iso,
            "-extract",
            "/",
            &target
        ];
        oracle::expect(&xorriso, args);
        assert_unpacked(tree, &target, without_times_of_links);
    }
}

/// Lists the paths that isoinfo finds by Rock Ridge (`-R`), by Joliet (`-J`) or by plain names.
pub(crate) fn isoinfo(iso: &Path, by: Option<&str>) -> Option<Vec<String>> {
    let isoinfo = oracle::need("isoinfo")?;
    let args: Vec<_> =
        ["-f", "-i"].map(std::ffi::OsStr::new).into_iter().chain([iso.as_os_str()]).collect();
    let args: Vec<_> = args.into_iter().chain(by.map(std::ffi::OsStr::new)).collect();
    // Joliet's names come out in Latin-1.
    let said = oracle::expect(&isoinfo, &args);
    let said = String::from_utf8_lossy(&said);
    let mut paths: Vec<_> = said.lines().map(str::to_owned).collect();
    paths.sort_unstable();
    Some(paths)
}

/// What xorriso reports about what firmware finds.
pub(crate) fn report(iso: &Path) -> Option<String> {
    let xorriso = oracle::need("xorriso")?;
    let args = args![
        "-abort_on",
        "SORRY",
        "-indev",
        iso,
        "-report_el_torito",
        "plain",
        "-report_system_area",
        "plain"
    ];
    Some(String::from_utf8(oracle::expect(&xorriso, args)).unwrap())
}
