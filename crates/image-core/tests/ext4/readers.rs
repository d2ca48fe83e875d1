//! Other readers, writing after mounting, old contents, and bytes that stay the same.

use super::*;

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
