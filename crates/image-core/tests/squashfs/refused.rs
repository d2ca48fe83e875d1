//! What no system could make or open again is refused by path.

use std::collections::BTreeMap;

use calve_image_core::tree::{Device, Entry, Kind, Meta, Source, Xattrs};
use calve_image_core::writers::squashfs::Error;

use super::*;

/// Plans a tree whose files are empty.
fn plan(corpus: corpus::Corpus) -> Result<Plan, Error> {
    squashfs::plan(&corpus.build(), &Stored::default(), &settings(Codec::Plain))
}

fn refused(path: &str, entry: Entry) -> String {
    let mut corpus = corpus::Corpus::default();
    corpus.add(path, entry);
    plan(corpus).unwrap_err().to_string()
}

fn device(major: u32, minor: u32) -> Entry {
    Entry { meta: corpus::meta(0o600), kind: Kind::Device(Device { block: true, major, minor }) }
}

fn empty(meta: Meta) -> Entry {
    Entry::file(meta, Source::bytes(*b""))
}

#[test]
fn what_linux_does_not_have() {
    let link = |length: usize| Entry::symlink("t".repeat(length), Epoch::STORE);
    let name = "n".repeat(256);
    assert_eq!(
        refused(&format!("a/{name}"), empty(corpus::meta(0o644))),
        format!("/a/{name}: a name of 256 bytes: Linux takes at most 255")
    );
    let takes = "Linux takes 1 to 4095, none of them NUL";
    assert_eq!(refused("l", link(0)), format!("/l: a link target of 0 bytes: {takes}"));
    assert_eq!(refused("l", link(4096)), format!("/l: a link target of 4096 bytes: {takes}"));
    let has = "Linux has majors to 4095 and minors to 1048575";
    assert_eq!(refused("d", device(4096, 0)), format!("/d: device 4096,0: {has}"));
    assert_eq!(refused("d", device(0, 1 << 20)), format!("/d: device 0,1048576: {has}"));
    let nobody = Meta { gid: u32::MAX, ..corpus::meta(0o644) };
    assert_eq!(
        refused("o", empty(nobody)),
        "/o: owner 0:4294967295: Linux has owners and groups to 4294967294"
    );
}

#[test]
fn attributes_that_readers_do_not_know() {
    let refused = |name: &str, value: usize| {
        let xattrs = Xattrs::new(BTreeMap::from([(name.into(), vec![b'v'; value])]));
        let said = refused("x", empty(Meta { xattrs, ..corpus::meta(0o644) }));
        let start = format!("/x: attribute {name:?} cannot be in a squashfs: ");
        said.strip_prefix(&start).unwrap_or(&said).to_owned()
    };
    let prefixes = "expected a name after user., trusted. or security.";
    assert_eq!(refused("system.posix_acl_access", 4), prefixes);
    assert_eq!(refused("user.", 4), prefixes);
    assert_eq!(refused("usernot", 4), prefixes);
    let long = format!("user.{}", "n".repeat(251));
    assert_eq!(refused(&long, 4), "expected a name of at most 255 bytes, none of them NUL");
    assert_eq!(refused("user.large", 65_537), "its value has more than 65536 bytes");
}

/// Inodes have 16 bits for an owner.
#[test]
fn more_owners_than_inodes_can_tell_apart() {
    let owned = |owners: u32| {
        let mut corpus = corpus::Corpus::default();
        for uid in 1..owners {
            let meta = Meta { uid, ..corpus::meta(0o644) };
            corpus.add(format!("{uid}"), empty(meta));
        }
        plan(corpus)
    };
    // The plan itself fails: what is stored was made up.
    let said = owned(65_535).unwrap_err().to_string();
    assert!(!said.contains("owners"), "{said}");
    let said = owned(65_536).unwrap_err().to_string();
    assert_eq!(said, "65536 different owners and groups: squashfs holds at most 65535");
}

#[test]
fn files_that_are_not_stored() {
    let mut corpus = corpus::Corpus::default();
    corpus.file("stored/not", vec![1; 300_000]);
    let said = plan(corpus).unwrap_err().to_string();
    assert_eq!(said, "/stored/not has 292 KiB, but 0 blocks of it are stored: expected 3");
}
