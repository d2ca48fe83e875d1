//! Giving everything its blocks, in the order in which it then lies on disk.
//!
//! The same walk serves twice: with [`Nowhere`] it only answers whether a size is enough.

use super::alloc::Allocator;
use super::block::{BlockNo, Run};
use super::census::{Census, Data, Needs};
use super::error::Error;
use super::extent::Mapping;
use super::journal;
use super::layout::Layout;
use crate::tree::{Node, Tree};

/// Learns what lies where.
pub(super) trait Sink {
    /// The double indirect block of the resize inode.
    fn resize(&mut self, block: BlockNo);
    /// The journal.
    fn journal(&mut self, mapping: &Mapping);
    /// The stream of directories, long links and attributes.
    fn stream(&mut self, runs: &[Run]);
    /// The `lost+found` that the tree does not bring.
    fn lost_found(&mut self, mapping: &Mapping);
    /// One entry of the tree.
    fn node(&mut self, node: Node<'_>, needs: Needs, mapping: &Mapping) -> Result<(), Error>;
}

/// Forgets everything.
#[derive(Debug)]
pub(super) struct Nowhere;

impl Sink for Nowhere {
    fn resize(&mut self, _: BlockNo) {}
    fn journal(&mut self, _: &Mapping) {}
    fn stream(&mut self, _: &[Run]) {}
    fn lost_found(&mut self, _: &Mapping) {}
    fn node(&mut self, _: Node<'_>, _: Needs, _: &Mapping) -> Result<(), Error> {
        Ok(())
    }
}

/// Places everything and returns the runs that stay free; none if there is too little room.
pub(super) fn place(
    tree: &Tree,
    census: &Census,
    layout: &Layout,
    sink: &mut dyn Sink,
) -> Result<Option<Vec<Run>>, Error> {
    let mut walk = Walk { allocator: Allocator::new(layout), stream: Vec::new() };
    let mut mapping = Mapping::default();
    if walk.place_system(census, layout, &mut mapping, sink).is_none() {
        return Ok(None);
    }
    for (node, needs) in tree.iter().zip(&census.needs) {
        if walk.map(needs.data, &mut mapping).is_none() {
            return Ok(None);
        }
        sink.node(node, *needs, &mapping)?;
    }
    Ok(Some(walk.allocator.rest()))
}

struct Walk<'l> {
    allocator: Allocator<'l>,
    stream: Vec<Run>,
}

impl Walk<'_> {
    fn place_system(
        &mut self,
        census: &Census,
        layout: &Layout,
        mapping: &mut Mapping,
        sink: &mut dyn Sink,
    ) -> Option<()> {
        sink.resize(self.allocator.take_one()?);
        mapping.allocate(journal::blocks(layout.blocks), &mut self.allocator)?;
        sink.journal(mapping);
        self.allocator.take(census.stream_blocks(), &mut self.stream)?;
        sink.stream(&self.stream);
        if let Some(needs) = census.lost_found {
            self.map(needs.data, mapping)?;
            sink.lost_found(mapping);
        }
        Some(())
    }

    fn map(&mut self, data: Data, mapping: &mut Mapping) -> Option<()> {
        match data {
            Data::None => mapping.allocate(0, &mut self.allocator),
            Data::File { blocks } => mapping.allocate(blocks, &mut self.allocator),
            Data::Stream { start, blocks, .. } => {
                let (start, blocks) = (u64::from(start), u64::from(blocks));
                mapping.part(&self.stream, start, blocks, &mut self.allocator)
            }
        }
    }
}
