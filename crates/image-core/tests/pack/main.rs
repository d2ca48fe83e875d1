//! Shelves, the check against Nix' hashes, and what packing gives: the same bytes however it is done.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

#[path = "../contract/mod.rs"]
mod contract;
mod shelves;
mod squashfs;

use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use calve_image_core::cache::Cache;
use calve_image_core::epoch::Epoch;
use calve_image_core::inputs::closure::{Closure, PathInfo};
use calve_image_core::inputs::nar_hash::NarHash;
use calve_image_core::inputs::store::HostStore;
use calve_image_core::inputs::store_path::StorePath;
use calve_image_core::inputs::store_tree;
use calve_image_core::pack::nar::Check;
use calve_image_core::pack::shelf::{self, Shelf};
use calve_image_core::pack::{self, Codec, Packed, Request};
use calve_image_core::plan::{Label, PlanBuilder, SecretId, Serial};
use calve_image_core::region::{self, Cancel, Keys, Reader, Region};
use calve_image_core::tree::{Entry, Meta, Mode, Source, Tree, TreeBuilder, TreePath};
use calve_image_core::units::{Bytes, GIB};
use calve_image_core::writers::tar;
use contract::corpus::noise;
use contract::oracle;
use zeroize::Zeroizing;

/// A store path of the right form whose hash part tells nothing.
fn store_path(number: u32) -> StorePath {
    let digits = b"0123456789abcdfghijklmnpqrsvwxyz";
    let hash = noise(u64::from(number) + 1, 32);
    let hash: String = hash.iter().map(|byte| char::from(digits[usize::from(byte % 32)])).collect();
    StorePath::from_base_name(&format!("{hash}-p{number}")).unwrap()
}

fn info(path: StorePath, nar_hash: NarHash) -> PathInfo {
    PathInfo {
        path,
        nar_hash,
        nar_size: 1,
        references: Vec::new(),
        deriver: None,
        signatures: Vec::new(),
        ca: None,
        ultimate: false,
    }
}

fn closure(infos: Vec<PathInfo>) -> Closure {
    let roots: Vec<StorePath> = infos.iter().map(|info| info.path.clone()).collect();
    Closure::of(infos, &roots).unwrap()
}

/// A store on disk, made to be hard on whoever hashes it, and a tree of it.
struct Store {
    _dir: tempfile::TempDir,
    directory: PathBuf,
    tree: Tree,
    row: Serial,
    closure: Closure,
}

const HASHES: &str = "nix-hash";

/// The SHA-256 of a path's NAR, by Nix.
fn nar_hash(tool: &Path, path: &Path) -> NarHash {
    let hash = oracle::expect(tool, args!["--type", "sha256", path]);
    String::from_utf8(hash).unwrap().trim().parse().unwrap()
}

