//! Layers merged into one tree.
//!
//! The rule: a path belongs to the first layer that names it. Later layers may name the same
//! *directory*, to put things into it, and change nothing about it; anything else named twice is a
//! [`Conflict`] that tells both origins. Parents nobody named are made, owned by root, 0755.

use super::entry::{Entry, Kind, Meta, Mode};
use super::path::TreePath;
use super::{NodeId, Stored, Tree, node_id};
use crate::epoch::Epoch;

/// Which layer an entry came from, as a person would name it: "store", "overlay ./assets".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin(u16);

/// Two layers that do not fit together, or a tree no image can hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// One path is claimed twice.
    #[error(
        "{path} comes from {first} ({first_kind}) and from {second} ({second_kind}); take it out of one of them"
    )]
    Claimed {
        /// The path.
        path: TreePath,
        /// The layer that named it first.
        first: String,
        /// What it is there.
        first_kind: &'static str,
        /// The layer that named it too.
        second: String,
        /// What it is there.
        second_kind: &'static str,
    },
    /// Something lies below what is no directory.
    #[error("{path} from {second} lies below {above}, which {first} makes a {first_kind}")]
    BelowFile {
        /// The path that has no place.
        path: TreePath,
        /// The layer it comes from.
        second: String,
        /// What should have been a directory.
        above: TreePath,
        /// The layer that made it something else.
        first: String,
        /// What it is.
        first_kind: &'static str,
    },
    /// A name longer than any file system allows.
    #[error("a name of {found} bytes in {path}: expected at most {} bytes", u16::MAX)]
    NameTooLong {
        /// The path that holds it.
        path: TreePath,
        /// The length of the name.
        found: usize,
    },
    /// More entries, or more bytes of names, than positions can count.
    #[error(
        "the tree has more than 2^32 - 1 entries or bytes of names; split it over several images"
    )]
    TooLarge,
}

#[derive(Debug)]
struct Claim {
    path: TreePath,
    origin: Origin,
    entry: Entry,
}

/// Collects what layers claim, in any order, and merges it.
#[derive(Debug)]
pub struct TreeBuilder {
    origins: Vec<String>,
    claims: Vec<Claim>,
    mtime: Epoch,
}

impl TreeBuilder {
    /// Starts an empty tree; `mtime` dates the directories nobody names.
    pub fn new(mtime: Epoch) -> Self {
        Self { origins: Vec::new(), claims: Vec::new(), mtime }
    }

    /// Names a layer. Layers added earlier own the directories that several name.
    pub fn layer(&mut self, name: impl Into<String>) -> Origin {
        self.origins.push(name.into());
        Origin(u16::try_from(self.origins.len() - 1).unwrap_or(u16::MAX))
    }

    /// Claims a path for a layer.
    pub fn add(&mut self, origin: Origin, path: TreePath, entry: Entry) {
        self.claims.push(Claim { path, origin, entry });
    }

    /// Merges the layers.
    ///
    /// # Errors
    /// A [`Conflict`] that names both layers.
    pub fn build(mut self) -> Result<Tree, Conflict> {
        self.claims
            .sort_by(|left, right| left.path.cmp(&right.path).then(left.origin.cmp(&right.origin)));
        let root = Entry::directory(Meta::root(Mode::D755, self.mtime));
        let mut growing = Growing {
            tree: Tree { nodes: Vec::with_capacity(self.claims.len() + 1), names: Vec::new() },
            open: Vec::new(),
            origins: self.origins,
            mtime: self.mtime,
        };
        growing.push(b"", root, None)?;
        for claim in self.claims {
            growing.claim(claim)?;
        }
        Ok(growing.finish())
    }
}

/// A tree whose last path is still open: the stack holds the directories down to it.
struct Growing {
    tree: Tree,
    open: Vec<Open>,
    origins: Vec<String>,
    mtime: Epoch,
}

struct Open {
    node: NodeId,
    /// None: nobody named it, it was made because something lies below.
    origin: Option<Origin>,
}

