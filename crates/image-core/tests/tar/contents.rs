//! What a tree may hold.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use calve_image_core::epoch::Epoch;
use calve_image_core::plan::{Label, PlanBuilder, SecretId};
use calve_image_core::tree::{Device, HostDir, Meta, Mode, Source};

use super::*;

#[test]
fn the_small_tree() {
    assert_everyone_agrees(&corpus::small());
}

#[test]
fn an_empty_tree() {
    assert_everyone_agrees(&corpus::empty());
    let (_dir, archive) = written(&corpus::empty());
    assert_eq!(std::fs::read(archive).unwrap(), [0; 10_240]);
}

/// The bytes are part of what users build on: a change here changes archives.
#[test]
fn the_plan_of_a_plain_tree_is_pinned() {
    insta::assert_snapshot!(ours::archive(&corpus::plain()).unwrap().plan.listing());
}

/// What ustar can say, GNU tar writes with the same bytes.
#[test]
fn gnu_tar_writes_the_same_bytes() {
    let mut corpus = corpus::Corpus::default();
    for node in corpus::plain().iter() {
        corpus.add(node.path().relative(), node.entry().clone());
    }
    let meta = |mode, uid, gid| Meta { uid, gid, ..corpus::meta(mode) };
    corpus.add("nix/store", Entry::directory(meta(0o1775, 0, 30_000)));
    corpus.add("owned", Entry::file(meta(0o6711, 2_097_151, 2_097_151), Source::bytes(*b"x")));
    corpus.add("null", Entry { meta: meta(0o666, 0, 3), kind: device(false, 1, 3) });
    corpus.add("disk", Entry { meta: meta(0o660, 0, 6), kind: device(true, 259, 1_048_575) });
    corpus.add("pipe", Entry { meta: meta(0o622, 0, 0), kind: Kind::Fifo });
    corpus.file(b"\xff\xfe raw\n\\", *b"raw").symlink("link", "t".repeat(100));
    let late = Meta::root(Mode::F644, Epoch::new(u32::MAX));
    corpus.add("late", Entry::file(late, Source::bytes(*b"")));
    for (above, name) in [([77, 77], 100), ([77, 76], 99), ([1, 79], 100), ([77, 77], 1)] {
        let above = above.map(|length| "d".repeat(length)).join("/");
        corpus.file(format!("{above}/{}", "f".repeat(name)), *b"f");
    }
    // Several slashes where it could be divided.
    corpus.file(["a", "b", "c", "d", "e"].map(|part| part.repeat(40)).join("/"), *b"f");
    let tree = corpus.build();
    let Some(tar) = oracle::need("tar") else { return };
    if !oracle::may_restore() {
        return;
    }
    let (dir, archive) = written(&tree);
    let root = dir.path().join("root");
    std::fs::create_dir(&root).unwrap();
    oracle::expect(&tar, args!["--numeric-owner", "-xpf", &archive, "-C", &root]);
    let names = tree.iter().skip(1).flat_map(|node| [node.path().relative(), b"\0"].concat());
    std::fs::write(dir.path().join("names"), names.collect::<Vec<u8>>()).unwrap();
    let again = dir.path().join("again.tar");
    let names = dir.path().join("names");
    let options =
        ["--format=ustar", "--numeric-owner", "--no-recursion", "--null", "--hard-dereference"];
    let mut arguments = options.map(OsStr::new).to_vec();
    arguments.extend(args!["-C", &root, "-T", &names, "-cf", &again]);
    oracle::expect(&tar, &arguments);
    assert!(std::fs::read(again).unwrap() == std::fs::read(archive).unwrap());
}

fn device(block: bool, major: u32, minor: u32) -> Kind {
    Kind::Device(Device { block, major, minor })
}

/// What nixpkgs' own tarball lists is what GNU tar lists of the same files here.
#[test]
fn a_container_of_nixpkgs_lists_the_same() {
    let Some(tar) = oracle::need("tar") else { return };
    let listed = include_str!("../../testdata/real/proxmox-lxc/tarball.list");
    let mut corpus = corpus::Corpus::default();
    for line in listed.lines() {
        let mut words = line.split_ascii_whitespace();
        let (mode, size) = (words.next().unwrap(), words.nth(1).unwrap().parse().unwrap());
        let path = words.nth(2).unwrap();
        match mode {
            "drwxr-xr-x" => corpus.directory(path, 0o755),
            "-r--r--r--" => corpus.add(path, file(0o444, size)),
            "-r-xr-xr-x" => corpus.add(path, file(0o555, size)),
            other => panic!("{other}"),
        };
    }
    let (_dir, archive) = written(&corpus.build());
    let said = oracle::expect(&tar, args!["--numeric-owner", "-tvf", &archive]);
    let squeezed = |text: &str| -> Vec<String> {
        text.lines()
            .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    };
    assert_eq!(squeezed(&String::from_utf8(said).unwrap()), squeezed(listed));
}

