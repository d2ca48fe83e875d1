//! An archive cut into shelves: what is compressed, kept and found again as a whole.
//!
//! A shelf is a run of consecutive store paths. Where one ends is decided by the paths themselves,
//! each for itself: a path starts a new shelf when a number drawn from its base name says so, with
//! a chance that grows with its size. So a path that comes or goes moves the cuts near it and no
//! others, and what did not change is found in the cache. Thousands of tiny paths share a shelf,
//! because compressing each alone would cost twice the space.
//!
//! A path of at least [`TARGET`] is a shelf of its own, cut into blocks of a fixed size, which are
//! compressed independently: the unit of parallel work. What lies outside of the store's registered
//! paths is packed in the same way, but never kept.

use sha2::{Digest, Sha256};

use crate::inputs::closure::Closure;
use crate::inputs::nar_hash::NarHash;
use crate::inputs::store_path::{STORE_DIR, StorePath};
use crate::tree::path::PathError;
use crate::tree::{Node, NodeId, Tree, TreePath};
use crate::units::{Bytes, MIB};
use crate::writers::tar::Archive;

/// The size that shelves of small paths have on average; paths of this size stand alone.
pub(super) const TARGET: Bytes = Bytes::new(4 * MIB.get());

/// No cut before a shelf has this size: smaller ones compress badly.
const LEAST: Bytes = MIB;

/// A shelf of small paths is closed at this size, wherever the next cut would be.
const MOST: Bytes = Bytes::new(8 * MIB.get());

/// The size of all blocks of a shelf but its last.
pub(super) const BLOCK: Bytes = Bytes::new(16 * MIB.get());

/// A run of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelf {
    /// Its first byte in the archive.
    pub start: Bytes,
    /// The byte after its last.
    pub end: Bytes,
    /// The store paths it consists of; empty for what Nix knows nothing about.
    pub paths: Vec<Member>,
}

/// A store path on a shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its entry in the tree.
    pub node: NodeId,
    /// What its files must hash to.
    pub hash: NarHash,
}

impl Shelf {
    /// Walks the blocks: where each starts and how long it is.
    pub fn blocks(&self) -> impl Iterator<Item = (Bytes, Bytes)> {
        let (end, count) = (self.end, (self.end - self.start).div_ceil(BLOCK));
        (0..count).map({
            let start = self.start;
            move |index| {
                let from = start + BLOCK * index;
                (from, BLOCK.min(end - from))
            }
        })
    }
}

/// Cuts an archive into shelves that cover it without gaps.
///
/// # Errors
/// Never in practice: the store's directory is a path.
pub fn cut(tree: &Tree, archive: &Archive, closure: &Closure) -> Result<Vec<Shelf>, PathError> {
    let store = tree.find(&TreePath::parse(STORE_DIR)?);
    let mut cutter = Cutter { shelves: Vec::new(), open: None, at: Bytes::ZERO };
    for node in store.into_iter().flat_map(Node::children) {
        let start = archive.start(node.id());
        let end = archive.start(node.end());
        if let Some(hash) = registered(closure, node.name()) {
            cutter.path(start, end, Member { node: node.id(), hash }, node.name());
        }
    }
    cutter.rest(archive.plan.size());
    Ok(cutter.shelves)
}

fn registered(closure: &Closure, name: &[u8]) -> Option<NarHash> {
    let path = StorePath::from_base_name(std::str::from_utf8(name).ok()?).ok()?;
    closure.get(&path).map(|info| info.nar_hash)
}

struct Cutter {
    shelves: Vec<Shelf>,
    /// A shelf of small paths that may still grow.
    open: Option<Shelf>,
    /// Everything before it is on a shelf.
    at: Bytes,
}

impl Cutter {
    fn path(&mut self, start: Bytes, end: Bytes, member: Member, name: &[u8]) {
        self.rest(start);
        let size = end - start;
        let grown = self.open.as_ref().map_or(Bytes::ZERO, |open| open.end - open.start);
        if size >= TARGET || grown + size > MOST || (grown >= LEAST && starts_shelf(name, size)) {
            self.close();
        }
        let open = self.open.get_or_insert(Shelf { start, end, paths: Vec::new() });
        open.end = end;
        open.paths.push(member);
        self.at = end;
        if size >= TARGET {
            self.close();
        }
    }

    /// Puts what lies before `end` and belongs to no path on a shelf of its own.
    fn rest(&mut self, end: Bytes) {
        if self.at < end {
            self.close();
            self.shelves.push(Shelf { start: self.at, end, paths: Vec::new() });
            self.at = end;
        }
    }

    fn close(&mut self) {
        self.shelves.extend(self.open.take());
    }
}

/// Draws from a path's name whether it starts a shelf: with chance `size / TARGET`, so that shelves
/// have the same size on average whatever the paths are like.
fn starts_shelf(name: &[u8], size: Bytes) -> bool {
    let digest = Sha256::digest(name);
    let draw = digest.iter().take(8).fold(0, |draw: u64, byte| draw << 8 | u64::from(*byte));
    u128::from(draw) * u128::from(TARGET.get()) < u128::from(size.get()) << 64
}
