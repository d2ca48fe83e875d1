//! Where a file's blocks are: runs, and the tree that names them (ifork.rst, "Extent Tree").
//!
//! Up to four extents lie in the inode. More need blocks of 340, which are placed right after the
//! data they describe, leaves first, and above 1,360 extents another level.

use super::alloc::Allocator;
use super::block::{BLOCK_LEN, BlockNo, Run, narrow, narrow16};
use super::checksum::Checksum;
use super::ondisk::extent::{BLOCK_ENTRIES, Extent, Header, Index, MAGIC, ROOT_ENTRIES, TAIL};
use super::ondisk::{halves, halves16};

/// The blocks of one inode, in the order of its data, and those of its extent tree.
#[derive(Debug, Default)]
pub(super) struct Mapping {
    /// Data, each run no longer than an extent.
    pub(super) runs: Vec<Run>,
    /// Tree nodes outside the inode, lowest level first.
    nodes: Vec<BlockNo>,
}

impl Mapping {
    /// Takes `blocks` fresh blocks, and those of the tree; none if too few are left.
    pub(super) fn allocate(&mut self, blocks: u64, from: &mut Allocator<'_>) -> Option<()> {
        self.runs.clear();
        from.take(blocks, &mut self.runs)?;
        self.allocate_tree(from)
    }

    /// Takes `blocks` blocks of a stream that has its place already, and fresh ones for the tree.
    pub(super) fn part(
        &mut self,
        stream: &[Run],
        start: u64,
        blocks: u64,
        from: &mut Allocator<'_>,
    ) -> Option<()> {
        self.runs.clear();
        let (mut skip, mut missing) = (start, blocks);
        for run in stream {
            if skip < run.blocks && missing > 0 {
                let taken = missing.min(run.blocks - skip);
                self.runs.push(Run { start: run.start.after(skip), blocks: taken });
                missing -= taken;
            }
            skip = skip.saturating_sub(run.blocks);
        }
        self.allocate_tree(from)
    }

    fn allocate_tree(&mut self, from: &mut Allocator<'_>) -> Option<()> {
        self.nodes.clear();
        let mut entries = self.runs.len();
        while entries > usize::from(ROOT_ENTRIES) {
            entries = entries.div_ceil(usize::from(BLOCK_ENTRIES));
            for _ in 0..entries {
                self.nodes.push(from.take_one()?);
            }
        }
        Some(())
    }

    /// Counts all blocks: data and tree.
    pub(super) fn blocks(&self) -> u64 {
        self.runs.iter().map(|run| run.blocks).sum::<u64>() + u64::from(narrow(self.nodes.len()))
    }

    /// Writes the tree: what belongs into `i_block`, and the blocks outside.
    pub(super) fn encode(&self, inode: Checksum) -> ([u8; 60], Vec<(BlockNo, Vec<u8>)>) {
        let mut entries = self.leaves();
        let mut places = self.nodes.iter();
        let mut blocks = Vec::new();
        let mut depth = 0;
        while entries.len() > usize::from(ROOT_ENTRIES) {
            let mut above = Vec::new();
            for (chunk, place) in entries.chunks(usize::from(BLOCK_ENTRIES)).zip(&mut places) {
                let mut block = node(chunk, BLOCK_ENTRIES, depth);
                block.resize(TAIL, 0);
                block.extend(inode.add(&block).get().to_le_bytes());
                block.resize(BLOCK_LEN, 0);
                blocks.push((*place, block));
                above.extend(chunk.first().map(|first| index_entry(first.0, *place)));
            }
            entries = above;
            depth += 1;
        }
        let mut root = [0; 60];
        let bytes = node(&entries, ROOT_ENTRIES, depth);
        root[..bytes.len()].copy_from_slice(&bytes);
        (root, blocks)
    }

    fn leaves(&self) -> Vec<(u32, [u8; 12])> {
        let mut at = 0;
        let extent = |run: &Run| {
            let (start_lo, start_hi) = halves(run.start.0);
            let block = narrow(at);
            at += run.blocks;
            let len = narrow16(run.blocks);
            let start_hi = halves16(start_hi).0;
            (block, Extent { block, len, start_hi, start_lo }.encode())
        };
        self.runs.iter().map(extent).collect()
    }
}

fn index_entry(block: u32, place: BlockNo) -> (u32, [u8; 12]) {
    let (leaf_lo, leaf_hi) = halves(place.0);
    let leaf_hi = halves16(leaf_hi).0;
    (block, Index { block, leaf_lo, leaf_hi, unused: 0 }.encode())
}

fn node(entries: &[(u32, [u8; 12])], max: u16, depth: u16) -> Vec<u8> {
    let count = narrow16(entries.len());
    let header = Header { magic: MAGIC, entries: count, max, depth, generation: 0 };
    let mut bytes = header.encode().to_vec();
    entries.iter().for_each(|(_, entry)| bytes.extend(entry));
    bytes
}
