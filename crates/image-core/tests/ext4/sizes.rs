//! Volumes, files and tables of every size.

use super::*;

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
fn as_many_inodes_as_a_group_can_have() {
    let mut options = options(GIB * 3);
    options.bytes_per_inode = KIB * 4;
    let (_dir, image) = temporary("inodes.ext4");
    image::write_sparse(&options.plan(&corpus::small()).unwrap(), &image);
    assert_clean(&image);
    assert_kernel_agrees(&image, &corpus::small());
}