impl Store {
    fn new() -> Option<Self> {
        let tool = oracle::need(HASHES)?;
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("nix/store");
        let at = |number: u32| store.join(store_path(number).base_name());
        fs::create_dir_all(at(0).join("bin")).unwrap();
        fs::write(at(0).join("bin/tool"), noise(1, 70_000)).unwrap();
        fs::set_permissions(at(0).join("bin/tool"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(at(0).join("empty"), "").unwrap();
        symlink("bin/tool", at(0).join("link")).unwrap();
        fs::create_dir_all(at(0).join("z/deep/er")).unwrap();
        fs::write(at(1), "a path that is a file").unwrap();
        symlink(at(1), at(2)).unwrap();
        fs::create_dir_all(at(3)).unwrap();
        fs::write(at(4), "").unwrap();
        fs::set_permissions(at(4), fs::Permissions::from_mode(0o755)).unwrap();
        for number in 5..40 {
            fs::create_dir_all(at(number).join("share")).unwrap();
            let len = usize::try_from(number * 9973).unwrap();
            fs::write(at(number).join("share/data"), noise(u64::from(number), len)).unwrap();
        }
        // Larger than two blocks: its parts are compressed by themselves.
        fs::create_dir_all(at(40)).unwrap();
        fs::write(at(40).join("a"), noise(3, 100_003).repeat(180)).unwrap();
        fs::write(at(40).join("b"), noise(4, 99_991).repeat(160)).unwrap();
        fs::write(at(40).join("c"), vec![0; 100_001]).unwrap();
        let infos = (0..=40).map(|number| info(store_path(number), nar_hash(&tool, &at(number))));
        let closure = closure(infos.collect());
        let (tree, row) = read(dir.path(), &closure);
        Some(Self { directory: store, _dir: dir, tree, row, closure })
    }

    fn shelves(&self) -> Vec<Shelf> {
        shelf::cut(&self.tree, &self.row, &self.closure).unwrap()
    }

    fn pack(&self, how: &How<'_>) -> Result<Packed, pack::Error> {
        let spool = tempfile::tempdir().unwrap();
        let request = Request {
            tree: &self.tree,
            row: &self.row,
            closure: how.closure.unwrap_or(&self.closure),
            press: &how.codec,
            keys: &how.keys,
            cache: how.cache,
            spool: spool.path(),
        };
        let options = region::Options {
            workers: NonZeroUsize::new(how.workers).unwrap(),
            memory: GIB * 4,
            cancel: how.cancel.clone(),
            ..region::Options::default()
        };
        pack::pack(&request, &options)
    }

    /// The tar, as it is before compressing.
    fn plain(&self) -> Vec<u8> {
        bytes(&self.row.plan, &Keys::none())
    }
}

struct How<'a> {
    codec: Codec,
    cache: Option<&'a Cache>,
    workers: usize,
    closure: Option<&'a Closure>,
    keys: Keys,
    cancel: Cancel,
}

impl Default for How<'_> {
    fn default() -> Self {
        Self {
            codec: Codec::Zstd(1),
            cache: None,
            workers: 2,
            closure: None,
            keys: Keys::none(),
            cancel: Cancel::new(),
        }
    }
}

fn read(root: &Path, closure: &Closure) -> (Tree, Serial) {
    let mut tree = TreeBuilder::new(Epoch::STORE);
    store_tree::add(&mut tree, &HostStore::at(root), closure).unwrap();
    let tree = tree.build().unwrap();
    let row = tar::archive(&tree).unwrap();
    (tree, row)
}

fn bytes(plan: &calve_image_core::plan::Plan, keys: &Keys) -> Vec<u8> {
    let mut out = Vec::new();
    region::write(plan, Region::Forward(&mut out), keys, &region::Options::default()).unwrap();
    out
}

#[test]
fn paths_hash_as_nix_hashes_them() {
    let Some(store) = Store::new() else { return };
    let keys = Keys::none();
    let reader = Reader::new(&store.row.plan, &keys).unwrap();
    for step in [13, 512, 4096, 1 << 20, 64 << 20] {
        for shelf in store.shelves() {
            let len = (shelf.end - shelf.start).to_len().unwrap();
            // Tiny steps through the large path would take long and show nothing new.
            if step < 4096 && len > 10 << 20 {
                continue;
            }
            let mut data = vec![0; len];
            reader.read(shelf.start, &mut data).unwrap();
            let mut check = Check::new(&store.tree, &store.row, &shelf);
            data.chunks(step).for_each(|part| check.update(part));
            assert!(check.finish().is_empty(), "in steps of {step}");
        }
    }
    let shelf = store.shelves().into_iter().find(|shelf| shelf.paths.len() > 3).unwrap();
    let mut data = vec![0; (shelf.end - shelf.start).to_len().unwrap()];
    reader.read(shelf.start, &mut data).unwrap();
    let victim = shelf.paths[2].node;
    let file = store.tree.node(victim).subtree().find(|node| !node.is_directory()).unwrap();
    let (_, end) = store.row.contents(file.id(), Bytes::new(1));
    let at = (end - shelf.start).to_len().unwrap() - 1;
    let mut check = Check::new(&store.tree, &store.row, &shelf);
    data[at] ^= 1;
    check.update(&data);
    assert_eq!(check.finish(), [victim], "one flipped bit, one path");
    let mut check = Check::new(&store.tree, &store.row, &shelf);
    data[at] ^= 1;
    check.update(&data[..at]);
    let expected: Vec<_> = shelf.paths[2..].iter().map(|member| member.node).collect();
    assert_eq!(check.finish(), expected, "what never came by is not what is registered");
}

