//! Contents pressed to squashfs blocks: whole images, read by `unsquashfs`, whatever way they were made.

use std::path::Path;
use std::process::{Command, Stdio};

use calve_image_core::plan::Plan;
use calve_image_core::units::{KIB, MIB};
use calve_image_core::writers::squashfs::{self, Codec, Press, Settings, Stored};

use super::*;
use crate::contract::image;

const CODECS: [Codec; 5] = [Codec::Plain, Codec::Gzip(1), Codec::Xz(0), Codec::Lz4, Codec::Zstd(1)];

/// How an image is made; none of it may show.
#[derive(Clone, Copy, Default)]
struct Way<'a> {
    cache: Option<&'a Cache>,
    workers: usize,
}

/// Packs and plans an image of a tree.
fn squash(tree: &Tree, closure: &Closure, settings: &Settings, way: Way<'_>) -> (Plan, Packed) {
    let spool = tempfile::tempdir().unwrap();
    let row = squashfs::serial(tree, settings).unwrap();
    let press = Press::new(tree, settings);
    let request = Request {
        tree,
        row: &row,
        closure,
        press: &press,
        keys: &Keys::none(),
        cache: way.cache,
        spool: spool.path(),
    };
    let workers = NonZeroUsize::new(way.workers).unwrap_or(NonZeroUsize::MIN);
    let options = region::Options { workers, memory: GIB * 4, ..region::Options::default() };
    let packed = pack::pack(&request, &options).unwrap();
    let stored = Stored::of(tree, &packed, settings).unwrap();
    (squashfs::plan(tree, &stored, settings).unwrap(), packed)
}

/// Unpacks an image, and compares all files with what the tree has.
fn unsquash(tool: &Path, plan: &Plan, tree: &Tree) {
    let dir = tempfile::tempdir().unwrap();
    let (file, root) = (dir.path().join("image"), dir.path().join("root"));
    image::write_poisoned(plan, &file, image::POISON);
    oracle::expect(tool, args!["-no-xattrs", "-no-progress", "-dest", &root, &file]);
    let row = squashfs::serial(tree, &Settings::new(Codec::Plain, Epoch::STORE)).unwrap();
    let (keys, mut files) = (Keys::none(), 0);
    let reader = Reader::new(&row.plan, &keys).unwrap();
    for node in tree.iter() {
        let calve_image_core::tree::Kind::File(source) = node.kind() else { continue };
        let mut expected = vec![0; source.size().to_len().unwrap()];
        reader.read(row.start(node.id()), &mut expected).unwrap();
        let path = root.join(node.path().to_string().trim_start_matches('/'));
        assert!(fs::read(&path).unwrap() == expected, "{}", path.display());
        files += 1;
    }
    assert!(files > 0);
}

fn no_closure() -> Closure {
    closure(vec![info(store_path(0), NarHash::from_bytes([0; 32]))])
}

/// Files of every size that means something, and what is stored only once or not at all.
fn sizes() -> Tree {
    let mut tree = TreeBuilder::new(Epoch::STORE);
    let layer = tree.layer("sizes");
    let mut add = |name: String, data: Vec<u8>| {
        let file = Entry::file(Meta::root(Mode::F644, Epoch::STORE), Source::bytes(data));
        tree.add(layer, TreePath::parse(format!("/{name}")).unwrap(), file);
    };
    let (block, slab) = (1 << 20, 16 << 20);
    for size in [0, 1, 100, block - 1, block, block + 1, 3 * block, slab - 1, slab, slab + 1] {
        let mut data = noise(9, 100_003).repeat(size / 100_003 + 1);
        data.truncate(size);
        add(format!("{size:08}"), data.clone());
        if size < slab - 1 || size > slab {
            add(format!("{size:08} again"), data);
            add(format!("{size:08} of zeros"), vec![0; size]);
        }
    }
    let mut holes = vec![0; 5 * block];
    holes[2 * block + 7] = 1;
    add("holes".to_owned(), holes);
    for number in 0..300 {
        add(format!("small {number}"), noise(number, 7000 + usize::try_from(number).unwrap()));
    }
    tree.build().unwrap()
}

#[test]
fn sizes_come_back_with_every_codec() {
    let Some(tool) = oracle::need("unsquashfs") else { return };
    let tree = sizes();
    for codec in CODECS {
        let settings = Settings::new(codec, Epoch::STORE);
        let (plan, _) = squash(&tree, &no_closure(), &settings, Way { cache: None, workers: 2 });
        unsquash(&tool, &plan, &tree);
    }
    // The smallest blocks, and as many as possible.
    let settings = Settings { block: KIB * 4, ..Settings::new(Codec::Lz4, Epoch::STORE) };
    let (plan, _) = squash(&tree, &no_closure(), &settings, Way::default());
    unsquash(&tool, &plan, &tree);
}

