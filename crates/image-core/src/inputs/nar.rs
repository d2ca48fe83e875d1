//! A NAR, word by word: a store path's tree in Nix' own archive format, whose SHA-256 is the identity of
//! the path's contents.
//!
//! Words (a length, the bytes, zeros up to a multiple of eight) and nothing else: names in order of
//! their bytes, kinds, the executable bit, contents, targets. They go into a digest, or into memory where
//! contents are added by somebody else. Follows the Nix manual, "Nix Archive (NAR) format".

use sha2::{Digest, Sha256};

use super::nar_hash::NarHash;

/// Takes the bytes of a NAR, in their order.
pub trait Sink {
    /// Takes the next bytes.
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Sha256 {
    fn put(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// A NAR in the making; by default only its digest is kept.
///
/// Calls follow the tree: a directory is opened, each of its entries is named and written, then it is
/// closed; a file is opened, its bytes are added, and it is closed.
#[derive(Debug, Clone)]
pub struct Nar<S = Sha256> {
    sink: S,
    /// How many directories are open.
    depth: usize,
    /// What is still to come of the open file.
    size: u64,
}

impl Default for Nar {
    fn default() -> Self {
        Self::to(Sha256::new())
    }
}

impl Nar {
    /// Returns the hash.
    pub fn finish(self) -> NarHash {
        NarHash::from_bytes(self.sink.finalize().into())
    }
}

impl<S: Sink> Nar<S> {
    /// Starts a NAR.
    pub fn to(sink: S) -> Self {
        let mut nar = Self { sink, depth: 0, size: 0 };
        nar.word(b"nix-archive-1");
        nar
    }

    /// Where the bytes went.
    pub fn sink(&mut self) -> &mut S {
        &mut self.sink
    }

    /// Names the next entry of the open directory.
    pub fn entry(&mut self, name: &[u8]) {
        for word in [&b"entry"[..], b"(", b"name", name, b"node"] {
            self.word(word);
        }
    }

    /// Opens a directory.
    pub fn open_directory(&mut self) {
        self.node(b"directory");
        self.depth += 1;
    }

    /// Closes the directory that was opened last.
    pub fn close_directory(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.end();
    }

    /// Opens a file of so many bytes.
    pub fn open_file(&mut self, size: u64, executable: bool) {
        self.node(b"regular");
        if executable {
            self.word(b"executable");
            self.word(b"");
        }
        self.word(b"contents");
        self.sink.put(&size.to_le_bytes());
        self.size = size;
    }

    /// Adds bytes of the open file.
    pub fn data(&mut self, bytes: &[u8]) {
        self.sink.put(bytes);
    }

    /// Closes the open file.
    pub fn close_file(&mut self) {
        self.pad(self.size);
        self.end();
    }

    /// Writes a symbolic link.
    pub fn symlink(&mut self, target: &[u8]) {
        self.node(b"symlink");
        self.word(b"target");
        self.word(target);
        self.end();
    }

    fn node(&mut self, kind: &[u8]) {
        for word in [&b"("[..], b"type", kind] {
            self.word(word);
        }
    }

    /// Closes a node, and the entry that it is in if it is in one.
    fn end(&mut self) {
        self.word(b")");
        if self.depth > 0 {
            self.word(b")");
        }
    }

    /// Writes a string: its length, its bytes, zeros up to a multiple of eight.
    fn word(&mut self, word: &[u8]) {
        let size = u64::try_from(word.len()).unwrap_or(u64::MAX);
        self.sink.put(&size.to_le_bytes());
        self.sink.put(word);
        self.pad(size);
    }

    fn pad(&mut self, size: u64) {
        let missing = usize::try_from(size.next_multiple_of(8) - size).unwrap_or_default();
        self.sink.put(&[0; 8][..missing]);
    }
}
