//! ext4 images, judged by e2fsprogs, the kernel and another reader.

#![allow(clippy::unwrap_used, clippy::panic, clippy::as_conversions, clippy::disallowed_methods)]

mod contract;

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use calve_image_core::epoch::Epoch;
use calve_image_core::plan::{Content, Label, Plan, PlanBuilder};
use calve_image_core::tree::{Device, Entry, HostDir, Kind, Meta, Source, Tree, Xattrs};
use calve_image_core::units::{Bytes, GIB, KIB, MIB};
use calve_image_core::writers::ext4::{self, Error, Ext4};
use contract::{corpus, image, oracle, walk};
use uuid::Uuid;

const BLOCK: Bytes = Bytes::new(4096);
const TIB: Bytes = Bytes::new(1 << 40);

fn options(size: Bytes) -> Ext4 {
    let uuid = Uuid::from_u128(0x1111_2222_3333_4444_5555_6666_7777_8888);
    let seed = Uuid::from_u128(0xFFEE_DDCC_BBAA_9988_7766_5544_3322_1100);
    Ext4::new(size, uuid, seed)
}

fn plan(tree: &Tree, size: Bytes) -> Plan {
    options(size).plan(tree).unwrap()
}

/// `e2fsck -fn` must find nothing to say.
fn assert_clean(image: &Path) {
    let Some(e2fsck) = oracle::need("e2fsck") else { return };
    let output = oracle::run(&e2fsck, args!["-fn", image]);
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints: Vec<_> = said
        .lines()
        .filter(|line| !line.starts_with("Pass ") && !line.contains(" files ("))
        .collect();
    assert!(output.status.success() && complaints.is_empty(), "{said}");
}

/// Mounts an image read-only and unmounts it when dropped.
struct Mounted {
    dir: tempfile::TempDir,
}

impl Mounted {
    fn new(image: &Path, options: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mount = oracle::need("mount").unwrap();
        oracle::expect(&mount, args!["-o", options, image, dir.path()]);
        Self { dir }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let status = Command::new("umount").arg(self.path()).status().unwrap();
        assert!(status.success());
    }
}

/// What the kernel lists must be the tree, and `lost+found`.
fn assert_kernel_agrees(image: &Path, tree: &Tree) {
    if !oracle::may_mount() {
        return;
    }
    let mounted = Mounted::new(image, "loop,ro");
    let listed = walk::listing(mounted.path());
    let (lost_found, rest): (Vec<_>, Vec<_>) =
        listed.lines().partition(|line| line.starts_with("/lost+found "));
    assert_eq!(lost_found, ["/lost+found d 0700 0:0 1"]);
    let rest = rest.into_iter().fold(String::new(), |text, line| text + line + "\n");
    assert_eq!(rest, tree.listing());
    walk::assert_same_data(tree, mounted.path());
}

fn temporary(name: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join(name);
    (dir, image)
}

/// Writes a plan with poisoned gaps and lets everybody look at it.
fn assert_everyone_agrees(tree: &Tree, size: Bytes) {
    let (_dir, image) = temporary("image.ext4");
    image::write_poisoned(&plan(tree, size), &image, image::POISON);
    assert_clean(&image);
    assert_kernel_agrees(&image, tree);
}

#[test]
fn the_small_tree() {
    assert_everyone_agrees(&corpus::small(), MIB * 64);
}

#[test]
fn an_empty_tree() {
    assert_everyone_agrees(&corpus::empty(), MIB * 64);
}