fn file(mode: u16, size: usize) -> Entry {
    Entry::file(corpus::meta(mode), Source::bytes(vec![b'x'; size]))
}

/// As Proxmox unpacks a template: what a capability is must come through its choice of attributes.
#[test]
fn capabilities_come_through_the_way_of_proxmox() {
    let Some(tar) = oracle::need("tar") else { return };
    if !oracle::may_restore() {
        return;
    }
    let tree = corpus::small();
    let (dir, archive) = written(&tree);
    let root = dir.path().join("root");
    std::fs::create_dir(&root).unwrap();
    let attributes = ["--xattrs-include=user.*", "--xattrs-include=security.capability"];
    let mut arguments = args!["-xpf", &archive, "--numeric-owner", "--acls", "--xattrs"].to_vec();
    arguments.extend(attributes.map(OsStr::new));
    arguments.extend(args!["--warning=no-xattr-write", "-C", &root]);
    oracle::expect(&tar, &arguments);
    let listed = walk::listing(&root);
    let ping =
        tree.listing().lines().find(|line| line.starts_with("/xattrs/ping ")).unwrap().to_owned();
    assert!(ping.contains(" security.capability=01000002"), "{ping}");
    assert!(listed.lines().any(|line| line == ping), "{listed}");
}

#[test]
fn host_files_and_images_within() {
    let dir = tempfile::tempdir().unwrap();
    for (name, size) in [("small", 700), ("large", 3_000_001), ("empty", 0)] {
        std::fs::write(dir.path().join(name), corpus::noise(size, size as usize)).unwrap();
    }
    let host = HostDir::open(dir.path()).unwrap();
    let mut inner = PlanBuilder::new();
    inner.bytes(Bytes::new(600), Label::new("bytes"), *b"inner");
    inner.secret(Bytes::new(1000), Bytes::new(6), Label::new("key"), SecretId("key".into()));
    inner.range(
        Bytes::new(2000),
        Label::new("host"),
        &host.file(b"large").unwrap(),
        Bytes::new(9),
        Bytes::new(99),
    );
    let inner = Source::Plan(Arc::new(inner.finish(Bytes::new(5000)).unwrap()));
    let mut corpus = corpus::Corpus::default();
    for name in ["small", "large", "empty"] {
        let source = host.file(name.as_bytes()).unwrap();
        corpus.add(name, Entry::file(corpus::meta(0o444), source));
    }
    corpus.add("image", Entry::file(corpus::meta(0o600), inner)).file("zzz", *b"last");
    let tree = corpus.build();
    let archive = ours::archive(&tree).unwrap();
    assert_whole(&tree, &archive);
    let mut keys = Keys::none();
    keys.insert_secret(SecretId("key".into()), b"SECRET".to_vec().into());
    let path = dir.path().join("archive.tar");
    to_file(&archive.plan, &keys, &path);
    let bytes = to_stream(&archive.plan, &keys);
    assert!(bytes == std::fs::read(&path).unwrap());
    let mut expected = vec![0; 5000];
    expected[600..605].copy_from_slice(b"inner");
    expected[1000..1006].copy_from_slice(b"SECRET");
    let large = std::fs::read(dir.path().join("large")).unwrap();
    expected[2000..2099].copy_from_slice(&large[9..108]);
    let mut archive = tar::Archive::new(&bytes[..]);
    let mut seen = 0;
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut data = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut data).unwrap();
        let name = OsStr::from_bytes(&entry.path_bytes()).to_owned();
        let wanted = match name.to_str().unwrap() {
            "image" => expected.clone(),
            "zzz" => b"last".to_vec(),
            name => std::fs::read(dir.path().join(name)).unwrap(),
        };
        assert!(data == wanted, "{name:?}");
        seen += 1;
    }
    assert_eq!(seen, 5);
}
