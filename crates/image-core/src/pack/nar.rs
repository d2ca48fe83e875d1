//! Whether the bytes on a shelf are what Nix registered.
//!
//! A NAR is the store's own archive format and its SHA-256 the identity of a path's contents
//! (Nix manual, "Nix Archive (NAR) format"). It holds names, kinds, the executable bit and contents, in the very
//! order of our archives, so it can be hashed from the archive's own bytes as they pass by: nothing
//! is read twice, and what was hashed is what is compressed.

use sha2::{Digest, Sha256};

use super::shelf::{Member, Shelf};
use crate::inputs::nar_hash::NarHash;
use crate::plan::Serial;
use crate::tree::{Kind, Node, NodeId, Tree};
use crate::units::Bytes;

/// The bit that makes a file executable to Nix.
const OWNER_EXECUTES: u16 = 0o100;

/// Hashes the paths of one shelf while its bytes come by, in order.
#[derive(Debug)]
pub struct Check<'a> {
    tree: &'a Tree,
    row: &'a Serial,
    members: std::slice::Iter<'a, Member>,
    current: Option<Path>,
    /// Where the next bytes belong.
    at: Bytes,
    /// Paths that hash to something else.
    wrong: Vec<NodeId>,
}

/// A path whose bytes are coming by.
#[derive(Debug)]
struct Path {
    member: Member,
    digest: Sha256,
    /// The entry whose turn it is; its contents are still to come.
    node: NodeId,
    /// Directories that are not yet closed.
    open: Vec<NodeId>,
    /// Where in the archive the contents of the current file lie.
    data: (Bytes, Bytes),
}

impl<'a> Check<'a> {
    /// Starts at the first byte of a shelf.
    pub fn new(tree: &'a Tree, row: &'a Serial, shelf: &'a Shelf) -> Self {
        let members = shelf.paths.iter();
        let (current, wrong) = (None, Vec::new());
        let mut check = Self { tree, row, members, current, at: shelf.start, wrong };
        check.settle();
        check
    }

    /// Takes the next bytes of the shelf.
    pub fn update(&mut self, bytes: &[u8]) {
        let (start, end) = (self.at, self.at + Bytes::of(bytes));
        while let Some(path) = &mut self.current {
            let (from, to) = (path.data.0.max(start), path.data.1.min(end));
            if from < to {
                let part = (from - start).to_len().zip((to - start).to_len());
                path.digest.update(part.map_or(&[][..], |(from, to)| &bytes[from..to]));
            }
            if path.data.1 > end {
                break;
            }
            path.file_ends(self.tree);
            self.step();
            self.settle();
        }
        self.at = end;
    }

    /// Returns the paths whose files do not hash to what is registered.
    pub fn finish(mut self) -> Vec<NodeId> {
        // Bytes that did not come by were not what is registered.
        self.wrong.extend(self.current.map(|path| path.member.node));
        self.wrong.extend(self.members.map(|member| member.node));
        self.wrong
    }

    /// Writes entries down until one has contents that still have to come by.
    fn settle(&mut self) {
        loop {
            if self.current.is_none() {
                self.current = self.members.next().map(Path::new);
            }
            let Some(path) = &mut self.current else { return };
            path.begin(self.tree);
            if let Kind::File(source) = self.tree.node(path.node).kind() {
                path.data = self.row.contents(path.node, source.size());
                return;
            }
            self.step();
        }
    }

    /// Goes on to the next entry, or compares the path that has ended.
    fn step(&mut self) {
        let Some(path) = &mut self.current else { return };
        let next = path.node.next();
        if next < self.tree.node(path.member.node).end() {
            path.go_to(self.tree, next);
        } else if let Some(path) = self.current.take() {
            let Member { node, hash } = path.member;
            if path.finish() != hash {
                self.wrong.push(node);
            }
        }
    }
}

impl Path {
    fn new(member: &Member) -> Self {
        let mut path = Self {
            member: *member,
            digest: Sha256::new(),
            node: member.node,
            open: Vec::new(),
            data: (Bytes::ZERO, Bytes::ZERO),
        };
        path.word(b"nix-archive-1");
        path
    }

    /// Makes it another entry's turn: closes the directories that it is not in.
    fn go_to(&mut self, tree: &Tree, next: NodeId) {
        let parent = tree.node(next).parent().map(Node::id);
        while self.open.last().is_some_and(|open| Some(*open) != parent) {
            self.close_directory();
        }
        self.node = next;
    }

    /// Writes an entry down to where its contents or its children stand.
    fn begin(&mut self, tree: &Tree) {
        let node = tree.node(self.node);
        if !self.open.is_empty() {
            for word in [&b"entry"[..], b"(", b"name", node.name(), b"node"] {
                self.word(word);
            }
        }
        self.word(b"(");
        self.word(b"type");
        match node.kind() {
            Kind::Directory => {
                self.word(b"directory");
                self.open.push(self.node);
            }
            Kind::File(source) => {
                self.word(b"regular");
                if node.meta().mode.bits() & OWNER_EXECUTES != 0 {
                    self.word(b"executable");
                    self.word(b"");
                }
                self.word(b"contents");
                self.digest.update(source.size().get().to_le_bytes());
            }
            Kind::Symlink(target) => {
                self.word(b"symlink");
                self.word(b"target");
                self.word(target);
                self.end_entry();
            }
            // No NAR holds these; the hash will tell.
            Kind::Device(_) | Kind::Fifo => self.end_entry(),
        }
    }

    /// Ends a file after its contents.
    fn file_ends(&mut self, tree: &Tree) {
        if let Kind::File(source) = tree.node(self.node).kind() {
            self.pad(source.size().get());
            self.end_entry();
        }
    }

    fn close_directory(&mut self) {
        self.open.pop();
        self.end_entry();
    }

    /// Closes a node, and the entry that it is in if it is in one.
    fn end_entry(&mut self) {
        self.word(b")");
        if !self.open.is_empty() {
            self.word(b")");
        }
    }

    /// Writes a string: its length, its bytes, zeros up to a multiple of eight.
    fn word(&mut self, word: &[u8]) {
        let size = Bytes::of(word).get();
        self.digest.update(size.to_le_bytes());
        self.digest.update(word);
        self.pad(size);
    }

    fn pad(&mut self, size: u64) {
        let missing = usize::try_from(size.next_multiple_of(8) - size).unwrap_or_default();
        self.digest.update(&[0; 8][..missing]);
    }

    fn finish(mut self) -> NarHash {
        while !self.open.is_empty() {
            self.close_directory();
        }
        NarHash::from_bytes(self.digest.finalize().into())
    }
}
