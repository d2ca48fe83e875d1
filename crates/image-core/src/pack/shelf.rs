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
use crate::plan::Serial;
use crate::tree::path::PathError;
use crate::tree::{NodeId, Tree, TreePath};
use crate::units::{Bytes, MIB};

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
    /// Its blocks: where each starts in the row and how long it is.
    pub blocks: Vec<(Bytes, Bytes)>,
}

/// A store path on a shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its entry in the tree.
    pub node: NodeId,
    /// What its files must hash to.
    pub hash: NarHash,
}

/// Cuts an archive into shelves that cover it without gaps.
///
/// # Errors
/// Never in practice: the store's directory is a path.
pub fn cut(tree: &Tree, row: &Serial, closure: &Closure) -> Result<Vec<Shelf>, PathError> {
    // A tree without the directory may be one itself: what a live system mounts there.
    let store = tree.find(&TreePath::parse(STORE_DIR)?).unwrap_or(tree.root());
    let mut cutter = Cutter { row, shelves: Vec::new(), open: None, at: Bytes::ZERO };
    for node in store.children() {
        let start = row.start(node.id());
        let end = row.start(node.end());
        if let Some(hash) = registered(closure, node.name()) {
            cutter.path(start, end, Member { node: node.id(), hash }, node.name());
        }
    }
    cutter.rest(row.plan.size());
    cutter.close();
    Ok(cutter.shelves)
}

fn registered(closure: &Closure, name: &[u8]) -> Option<NarHash> {
    let path = StorePath::from_base_name(std::str::from_utf8(name).ok()?).ok()?;
    closure.get(&path).map(|info| info.nar_hash)
}

struct Cutter<'r> {
    row: &'r Serial,
    shelves: Vec<Shelf>,
    /// A shelf of small paths that may still grow.
    open: Option<Shelf>,
    /// Everything before it is on a shelf.
    at: Bytes,
}

impl Cutter<'_> {
    fn path(&mut self, start: Bytes, end: Bytes, member: Member, name: &[u8]) {
        self.rest(start);
        let size = end - start;
        let grown = self.open.as_ref().map_or(Bytes::ZERO, |open| open.end - open.start);
        if size >= TARGET || grown + size > MOST || (grown >= LEAST && starts_shelf(name, size)) {
            self.close();
        }
        let open =
            self.open.get_or_insert(Shelf { start, end, paths: Vec::new(), blocks: Vec::new() });
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
            let shelf = Shelf { start: self.at, end, paths: Vec::new(), blocks: Vec::new() };
            self.open = Some(shelf);
            self.close();
            self.at = end;
        }
    }

    fn close(&mut self) {
        let Some(mut shelf) = self.open.take() else { return };
        shelf.blocks = self.row.blocks(shelf.start, shelf.end, BLOCK);
        // Paths that consist of links and empty files may be no bytes at all.
        if !shelf.blocks.is_empty() {
            self.shelves.push(shelf);
        }
    }
}

/// Draws from a path's name whether it starts a shelf: with chance `size / TARGET`, so that shelves
/// have the same size on average whatever the paths are like.
fn starts_shelf(name: &[u8], size: Bytes) -> bool {
    let digest = Sha256::digest(name);
    let draw = digest.iter().take(8).fold(0, |draw: u64, byte| draw << 8 | u64::from(*byte));
    u128::from(draw) * u128::from(TARGET.get()) < u128::from(size.get()) << 64
}