impl Growing {
    fn claim(&mut self, claim: Claim) -> Result<(), Conflict> {
        let Claim { path, origin, entry } = claim;
        let mut rest = path.components().peekable();
        // The root is open in any case.
        let mut depth = 1;
        while let (Some(name), Some(open)) = (rest.peek(), self.open.get(depth))
            && self.name(open.node) == *name
        {
            rest.next();
            depth += 1;
        }
        self.close(depth);
        let Some(mut name) = rest.next() else {
            return self.repeated(origin, entry, &path);
        };
        for below in rest {
            self.check_parent(origin, &path)?;
            self.push(name, Entry::directory(Meta::root(Mode::D755, self.mtime)), None)?;
            name = below;
        }
        self.check_parent(origin, &path)?;
        self.push(name, entry, Some(origin))
    }

    /// Handles a path that is open already, which is the top of the stack.
    fn repeated(&mut self, origin: Origin, entry: Entry, path: &TreePath) -> Result<(), Conflict> {
        let Some(top) = self.open.last_mut() else {
            return Ok(());
        };
        let stored = &mut self.tree.nodes[top.node.index()].entry;
        match (top.origin, &stored.kind, &entry.kind) {
            (None, Kind::Directory, Kind::Directory) => {
                *stored = entry;
                top.origin = Some(origin);
                Ok(())
            }
            (Some(_), Kind::Directory, Kind::Directory) => Ok(()),
            (first, kind, second_kind) => Err(Conflict::Claimed {
                path: path.clone(),
                first: origin_name(&self.origins, first),
                first_kind: kind_name(kind),
                second: origin_name(&self.origins, Some(origin)),
                second_kind: kind_name(second_kind),
            }),
        }
    }

    fn check_parent(&self, origin: Origin, path: &TreePath) -> Result<(), Conflict> {
        let Some(top) = self.open.last() else {
            return Ok(());
        };
        match self.tree.nodes[top.node.index()].entry.kind {
            Kind::Directory => Ok(()),
            ref kind @ (Kind::File(_) | Kind::Symlink(_) | Kind::Device(_) | Kind::Fifo) => {
                Err(Conflict::BelowFile {
                    path: path.clone(),
                    second: origin_name(&self.origins, Some(origin)),
                    above: self.tree.node(top.node).path(),
                    first: origin_name(&self.origins, top.origin),
                    first_kind: kind_name(kind),
                })
            }
        }
    }

    fn push(&mut self, name: &[u8], entry: Entry, origin: Option<Origin>) -> Result<(), Conflict> {
        let parent = self.open.last().map_or(NodeId::ROOT, |open| open.node);
        let start = u32::try_from(self.tree.names.len()).map_err(|_| Conflict::TooLarge)?;
        let length = u16::try_from(name.len()).map_err(|_| {
            let path = TreePath::from_components([name]);
            Conflict::NameTooLong {
                path: self.tree.node(parent).path().join(&path),
                found: name.len(),
            }
        })?;
        if self.tree.nodes.len() >= usize::try_from(u32::MAX).unwrap_or(usize::MAX) {
            return Err(Conflict::TooLarge);
        }
        let node = node_id(self.tree.nodes.len());
        self.tree.names.extend_from_slice(name);
        self.tree.nodes.push(Stored { name: (start, length), parent, end: node, entry });
        self.open.push(Open { node, origin });
        Ok(())
    }

    /// Leaves only `keep` directories open; what follows does not lie below the others.
    fn close(&mut self, keep: usize) {
        let end = node_id(self.tree.nodes.len());
        for open in self.open.drain(keep.min(self.open.len())..) {
            self.tree.nodes[open.node.index()].end = end;
        }
    }

    fn name(&self, node: NodeId) -> &[u8] {
        self.tree.node(node).name()
    }

    fn finish(mut self) -> Tree {
        self.close(0);
        self.tree
    }
}

fn origin_name(origins: &[String], origin: Option<Origin>) -> String {
    let name = origin.and_then(|origin| origins.get(usize::from(origin.0)));
    name.map_or_else(|| "what lies below it".to_owned(), Clone::clone)
}

/// Names a kind as a person would.
pub(super) fn kind_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Directory => "directory",
        Kind::File(_) => "file",
        Kind::Symlink(_) => "symbolic link",
        Kind::Device(device) if device.block => "block device",
        Kind::Device(_) => "character device",
        Kind::Fifo => "named pipe",
    }
}