#[test]
fn the_same_bytes_cold_warm_and_with_any_number_of_workers() {
    let Some(store) = Store::new() else { return };
    let plain = store.plain();
    for codec in [Codec::Zstd(1), Codec::Xz(0), Codec::Gzip(1)] {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path(), GIB).unwrap();
        let with = |cache, workers| store.pack(&How { codec, cache, workers, ..How::default() });
        let alone = with(None, 1).unwrap();
        assert_eq!((alone.reused, alone.unverified.len()), (Bytes::ZERO, 0));
        let expected = bytes(&alone.plan(codec).unwrap(), &Keys::none());
        let cold = with(Some(&cache), 4).unwrap();
        assert_eq!(cold.reused, Bytes::ZERO);
        let warm = with(Some(&cache), 3).unwrap();
        let kept = store.shelves().into_iter().filter(|shelf| !shelf.paths.is_empty());
        assert_eq!(warm.reused, kept.map(|shelf| shelf.end - shelf.start).sum());
        for packed in [with(None, 4).unwrap(), cold, warm] {
            assert!(packed.unverified.is_empty());
            let found = bytes(&packed.plan(codec).unwrap(), &Keys::none());
            assert!(found == expected, "{codec:?}");
        }
        assert!(unpacked(codec, &expected) == plain, "{codec:?}");
    }
}

fn unpacked(codec: Codec, data: &[u8]) -> Vec<u8> {
    use std::io::Read;
    let mut plain = Vec::new();
    match codec {
        Codec::Zstd(_) => zstd::Decoder::new(data).unwrap().read_to_end(&mut plain).unwrap(),
        Codec::Xz(_) => liblzma::read::XzDecoder::new(data).read_to_end(&mut plain).unwrap(),
        Codec::Gzip(_) => flate2::read::GzDecoder::new(data).read_to_end(&mut plain).unwrap(),
    };
    plain
}

#[test]
fn what_is_not_registered_is_packed_but_not_kept() {
    let Some(store) = Store::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path(), GIB).unwrap();
    let mut infos = store.closure.paths().to_vec();
    let wrong = [7, 40].map(store_path);
    for info in infos.iter_mut().filter(|info| wrong.contains(&info.path)) {
        info.nar_hash = NarHash::from_bytes([9; 32]);
    }
    let registered = closure(infos);
    let how = || How { cache: Some(&cache), closure: Some(&registered), ..How::default() };
    let first = store.pack(&how()).unwrap();
    let second = store.pack(&how()).unwrap();
    let expected = wrong.each_ref().map(|path| TreePath::parse(path.to_string()).unwrap());
    for packed in [&first, &second] {
        let mut found = packed.unverified.clone();
        found.sort();
        let mut expected = expected.to_vec();
        expected.sort();
        assert_eq!(found, expected);
        let found = bytes(&packed.plan(Codec::Zstd(1)).unwrap(), &Keys::none());
        assert!(unpacked(Codec::Zstd(1), &found) == store.plain());
    }
    // Their shelves are packed anew each time; the others are not.
    let bad: Bytes = store
        .shelves()
        .iter()
        .filter(|shelf| {
            let is_wrong =
                |name: &[u8]| wrong.iter().any(|path| path.base_name().as_bytes() == name);
            shelf.paths.is_empty()
                || shelf.paths.iter().any(|member| is_wrong(store.tree.node(member.node).name()))
        })
        .map(|shelf| shelf.end - shelf.start)
        .sum();
    assert_eq!(second.reused, store.row.plan.size() - bad);
}

