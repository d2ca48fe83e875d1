//! Archives, judged by GNU tar, bsdtar, the kernel and the `tar` crate.
//!
//! - `readers`: what each of them says an archive holds, as `Tree::listing` would write it
//! - `contents`: what a tree may hold
//! - `names`: paths and links at the lengths where they move, and bytes that are no text
//! - `sizes`: large files, many entries, and what a plan costs
//! - `any`: any small tree

#![allow(clippy::unwrap_used, clippy::panic, clippy::as_conversions, clippy::disallowed_methods)]

#[path = "../contract/mod.rs"]
mod contract;

mod any;
mod contents;
mod names;
mod readers;
mod sizes;

use std::path::{Path, PathBuf};

use calve_image_core::plan::{Plan, Serial};
use calve_image_core::region::{self, FreshFile, Keys, Region};
use calve_image_core::tree::{Entry, Kind, Tree, Xattrs};
use calve_image_core::units::Bytes;
use calve_image_core::writers::tar as ours;
use contract::{corpus, oracle, walk};

/// Writes a plan into a file.
fn to_file(plan: &Plan, keys: &Keys, path: &Path) {
    let file = std::fs::File::create(path).unwrap();
    let region = FreshFile::new(&file);
    region::write(plan, Region::Random(&region), keys, &region::Options::default()).unwrap();
}

/// Writes a plan into a stream.
fn to_stream(plan: &Plan, keys: &Keys) -> Vec<u8> {
    let mut stream = Vec::new();
    let region = Region::Forward(&mut stream);
    region::write(plan, region, keys, &region::Options::default()).unwrap();
    stream
}

/// Writes a tree's archive into a file, and again into a stream, which must be the same.
fn written(tree: &Tree) -> (tempfile::TempDir, PathBuf) {
    let archive = ours::archive(tree).unwrap();
    assert_whole(tree, &archive);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("archive.tar");
    to_file(&archive.plan, &Keys::none(), &path);
    assert!(to_stream(&archive.plan, &Keys::none()) == std::fs::read(&path).unwrap());
    (dir, path)
}

/// An archive has no gaps, and its entries lie where it says.
fn assert_whole(tree: &Tree, archive: &Serial) {
    let mut at = Bytes::ZERO;
    for piece in archive.plan.pieces() {
        assert_eq!(piece.offset, at, "{}", archive.plan.label(piece));
        at = piece.end();
    }
    assert_eq!(at, archive.plan.size());
    let block = Bytes::new(512);
    let ends = tree.iter().skip(1).map(|node| archive.start(node.id())).chain([archive.end()]);
    for (node, end) in tree.iter().zip(ends) {
        let size = if let Kind::File(source) = node.kind() { source.size() } else { Bytes::ZERO };
        let headers = (end - archive.start(node.id())) - size.align_up(block);
        let least = if node.parent().is_none() { Bytes::ZERO } else { block };
        assert!(headers >= least && headers.is_multiple_of(block), "{node:?}");
    }
}

/// The same tree without extended attributes: for readers that do not list them.
fn bare(tree: &Tree) -> Tree {
    let mut corpus = corpus::Corpus::default();
    for node in tree.iter() {
        let Entry { mut meta, kind } = node.entry().clone();
        meta.xattrs = Xattrs::NONE;
        corpus.add(node.path().relative(), Entry { meta, kind });
    }
    corpus.build()
}

/// The listing of everything but the root directory, which archives do not hold.
fn inside(listing: &str) -> String {
    listing.split_once('\n').unwrap().1.to_owned()
}

/// What everybody says that an archive holds must be the tree, byte for byte.
fn assert_everyone_agrees(tree: &Tree) {
    let (_dir, archive) = written(tree);
    let bare = inside(&bare(tree).listing());
    assert_eq!(readers::crate_listing(&archive, readers::Attributes::Skip), bare);
    assert_eq!(readers::crate_data(&archive), readers::tree_digests(tree));
    if let Some(tar) = oracle::need("tar") {
        assert_eq!(readers::gnu_listing(&tar, &archive), bare);
        if oracle::may_restore() {
            let options = ["--numeric-owner", "--xattrs", "--xattrs-include=*", "-xpf"];
            assert_unpacked(&tar, &options, &archive, tree);
        }
    }
    if let Some(bsdtar) = oracle::need("bsdtar") {
        let (listing, digests) = readers::mtree(&bsdtar, &archive);
        assert_eq!(listing, bare);
        assert_eq!(digests, readers::tree_digests(tree));
        if oracle::may_restore() {
            let options = ["--numeric-owner", "--xattrs", "-xpf"];
            assert_unpacked(&bsdtar, &options, &archive, tree);
        }
    }
}

/// Unpacks an archive and lets the kernel say what it held.
fn assert_unpacked(program: &Path, options: &[&str], archive: &Path, tree: &Tree) {
    let dir = tempfile::tempdir().unwrap();
    let args = options.iter().map(std::ffi::OsStr::new);
    let args: Vec<_> =
        args.chain([archive.as_os_str(), "-C".as_ref(), dir.path().as_os_str()]).collect();
    let output = oracle::run(program, &args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // GNU tar's way of saying that it takes bytes for what they are, and that 2106 is far away.
    let expected = ["keyword 'hdrcharset'", "s in the future"];
    let mut complaints =
        said.lines().filter(|line| !expected.iter().any(|end| line.ends_with(end)));
    assert_eq!(complaints.next(), None);
    assert_eq!(inside(&walk::listing(dir.path())), inside(&tree.listing()));
    walk::assert_same_data(tree, dir.path());
}
