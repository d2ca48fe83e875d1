//! Where the files' contents lie: an extent each, from the start of a sector.
//!
//! Small files first, so that a drive reads them without seeking far; then large ones, both in the
//! order of the tree; the EFI system partition last. Files of one source in memory share an extent.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::el_torito::{self, Found};
use super::ondisk::{Lba, SECTOR};
use crate::plan::{Label, Plan, PlanBuilder};
use crate::tree::{Kind, Node, NodeId, Source, Tree};
use crate::units::{Bytes, MIB};

/// From which size on a file is a large one.
const LARGE: Bytes = MIB;
/// What partitions start at a multiple of.
const PARTITION: Bytes = MIB;

/// The extents of all files.
#[derive(Debug)]
pub(super) struct Contents<'t> {
    tree: &'t Tree,
    /// The first sector of each file by its position; zero for what has no contents.
    pub(super) starts: Vec<Lba>,
    /// Files that have an extent, in order.
    placed: Vec<NodeId>,
    /// Where the first extent may start.
    from: Bytes,
    /// Where the last one ends.
    pub(super) end: Bytes,
}

impl<'t> Contents<'t> {
    /// Places the files from `from` on.
    pub(super) fn place(tree: &'t Tree, found: &Found, from: Bytes) -> Self {
        let starts = vec![Lba::default(); tree.size()];
        let mut contents = Self { tree, starts, placed: Vec::new(), from, end: from };
        let bios = found.bios.as_ref().map(|(node, ..)| *node);
        let mut shared = BTreeMap::new();
        let mut large = Vec::new();
        for (node, source) in files(tree).filter(|(node, _)| Some(node.id()) != found.efi) {
            // What a boot image is told is nothing for another file.
            if Some(node.id()) == bios {
                contents.add(node.id(), source, SECTOR);
            } else if source.size() >= LARGE {
                large.push((node, source));
            } else {
                contents.share(node.id(), source, &mut shared);
            }
        }
        for (node, source) in large {
            contents.share(node.id(), source, &mut shared);
        }
        if let Some(efi) = found.efi
            && let Kind::File(source) = tree.node(efi).kind()
        {
            contents.add(efi, source, PARTITION);
        }
        contents
    }

    fn share(&mut self, node: NodeId, source: &Source, shared: &mut BTreeMap<usize, Lba>) {
        let known = address(source).and_then(|address| shared.get(&address).copied());
        match known {
            Some(start) => self.starts[node.index()] = start,
            None => {
                self.add(node, source, SECTOR);
                if let Some(address) = address(source) {
                    shared.insert(address, self.starts[node.index()]);
                }
            }
        }
    }

    fn add(&mut self, node: NodeId, source: &Source, unit: Bytes) {
        let start = self.end.align_up(unit);
        self.starts[node.index()] = Lba::of(start);
        self.placed.push(node);
        self.end = (start + source.size()).align_up(SECTOR);
    }

    /// Returns the range of a file.
    pub(super) fn range(&self, node: NodeId, size: Bytes) -> std::ops::Range<Bytes> {
        let start = self.starts[node.index()].at();
        start..start + size
    }

    /// Writes the files, and zeros between them: nothing that was on a disk before shows.
    pub(super) fn write(&self, plan: &mut PlanBuilder, found: &Found) {
        let mut at = self.from;
        for node in self.placed.iter().map(|node| self.tree.node(*node)) {
            let Kind::File(source) = node.kind() else { continue };
            let start = self.starts[node.id().index()];
            let number = u32::try_from(node.id().index()).unwrap_or(u32::MAX);
            plan.zeros(at, start.at() - at, Label::numbered("padding", number));
            let label = Label::numbered("data", number);
            match &found.bios {
                Some((bios, image, info)) if *bios == node.id() => {
                    plan.bytes(start.at(), label, el_torito::told(image, *info, start));
                }
                Some(_) | None => plan.source(start.at(), label, source),
            }
            if let Source::Plan(inner) = source {
                fill_gaps(plan, start.at(), inner, label);
            }
            at = start.at() + source.size();
        }
        plan.zeros(at, self.end - at, Label::new("tail"));
    }
}

/// Walks the files that have contents.
fn files(tree: &Tree) -> impl Iterator<Item = (Node<'_>, &Source)> {
    tree.iter().filter_map(|node| match node.kind() {
        Kind::File(source) if !source.size().is_zero() => Some((node, source)),
        Kind::File(_) | Kind::Directory | Kind::Symlink(_) | Kind::Device(_) | Kind::Fifo => None,
    })
}

/// Tells sources apart: those of one address are one. Only ever compared, so it is no input of the image.
fn address(source: &Source) -> Option<usize> {
    match source {
        Source::Host(file) => Some(Arc::as_ptr(file).addr()),
        Source::Bytes(data) => Some(Arc::as_ptr(data).addr()),
        Source::Plan(plan) => Some(Arc::as_ptr(plan).addr()),
    }
}

/// An image within the volume may have gaps, but a file has none.
fn fill_gaps(plan: &mut PlanBuilder, start: Bytes, inner: &Plan, label: Label) {
    let mut at = Bytes::ZERO;
    let pieces = inner.pieces().iter().map(|piece| (piece.offset, piece.end()));
    for (from, to) in pieces.chain([(inner.size(), inner.size())]) {
        plan.zeros(start + at, from - at, label);
        at = to;
    }
}
