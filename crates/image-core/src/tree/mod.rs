//! What the files of an image are.
//!
//! - [`path`]: where an entry sits, as bytes, compared component by component
//! - [`entry`]: an entry's metadata and kind
//! - [`source`]: where a file's bytes come from
//! - [`scan`]: a host directory read into claims
//! - [`build`]: layers merged into a tree, under one rule
//! - [`volumes`]: a tree cut at its mount points
//! - [`listing`]: a tree as text, for tests and people
//!
//! A [`Tree`] is immutable once built. Entries lie in one vector in path order, so a directory is
//! followed by everything below it: walking is a loop, and a subtree is a range. Names lie in one
//! arena; what an entry costs is bounded (see `docs/architecture.md`, memory).

pub mod build;
pub mod entry;
pub mod listing;
pub mod path;
pub mod scan;
pub mod source;
pub mod volumes;

pub use build::{Conflict, Origin, TreeBuilder};
pub use entry::{Device, Entry, Kind, Meta, Mode, Xattrs};
pub use path::TreePath;
pub use source::{HostDir, HostFile, Source};

/// The files of one volume or archive: ordered, parents first, no duplicates, never empty.
///
/// The first entry is the root directory.
#[derive(Clone, Debug)]
pub struct Tree {
    nodes: Vec<Stored>,
    names: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Stored {
    name: (u32, u16),
    parent: NodeId,
    /// The first entry that is not below this one.
    end: NodeId,
    entry: Entry,
}

/// The position of an entry in its tree; the root is 0 and a parent's is below its children's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

impl NodeId {
    /// The root directory of every tree.
    pub const ROOT: Self = Self(0);

    /// Returns the position as an index, for tables that run beside the tree.
    pub fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// Returns the position after this one, whether a tree has an entry there or not.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// One entry seen in its tree.
#[derive(Clone, Copy)]
pub struct Node<'t> {
    tree: &'t Tree,
    id: NodeId,
}

impl std::fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Node({} {})", self.id.0, self.path())
    }
}

impl Tree {
    /// Returns the root directory.
    pub fn root(&self) -> Node<'_> {
        self.node(NodeId::ROOT)
    }

    /// Returns the entry at a position that this tree gave out.
    pub fn node(&self, id: NodeId) -> Node<'_> {
        Node { tree: self, id }
    }

    /// Counts the entries, the root included.
    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    /// Walks all entries: parents first, siblings by the bytes of their names.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Node<'_>> + ExactSizeIterator {
        self.nodes.iter().enumerate().map(|(index, _)| self.node(node_id(index)))
    }

    /// Finds the entry at a path; links are not followed.
    pub fn find(&self, path: &TreePath) -> Option<Node<'_>> {
        path.components().try_fold(self.root(), Node::child)
    }
}

impl<'t> Node<'t> {
    fn stored(self) -> &'t Stored {
        &self.tree.nodes[self.id.index()]
    }

    /// Returns the position of this entry.
    pub fn id(self) -> NodeId {
        self.id
    }

    /// Returns the last component of the path; empty for the root.
    pub fn name(self) -> &'t [u8] {
        let (start, len) = self.stored().name;
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        &self.tree.names[start..start + usize::from(len)]
    }

    /// Returns the position after everything below this entry.
    pub fn end(self) -> NodeId {
        self.stored().end
    }

    /// Spells out the whole path.
    pub fn path(self) -> TreePath {
        let up = || std::iter::successors(Some(self), |node| node.parent());
        let names = || up().map(Self::name).filter(|name| !name.is_empty());
        let size: usize = names().map(|name| name.len() + 1).sum();
        let mut joined = vec![b'/'; size.saturating_sub(1)];
        let mut end = joined.len();
        for name in names() {
            joined[end - name.len()..end].copy_from_slice(name);
            end = end.saturating_sub(name.len() + 1);
        }
        TreePath::from_joined(joined)
    }

    /// Returns the directory that holds this entry; none for the root.
    pub fn parent(self) -> Option<Self> {
        (self.id != NodeId::ROOT).then(|| self.tree.node(self.stored().parent))
    }

    /// Returns metadata and kind.
    pub fn entry(self) -> &'t Entry {
        &self.stored().entry
    }

    /// Returns owner, mode, time and extended attributes.
    pub fn meta(self) -> &'t Meta {
        &self.stored().entry.meta
    }

    /// Returns what the entry is.
    pub fn kind(self) -> &'t Kind {
        &self.stored().entry.kind
    }

    /// Tells whether this is a directory.
    pub fn is_directory(self) -> bool {
        matches!(self.kind(), Kind::Directory)
    }

    /// Walks the entries directly inside, by the bytes of their names.
    pub fn children(self) -> impl Iterator<Item = Self> {
        let end = self.stored().end;
        let tree = self.tree;
        let first = NodeId(self.id.0 + 1);
        std::iter::successors((first < end).then_some(first), move |id| {
            let next = tree.nodes[id.index()].end;
            (next < end).then_some(next)
        })
        .map(|id| tree.node(id))
    }

    /// Walks this entry and everything below it.
    pub fn subtree(self) -> impl Iterator<Item = Self> {
        let tree = self.tree;
        (self.id.0..self.stored().end.0).map(|id| tree.node(NodeId(id)))
    }

    /// Finds the entry of that name directly inside.
    pub fn child(self, name: &[u8]) -> Option<Self> {
        self.children().find(|child| child.name() == name)
    }
}

/// A builder refuses trees of 2^32 entries, so positions always fit.
fn node_id(index: usize) -> NodeId {
    NodeId(u32::try_from(index).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
