//! What a tree may hold, and what is refused.

use super::*;

#[test]
fn the_small_tree() {
    assert_everyone_agrees(&corpus::small(), MIB * 64);
}

#[test]
fn an_empty_tree() {
    assert_everyone_agrees(&corpus::empty(), MIB * 64);
}

#[test]
fn a_directory_of_100_000_names() {
    let tree = corpus::wide(100_000);
    let size = options(BLOCK).minimum_size(&tree).unwrap();
    assert_everyone_agrees(&tree, size);
}

#[test]
fn small_files_300_000() {
    let tree = corpus::many_files(300_000);
    let size = options(BLOCK).minimum_size(&tree).unwrap();
    let (_dir, image) = temporary("many.ext4");
    image::write_poisoned(&plan(&tree, size), &image, image::POISON);
    assert_clean(&image);
    assert_kernel_agrees(&image, &tree);
}

#[test]
fn the_tree_may_bring_its_own_lost_and_found() {
    let mut tree = corpus::Corpus::default();
    tree.directory("lost+found", 0o755).file("before", *b"b").file("lost+found/x", *b"x");
    tree.file("zzz", *b"z");
    let tree = tree.build();
    let (_dir, image) = temporary("lost.ext4");
    image::write_poisoned(&plan(&tree, MIB * 64), &image, image::POISON);
    assert_clean(&image);
    if oracle::may_mount() {
        assert_eq!(walk::listing(Mounted::new(&image, "loop,ro").path()), tree.listing());
    }
    let mut tree = corpus::Corpus::default();
    tree.file("lost+found", *b"");
    let error = options(MIB * 64).plan(&tree.build()).unwrap_err();
    assert_eq!(error, Error::LostFound { found: "file" });
}

#[test]
fn what_ext4_cannot_hold_is_refused() {
    let refused = |path: &str, entry: Entry| {
        let mut tree = corpus::Corpus::default();
        tree.add(path, entry);
        options(MIB * 64).plan(&tree.build()).unwrap_err().to_string()
    };
    let file = || Entry::file(corpus::meta(0o644), Source::bytes(*b""));
    let device = |major, minor| Entry {
        meta: corpus::meta(0o600),
        kind: Kind::Device(Device { block: false, major, minor }),
    };
    let with = |name: &str, value: Vec<u8>| {
        let xattrs = Xattrs::new([(name.as_bytes().to_vec(), value)].into());
        Entry { meta: Meta { xattrs, ..corpus::meta(0o644) }, ..file() }
    };
    for (found, expected) in [
        (refused(&"n".repeat(256), file()), "a name of 256 bytes"),
        (refused("l", Entry::symlink("", Epoch::STORE)), "a link target of 0 bytes"),
        (refused("l", Entry::symlink("t".repeat(4096), Epoch::STORE)), "a link target of 4096"),
        (refused("d", device(4096, 0)), "device 4096,0"),
        (refused("d", device(1, 1 << 20)), "device 1,1048576"),
        (refused("x", with("nonsense", vec![])), "attribute \"nonsense\""),
        (refused("x", with("system.posix_acl_access", vec![9])), "no POSIX ACL"),
        (refused("x", with("user.x", vec![0; 5000])), "bytes of extended attributes"),
    ] {
        assert!(found.contains(expected), "{found:?}");
    }
    let tree = corpus::empty();
    assert!(matches!(options(MIB * 64 + KIB).plan(&tree), Err(Error::PartialBlock { .. })));
    assert!(matches!(options(MIB * (1 << 24)).plan(&tree), Err(Error::TooLarge { .. })));
    assert!(matches!(options(Bytes::ZERO).plan(&tree), Err(Error::TooSmall { .. })));
    assert!(ext4::Label::new("seventeen bytes!!").is_err());
}

#[test]
fn more_subdirectories_than_links_can_count() {
    let mut tree = corpus::Corpus::default();
    for number in 0..65_010 {
        tree.directory(format!("many/{number}"), 0o755);
    }
    let tree = tree.build();
    let size = options(BLOCK).minimum_size(&tree).unwrap();
    let (_dir, image) = temporary("links.ext4");
    image::write_sparse(&plan(&tree, size), &image);
    assert_clean(&image);
}

#[test]
fn an_image_within_has_no_gaps() {
    let mut inner = PlanBuilder::new();
    inner.bytes(Bytes::new(5000), Label::new("data"), *b"inner");
    inner.zeros(Bytes::new(9000), KIB, Label::new("zeros"));
    let inner = inner.finish(Bytes::new(20_000)).unwrap();
    let mut tree = corpus::Corpus::default();
    let source = Source::Plan(Arc::new(inner));
    tree.add("image", Entry::file(corpus::meta(0o644), source));
    let (_dir, image) = temporary("nested.ext4");
    image::write_poisoned(&plan(&tree.build(), MIB * 64), &image, image::POISON);
    assert_clean(&image);
    if oracle::may_mount() {
        let mounted = Mounted::new(&image, "loop,ro");
        let mut expected = vec![0; 20_000];
        expected[5000..5005].copy_from_slice(b"inner");
        assert!(std::fs::read(mounted.path().join("image")).unwrap() == expected);
    }
}

#[test]
fn hashed_directories_of_any_names() {
    let mut tree = corpus::Corpus::default();
    for number in 0..4000u64 {
        // Any byte but NUL and the slash, at any length.
        let mut name = corpus::noise(number, number as usize % 250);
        name.iter_mut().filter(|byte| matches!(**byte, 0 | b'/')).for_each(|byte| *byte = b'_');
        tree.file([b"any/", name.as_slice(), number.to_string().as_bytes()].concat(), []);
    }
    assert_everyone_agrees(&tree.build(), MIB * 64);
}

#[test]
fn access_control_lists_are_stored_as_ext4_has_them() {
    // Version 2; user::rwx, user:1000:r--, group::r-x, mask::r-x, other::---.
    let entries: [(u16, u16, u32); 5] =
        [(1, 7, u32::MAX), (2, 4, 1000), (4, 5, u32::MAX), (16, 5, u32::MAX), (32, 0, u32::MAX)];
    let mut acl = vec![2, 0, 0, 0];
    for (tag, permissions, id) in entries {
        acl.extend(tag.to_le_bytes());
        acl.extend(permissions.to_le_bytes());
        acl.extend(id.to_le_bytes());
    }
    let named = |name: &str| (name.as_bytes().to_vec(), acl.clone());
    let attributes = [named("system.posix_acl_access"), named("system.posix_acl_default")];
    let xattrs = Xattrs::new(attributes.into());
    let mut tree = corpus::Corpus::default();
    tree.add("with", Entry::directory(Meta { xattrs, ..corpus::meta(0o750) }));
    assert_everyone_agrees(&tree.build(), MIB * 64);
}