#[test]
fn zeros_and_copies_take_no_space() {
    let tree = sizes();
    let settings = Settings::new(Codec::Plain, Epoch::STORE);
    let (plan, _) = squash(&tree, &no_closure(), &settings, Way::default());
    let large = [1, 1, 3, 16, 16, 16].into_iter().map(|size| MIB * size).sum::<Bytes>();
    // Beside small files, each of the large ones once, and of the one with holes one block.
    let (least, most) = (large + MIB, large + MIB * 9);
    assert!((least..most).contains(&plan.size()), "{}", plan.size());
}

#[test]
fn the_same_image_cold_warm_and_with_any_number_of_workers() {
    let (Some(store), Some(tool)) = (Store::new(), oracle::need("unsquashfs")) else { return };
    let Store { tree, closure, .. } = &store;
    for codec in [Codec::Zstd(1), Codec::Gzip(1)] {
        let settings = Settings::new(codec, Epoch::STORE);
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path(), GIB).unwrap();
        let (alone, _) = squash(tree, closure, &settings, Way::default());
        unsquash(&tool, &alone, tree);
        let expected = bytes(&alone, &Keys::none());
        let cold = Way { cache: Some(&cache), workers: 4 };
        let warm = Way { cache: Some(&cache), workers: 3 };
        for (way, reuses) in [(Way { cache: None, workers: 4 }, false), (cold, false), (warm, true)]
        {
            let (plan, packed) = squash(tree, closure, &settings, way);
            assert!(packed.unverified.is_empty());
            assert_eq!(packed.reused > MIB * 39, reuses, "{}", packed.reused);
            assert!(bytes(&plan, &Keys::none()) == expected, "{codec}");
        }
    }
}

#[test]
fn other_settings_find_nothing_in_the_cache() {
    let Some(store) = Store::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path(), GIB).unwrap();
    let way = Way { cache: Some(&cache), workers: 2 };
    let settings = Settings::new(Codec::Lz4, Epoch::STORE);
    squash(&store.tree, &store.closure, &settings, way);
    let small = Settings { block: KIB * 128, ..settings };
    let plain = Settings { codec: Codec::Plain, ..settings };
    for other in [small, plain] {
        let (_, packed) = squash(&store.tree, &store.closure, &other, way);
        assert_eq!(packed.reused, Bytes::ZERO);
    }
    let later = Settings { epoch: Epoch::new(99), ..settings };
    let (_, packed) = squash(&store.tree, &store.closure, &later, way);
    assert!(packed.reused > MIB * 39, "no data depend on the time");
}

#[test]
fn a_damaged_cache_is_an_error_or_is_noticed() {
    // What packing gives is read again when data are placed: by then it may have changed.
    let tree = sizes();
    let settings = Settings::new(Codec::Lz4, Epoch::STORE);
    let (_, mut packed) = squash(&tree, &no_closure(), &settings, Way::default());
    let (_, block) = &mut packed.blocks[0];
    block.start += Bytes::new(1);
    let error = Stored::of(&tree, &packed, &settings).unwrap_err();
    assert_eq!(error.to_string(), "the index of packed block 0 is damaged");
}

#[test]
fn programs_of_the_same_name_read_the_blocks() {
    let data = noise(5, 3000).repeat(100);
    let zlib = "import sys,zlib;sys.stdout.buffer.write(zlib.decompress(sys.stdin.buffer.read()))";
    let readers: [(Codec, &str, &[&str]); 3] = [
        (Codec::Gzip(9), "python3", &["-c", zlib]),
        (Codec::Xz(6), "xz", &["-dc"]),
        (Codec::Zstd(22), "zstd", &["-dc"]),
    ];
    for (codec, tool, arguments) in readers {
        let Some(tool) = oracle::need(tool) else { continue };
        let mut block = Vec::new();
        let word = codec.encoder().unwrap().compress(&data, &mut block).unwrap();
        assert!(!word.is_plain() && word.size() < Bytes::of(&data));
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("block"), &block).unwrap();
        let input = fs::File::open(dir.path().join("block")).unwrap();
        let mut program = Command::new(tool);
        program.args(arguments).stdin(input).stderr(Stdio::inherit());
        assert!(program.output().unwrap().stdout == data, "{codec}");
    }
}
