//! Whether the bytes on a shelf are what Nix registered.
//!
//! A NAR is the store's own archive format and its SHA-256 the identity of a path's contents
//! (Nix manual, "Nix Archive (NAR) format"). It holds names, kinds, the executable bit and contents, in the very
//! order of our archives, so it can be hashed from the archive's own bytes as they pass by: nothing
//! is read twice, and what was hashed is what is compressed.

use super::shelf::{Member, Shelf};
use crate::inputs::nar::Nar;
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
    nar: Nar,
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
                path.nar.data(part.map_or(&[][..], |(from, to)| &bytes[from..to]));
            }
            if path.data.1 > end {
                break;
            }
            path.nar.close_file();
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
        Self {
            member: *member,
            nar: Nar::default(),
            node: member.node,
            open: Vec::new(),
            data: (Bytes::ZERO, Bytes::ZERO),
        }
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
            self.nar.entry(node.name());
        }
        match node.kind() {
            Kind::Directory => {
                self.nar.open_directory();
                self.open.push(self.node);
            }
            Kind::File(source) => {
                let executable = node.meta().mode.bits() & OWNER_EXECUTES != 0;
                self.nar.open_file(source.size().get(), executable);
            }
            Kind::Symlink(target) => self.nar.symlink(target),
            // No NAR holds these; the hash will tell.
            Kind::Device(_) | Kind::Fifo => {}
        }
    }

    fn close_directory(&mut self) {
        self.open.pop();
        self.nar.close_directory();
    }

    fn finish(mut self) -> NarHash {
        while !self.open.is_empty() {
            self.close_directory();
        }
        self.nar.finish()
    }
}