#[test]
fn a_file_that_changes_stops_it_and_the_cache_stays_whole() {
    let Some(store) = Store::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path(), GIB).unwrap();
    let how = || How { cache: Some(&cache), workers: 4, ..How::default() };
    let file = store.directory.join(store_path(40).base_name()).join("b");
    let before = fs::read(&file).unwrap();
    fs::write(&file, &before[..1000]).unwrap();
    let error = store.pack(&how()).unwrap_err();
    let chain =
        format!("{error}: {:?}", std::error::Error::source(&error).map(ToString::to_string));
    assert!(chain.contains("changed while"), "{chain}");
    fs::write(&file, &before).unwrap();
    let (tree, row) = read(store.directory.parent().unwrap().parent().unwrap(), &store.closure);
    let store = Store { tree, row, ..store };
    let packed = store.pack(&how()).unwrap();
    assert!(
        unpacked(Codec::Zstd(1), &bytes(&packed.plan(Codec::Zstd(1)).unwrap(), &Keys::none()))
            == store.plain()
    );

    let cancel = Cancel::new();
    cancel.cancel();
    let error = store.pack(&How { cancel, ..How::default() }).unwrap_err();
    assert!(matches!(error, pack::Error::Read(region::Error::Cancelled)), "{error}");
}

#[test]
fn secrets_are_packed_and_never_kept() {
    const SECRET: &[u8; 4096] = &[b'S'; 4096];
    let Some(store) = Store::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path(), GIB).unwrap();
    let id = SecretId("key".into());
    let mut plan = PlanBuilder::new();
    plan.secret(Bytes::ZERO, Bytes::of(SECRET), Label::new("key"), id.clone());
    let secret = Source::Plan(Arc::new(plan.finish(Bytes::of(SECRET)).unwrap()));
    let mut tree = TreeBuilder::new(Epoch::STORE);
    let root = store.directory.parent().unwrap().parent().unwrap();
    store_tree::add(&mut tree, &HostStore::at(root), &store.closure).unwrap();
    let layer = tree.layer("secrets");
    let entry = |source| Entry::file(Meta::root(Mode::new(0o600), Epoch::STORE), source);
    // One outside of the store, and one where somebody laid it into a store path.
    tree.add(layer, TreePath::parse("/etc/key").unwrap(), entry(secret.clone()));
    let inside = format!("{}/key", store_path(6));
    tree.add(layer, TreePath::parse(inside).unwrap(), entry(secret));
    let tree = tree.build().unwrap();
    let row = tar::archive(&tree).unwrap();
    let store = Store { tree, row, ..store };
    let how = || {
        let mut keys = Keys::none();
        keys.insert_secret(id.clone(), Zeroizing::new(SECRET.to_vec()));
        // Not compressed to speak of, so that it would be found.
        How { cache: Some(&cache), keys, codec: Codec::Gzip(1), ..How::default() }
    };
    let error = store.pack(&How { cache: Some(&cache), ..How::default() }).unwrap_err();
    assert!(matches!(error, pack::Error::Read(region::Error::MissingSecret { .. })), "{error}");
    let first = store.pack(&how()).unwrap();
    let second = store.pack(&how()).unwrap();
    let plain =
        unpacked(Codec::Gzip(1), &bytes(&second.plan(Codec::Gzip(1)).unwrap(), &Keys::none()));
    assert_eq!(plain.windows(SECRET.len()).filter(|part| part == SECRET).count(), 2);
    assert!(first.unverified.is_empty(), "{:?}", first.unverified);
    let holds_secret = |shelf: &Shelf| {
        shelf.paths.is_empty()
            || shelf.paths.iter().any(|member| {
                store.tree.node(member.node).name() == store_path(6).base_name().as_bytes()
            })
    };
    let shelves = store.shelves();
    let kept = shelves.iter().filter(|shelf| !holds_secret(shelf));
    assert_eq!(second.reused, kept.map(|shelf| shelf.end - shelf.start).sum());
}