#[test]
fn several_groups_and_an_odd_last_one() {
    // One group; two; six with three copies of the superblock; a last group too small to use.
    for blocks in [32_768, 32_769, 65_536, 5 * 32_768 + 7] {
        assert_everyone_agrees(&corpus::small(), BLOCK * blocks);
    }
    // Two flex groups, the second of one short group.
    let (_dir, image) = temporary("image.ext4");
    image::write_sparse(&plan(&corpus::small(), BLOCK * (16 * 32_768 + 3000)), &image);
    assert_clean(&image);
    assert_kernel_agrees(&image, &corpus::small());
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
fn a_sparse_source_of_5_gib() {
    let (dir, image) = temporary("large.ext4");
    let source = std::fs::File::create(dir.path().join("source")).unwrap();
    let marks = [0, 1 << 31, (1 << 32) + 4095, (5 << 30) - 1];
    source.set_len(5 << 30).unwrap();
    marks.iter().for_each(|at| source.write_all_at(b"!", *at).unwrap());
    let host = HostDir::open(dir.path()).unwrap().file(b"source").unwrap();
    let mut tree = corpus::Corpus::default();
    tree.add("large", Entry::file(corpus::meta(0o644), host)).file("small", *b"s");
    let tree = tree.build();
    image::write_sparse(&plan(&tree, MIB * 6144), &image);
    assert_clean(&image);
    if oracle::may_mount() {
        let mounted = Mounted::new(&image, "loop,ro");
        let copy = std::fs::File::open(mounted.path().join("large")).unwrap();
        assert_eq!(copy.metadata().unwrap().len(), 5 << 30);
        for at in marks {
            let mut byte = [0; 2];
            let read = copy.read_at(&mut byte, at).unwrap();
            assert_eq!(byte[0], b'!', "byte {at}");
            assert!(read == 1 || byte[1] == 0);
        }
    }
}

#[test]
fn minimum_size_is_the_least_that_works() {
    for tree in [corpus::empty(), corpus::small(), corpus::many_files(5000)] {
        let size = options(BLOCK).minimum_size(&tree).unwrap();
        assert_everyone_agrees(&tree, size);
        let error = options(size - BLOCK).plan(&tree).unwrap_err();
        assert_eq!(error, Error::TooSmall { size: size - BLOCK, needed: size });
    }
}

#[test]
fn every_larger_size_works() {
    let tree = corpus::many_files(20_000);
    let size = options(BLOCK).minimum_size(&tree).unwrap();
    for more in (0..40).chain((0..40_000).step_by(997)) {
        plan(&tree, size + BLOCK * more);
    }
}

#[test]
fn grows_to_twice_its_size() {
    let Some(resize2fs) = oracle::need("resize2fs") else { return };
    let tree = corpus::small();
    for size in [MIB * 40, MIB * 300, MIB * 2100] {
        let (_dir, image) = temporary("grown.ext4");
        image::write_sparse(&plan(&tree, size), &image);
        let file = std::fs::File::options().write(true).open(&image).unwrap();
        file.set_len((size * 2).get()).unwrap();
        oracle::expect(&resize2fs, args![&image]);
        assert_clean(&image);
        assert_kernel_agrees(&image, &tree);
    }
}

#[test]
fn is_written_to_after_mounting() {
    if !oracle::may_mount() {
        return;
    }
    let (_dir, image) = temporary("used.ext4");
    let mut tree = corpus::Corpus::default();
    for n in 0..2000 {
        tree.file(format!("dir/{n}-{}", "x".repeat(n % 200)), *b"old");
    }
    image::write_poisoned(&plan(&tree.build(), MIB * 200), &image, image::POISON);
    let mounted = Mounted::new(&image, "loop");
    for number in 0..3000u32 {
        let data = corpus::noise(number.into(), number as usize * 7);
        std::fs::write(mounted.path().join(format!("dir/new {number}")), data).unwrap();
    }
    (0..2000).step_by(3).for_each(|n| {
        let old = mounted.path().join(format!("dir/{n}-{}", "x".repeat(n % 200)));
        std::fs::remove_file(old).unwrap();
    });
    std::fs::create_dir_all(mounted.path().join("a/b/c")).unwrap();
    drop(mounted);
    assert_clean(&image);
}

#[test]
fn two_trees_of_the_same_make_the_same_plan() {
    let listing = || plan(&corpus::small(), MIB * 64).listing();
    assert_eq!(listing(), listing());
}

#[test]
fn another_reader_reads_the_same() {
    let tree = corpus::small();
    let (_dir, image) = temporary("viewed.ext4");
    image::write_poisoned(&plan(&tree, MIB * 64), &image, image::POISON);
    let view = ext4_view::Ext4::load(Box::new(std::fs::read(&image).unwrap())).unwrap();
    // That reader takes times from 2038 on for corrupt; the kernel reads them.
    for node in tree.iter().filter(|node| node.meta().mtime.seconds() < 1 << 31) {
        let path = [b"/".as_slice(), node.path().relative()].concat();
        let path = ext4_view::Path::try_from(path.as_slice()).unwrap();
        match node.kind() {
            Kind::File(source) => {
                assert_eq!(view.read(path).unwrap(), walk::read(source), "{path:?}");
            }
            Kind::Symlink(target) => {
                assert_eq!(view.read_link(path).unwrap().as_ref(), &target[..], "{path:?}");
            }
            Kind::Directory => {
                let names = view.read_dir(path).unwrap().count();
                let made = usize::from(node.parent().is_none());
                assert_eq!(names, 2 + made + node.children().count(), "{path:?}");
            }
            Kind::Device(_) | Kind::Fifo => assert!(view.exists(path).unwrap(), "{path:?}"),
        }
    }
}

#[test]
fn debugfs_reads_the_same() {
    let Some(debugfs) = oracle::need("debugfs") else { return };
    let mut corpus = corpus::Corpus::default();
    for size in [0, 1, 4096, 70_000] {
        corpus.file(format!("files/{size}"), corpus::noise(size as u64, size));
    }
    let tree = corpus.build();
    let (dir, image) = temporary("dumped.ext4");
    image::write_poisoned(&plan(&tree, MIB * 64), &image, image::POISON);
    let request = format!("rdump /files {}", dir.path().display());
    oracle::expect(&debugfs, args!["-R", &request, &image]);
    walk::assert_same_data(&tree, dir.path());
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
fn volumes_up_to_the_largest() {
    let tree = corpus::small();
    for size in [GIB * 18, GIB * 100, TIB, TIB * 15] {
        let (_dir, image) = temporary("large.ext4");
        image::write_sparse(&plan(&tree, size), &image);
        assert_clean(&image);
        assert_kernel_agrees(&image, &tree);
    }
}

#[test]
fn a_file_of_1_tib_has_extents_on_three_levels() {
    let (dir, image) = temporary("deep.ext4");
    let source = std::fs::File::create(dir.path().join("source")).unwrap();
    source.set_len(TIB.get()).unwrap();
    let host = HostDir::open(dir.path()).unwrap().file(b"source").unwrap();
    let mut tree = corpus::Corpus::default();
    tree.add("large", Entry::file(corpus::meta(0o644), host)).file("next", *b"n");
    let plan = plan(&tree.build(), TIB + GIB * 32);
    let mut metadata = PlanBuilder::new();
    for piece in plan.pieces() {
        if let Content::Bytes(data) = &piece.content {
            metadata.bytes(piece.offset, Label::new("metadata"), Arc::clone(data));
        }
    }
    image::write_sparse(&metadata.finish(plan.size()).unwrap(), &image);
    assert_clean(&image);
    let Some(debugfs) = oracle::need("debugfs") else { return };
    let said = oracle::expect(&debugfs, args!["-R", "dump_extents /large", &image]);
    assert!(String::from_utf8_lossy(&said).contains("2/ 2"));
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
fn as_many_inodes_as_a_group_can_have() {
    let mut options = options(GIB * 3);
    options.bytes_per_inode = KIB * 4;
    let (_dir, image) = temporary("inodes.ext4");
    image::write_sparse(&options.plan(&corpus::small()).unwrap(), &image);
    assert_clean(&image);
    assert_kernel_agrees(&image, &corpus::small());
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
fn what_an_older_file_system_left_is_not_noticed() {
    let older = corpus::many_files(3000);
    let tree = corpus::small();
    let (_dir, image) = temporary("reused.ext4");
    let mut options = options(MIB * 64);
    options.uuid = Uuid::from_u128(7);
    image::write_sparse(&options.plan(&older).unwrap(), &image);
    image::write_over(&plan(&tree, MIB * 64), &image);
    assert_clean(&image);
    assert_kernel_agrees(&image, &tree);
}

#[test]
fn has_the_features_of_mke2fs() {
    let Some(dumpe2fs) = oracle::need("dumpe2fs") else { return };
    let (_dir, image) = temporary("features.ext4");
    let mut options = options(MIB * 64);
    options.label = ext4::Label::new("nixos").unwrap();
    image::write_sparse(&options.plan(&corpus::empty()).unwrap(), &image);
    let said = oracle::expect(&dumpe2fs, args!["-h", &image]);
    let said = String::from_utf8(said).unwrap();
    for line in [
        "Filesystem volume name:   nixos",
        "Filesystem UUID:          11112222-3333-4444-5555-666677778888",
        "Filesystem features:      has_journal ext_attr resize_inode dir_index filetype extent 64bit \
         flex_bg sparse_super large_file huge_file dir_nlink extra_isize metadata_csum",
        "Filesystem flags:         signed_directory_hash ",
        "Default mount options:    user_xattr acl",
        "Filesystem state:         clean",
        "Reserved block count:     819",
        "Group descriptor size:    64",
        "Flex block group size:    16",
        "Maximum mount count:      -1",
        "Required extra isize:     32",
        "Default directory hash:   half_md4",
        "Directory Hash Seed:      ffeeddcc-bbaa-9988-7766-554433221100",
        "Journal backup:           inode blocks",
        "Checksum type:            crc32c",
        "Journal start:            0",
    ] {
        assert!(said.lines().any(|found| found == line), "no {line:?} in\n{said}");
    }
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

#[test]
fn the_plan_of_a_little_tree() {
    let mut tree = corpus::Corpus::default();
    tree.file("bin/sh", corpus::noise(1, 5000)).symlink("link", "bin/sh");
    insta::assert_snapshot!(plan(&tree.build(), MIB * 16).listing());
}

#[test]
fn bytes_do_not_change_by_accident() {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(plan(&corpus::small(), MIB * 64).listing());
    let digest = digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    assert_eq!(digest, "1f05ce3768024101431155d84d1893e1f0e5ef72dad3e51fa0521dec334085be");
}
