//! Trees that are hard on file systems, made in memory.

use std::collections::BTreeMap;

use calve_image_core::epoch::Epoch;
use calve_image_core::tree::{
    Device, Entry, Kind, Meta, Mode, Source, Tree, TreeBuilder, TreePath, Xattrs,
};

/// Collects entries of one layer.
pub struct Corpus {
    builder: TreeBuilder,
    layer: calve_image_core::tree::Origin,
}

impl Default for Corpus {
    fn default() -> Self {
        let mut builder = TreeBuilder::new(Epoch::new(1_700_000_000));
        let layer = builder.layer("corpus");
        Self { builder, layer }
    }
}

impl Corpus {
    pub fn add(&mut self, path: impl AsRef<[u8]>, entry: Entry) -> &mut Self {
        self.builder.add(self.layer, TreePath::parse(path).unwrap(), entry);
        self
    }

    pub fn file(&mut self, path: impl AsRef<[u8]>, data: impl Into<Vec<u8>>) -> &mut Self {
        self.add(path, Entry::file(meta(0o644), Source::bytes(data.into())))
    }

    pub fn directory(&mut self, path: impl AsRef<[u8]>, mode: u16) -> &mut Self {
        self.add(path, Entry::directory(meta(mode)))
    }

    pub fn symlink(&mut self, path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> &mut Self {
        self.add(path, Entry::symlink(target, Epoch::STORE))
    }

    pub fn build(self) -> Tree {
        self.builder.build().unwrap()
    }
}

pub fn meta(mode: u16) -> Meta {
    Meta::root(Mode::new(mode), Epoch::STORE)
}

/// Bytes that differ from place to place and between files.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// The root directory and nothing else.
pub fn empty() -> Tree {
    Corpus::default().build()
}

/// What every file system can hold, FAT included: plain files and directories with ASCII names.
pub fn plain() -> Tree {
    let mut corpus = Corpus::default();
    plain_into(&mut corpus);
    corpus.build()
}

fn plain_into(corpus: &mut Corpus) {
    corpus.file("empty", []).file("one", [7]).file("dir/hello.txt", *b"hello\n");
    for size in [511, 512, 513, 4095, 4096, 4097, 65_536, 1_000_003] {
        corpus.file(format!("sizes/{size}"), noise(size as u64, size));
    }
    corpus.file("a/b/c/d/e/f/g/h/i/j/deep", noise(1, 100)).directory("hollow", 0o755);
}

/// A bit of everything a Unix file system can hold: kinds, owners, modes, times, names, attributes.
pub fn small() -> Tree {
    let mut corpus = Corpus::default();
    plain_into(&mut corpus);
    names(&mut corpus);
    links(&mut corpus);
    nodes(&mut corpus);
    owners(&mut corpus);
    attributes(&mut corpus);
    corpus.build()
}

/// Names at and beyond what is comfortable: 255 bytes, no UTF-8, spaces, newlines, one byte.
fn names(corpus: &mut Corpus) {
    let long = "n".repeat(255);
    corpus.file(format!("names/{long}"), *b"long").file("names/with space", *b"s");
    corpus.file(b"names/\xff\xfe-not-utf8\x80", *b"raw").file("names/new\nline", *b"n");
    corpus.file("names/gr\u{fc}\u{df}e-\u{1f980}", *b"utf8").file("names/back\\slash", *b"b");
    corpus.file("names/x", *b"x").directory(format!("names/d{}", "d".repeat(254)), 0o700);
    corpus.file("names/-dash", *b"").file("names/..dots", *b"").file("names/...", *b"");
}

/// Links just under and just over what an ext4 inode holds (59 bytes), and of a whole page.
fn links(corpus: &mut Corpus) {
    corpus.symlink("links/absolute", "/dir/hello.txt").symlink("links/dangling", "nowhere");
    for length in [1, 58, 59, 60, 61, 1000, 4095] {
        let target = b"../component".iter().copied().cycle().take(length).collect::<Vec<u8>>();
        corpus.symlink(format!("links/{length:04}"), target);
    }
    corpus.symlink("links/raw", b"\xff\x80/\\ x");
}

fn nodes(corpus: &mut Corpus) {
    for (name, block, major, minor) in [
        ("null", false, 1, 3),
        ("small-most", true, 255, 255),
        ("large-minor", true, 8, 256),
        ("large-major", false, 256, 1),
        ("largest", false, 4095, 0xF_FFFF),
    ] {
        let kind = Kind::Device(Device { block, major, minor });
        corpus.add(format!("dev/{name}"), Entry { meta: meta(0o600), kind });
    }
    corpus.add("dev/pipe", Entry { meta: meta(0o622), kind: Kind::Fifo });
}

fn owners(corpus: &mut Corpus) {
    let owned = |uid, gid, mode, mtime| Meta {
        mode: Mode::new(mode),
        uid,
        gid,
        mtime: Epoch::new(mtime),
        xattrs: Xattrs::NONE,
    };
    corpus.add("nix/store", Entry::directory(owned(0, 30_000, 0o1775, 1)));
    corpus.add("tmp", Entry::directory(owned(0, 0, 0o1777, 0)));
    for (name, uid, gid, mode, mtime) in [
        ("setuid", 0, 0, 0o4755, 1),
        ("setgid", 0, 65_535, 0o2755, 0x7FFF_FFFF),
        ("nobody", 65_534, 65_536, 0o000, 0x8000_0000),
        ("largest", 4_294_967_294, 4_294_967_294, 0o7777, 0xFFFF_FFFF),
    ] {
        let source = Source::bytes(name.as_bytes());
        corpus.add(format!("owners/{name}"), Entry::file(owned(uid, gid, mode, mtime), source));
    }
}

fn attributes(corpus: &mut Corpus) {
    let with = |attributes: &[(&str, Vec<u8>)]| {
        let pairs =
            attributes.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.clone()));
        Meta { xattrs: Xattrs::new(BTreeMap::from_iter(pairs)), ..meta(0o755) }
    };
    // VFS_CAP_REVISION_2 with cap_net_raw, effective: what `setcap cap_net_raw+ep` stores.
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].to_vec();
    let ping = with(&[("security.capability", capability.clone())]);
    corpus.add("xattrs/ping", Entry::file(ping, Source::bytes(*b"ping")));
    let large = with(&[
        ("security.capability", capability),
        ("trusted.overlay.opaque", b"y".to_vec()),
        ("user.comment", noise(2, 300)),
        ("user.empty", Vec::new()),
        ("user.large", noise(3, 3000)),
    ]);
    corpus.add("xattrs/large", Entry::file(large.clone(), Source::bytes(noise(4, 9000))));
    corpus.add("xattrs/directory", Entry::directory(large));
    let link = with(&[("trusted.note", b"on a link".to_vec())]);
    let kind = Kind::Symlink((*b"ping").into());
    corpus.add("xattrs/link", Entry { meta: Meta { mode: Mode::new(0o777), ..link }, kind });
}

/// `files` files of a few bytes over directories of a thousand, with names as a store has them.
pub fn many_files(files: usize) -> Tree {
    let mut corpus = Corpus::default();
    let data: Vec<Source> =
        (0..64).map(|seed| Source::bytes(noise(seed, (seed as usize * 37) % 900))).collect();
    for number in 0..files {
        let path = format!("many/{:03}/share-{number:07}.txt", number / 1000);
        let source = data[number % data.len()].clone();
        corpus.add(path, Entry::file(meta(0o444), source));
    }
    corpus.build()
}

/// One directory of `names` empty files.
pub fn wide(names: usize) -> Tree {
    let mut corpus = Corpus::default();
    for number in 0..names {
        corpus.file(format!("wide/{number:06}-a-name-as-long-as-they-are"), []);
    }
    corpus.build()
}
