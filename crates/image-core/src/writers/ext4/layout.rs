//! Where the fixed parts lie: superblock copies, group descriptors, bitmaps, inode tables.
//!
//! As mke2fs does it: groups of 128 MiB, sixteen of which keep their bitmaps and inode tables
//! together at the start of the first (flex_bg, blockgroup.rst), so that data lies in long runs.
//! Copies of superblock and descriptors are at the start of the groups that sparse_super names;
//! blocks kept after them let the descriptors grow a thousandfold while mounted.

use super::block::{
    BLOCKS_PER_GROUP, BlockNo, GroupNo, INODES_PER_BLOCK, MOST_INODES_PER_GROUP, Run, index, narrow,
};
use super::ondisk::group_descriptor::GroupDescriptor;

/// `s_log_groups_per_flex`.
pub(super) const LOG_GROUPS_PER_FLEX: u8 = 4;
/// Descriptors in a block.
pub(super) const DESCRIPTORS_PER_BLOCK: u32 = 64;
const _: () = assert!(GroupDescriptor::SIZE * 64 == super::block::BLOCK_LEN);

/// How much larger a file system may become without moving anything; mke2fs keeps the same room.
const GROWTH: u64 = 1024;
/// Most blocks kept for that: an indirect block of the resize inode counts no more.
const MOST_RESERVED: u32 = 1024;
/// A last group with less room for data than this is left out, as mke2fs and the kernel do.
const LEAST_DATA: u64 = 50;
/// Most blocks: 32 bits of block number, less what one block of descriptors covers, so that there
/// is always one kept to grow into.
pub(super) const MOST_BLOCKS: u64 = (1 << 32) - 64 * BLOCKS_PER_GROUP;

/// The fixed parts of a file system.
#[derive(Debug)]
pub(super) struct Layout {
    /// Blocks of the file system; the volume may have a few more.
    pub(super) blocks: u64,
    /// Inodes of each group.
    pub(super) inodes_per_group: u32,
    /// Blocks that the group descriptors take.
    pub(super) descriptor_blocks: u32,
    /// Blocks kept after them.
    pub(super) reserved_blocks: u32,
    /// Where each group's bitmaps and inodes are.
    pub(super) groups: Vec<Place>,
    /// What is left for everything else, in order.
    pub(super) free: Vec<Run>,
}

/// Where one group's bitmaps and inodes are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// One block: which blocks are in use.
    pub(super) block_bitmap: BlockNo,
    /// One block: which inodes are in use.
    pub(super) inode_bitmap: BlockNo,
    /// The inode records.
    pub(super) inode_table: BlockNo,
}

impl Layout {
    /// Lays out at most `blocks` blocks with at least `inodes` inodes; none where they have no room.
    pub(super) fn new(blocks: u64, inodes: u32) -> Option<Self> {
        let mut blocks = blocks;
        loop {
            let groups = narrow(blocks.div_ceil(BLOCKS_PER_GROUP)).max(1);
            let most = u32::MAX - groups.saturating_mul(INODES_PER_BLOCK);
            let inodes_per_group =
                inodes.min(most).div_ceil(groups).next_multiple_of(INODES_PER_BLOCK);
            if inodes_per_group > MOST_INODES_PER_GROUP {
                return None;
            }
            let descriptor_blocks = groups.div_ceil(DESCRIPTORS_PER_BLOCK);
            let mut layout = Self {
                blocks,
                inodes_per_group,
                descriptor_blocks,
                reserved_blocks: reserved_blocks(blocks, descriptor_blocks),
                groups: vec![Place::default(); index(groups)],
                free: Vec::new(),
            };
            let last = GroupNo(groups - 1);
            let table = u64::from(layout.table_blocks());
            let overhead = 2 + table + layout.header_blocks(last) + LEAST_DATA;
            let remainder = blocks % BLOCKS_PER_GROUP;
            if blocks < overhead {
                return None;
            }
            if remainder != 0 && remainder < overhead && groups > 1 {
                blocks -= remainder;
                continue;
            }
            layout.place_groups()?;
            return Some(layout);
        }
    }

    /// Counts the groups.
    pub(super) fn group_count(&self) -> u32 {
        narrow(self.groups.len())
    }

    /// Walks the groups.
    pub(super) fn group_numbers(&self) -> impl Iterator<Item = GroupNo> + use<> {
        (0..self.group_count()).map(GroupNo)
    }

    /// Walks the groups that hold a copy of superblock and descriptors; the first is group 0.
    pub(super) fn groups_with_super(&self) -> impl Iterator<Item = GroupNo> + use<> {
        self.group_numbers().filter(|group| group.has_super())
    }

    /// Counts the blocks of one group's inode table.
    pub(super) fn table_blocks(&self) -> u32 {
        self.inodes_per_group / INODES_PER_BLOCK
    }

    /// Counts the inodes.
    pub(super) fn inodes(&self) -> u32 {
        self.group_count() * self.inodes_per_group
    }

    /// Counts the blocks of a group, fewer only in the last one.
    pub(super) fn blocks_of(&self, group: GroupNo) -> u64 {
        (self.blocks - group.first_block().0).min(BLOCKS_PER_GROUP)
    }

    /// Counts the blocks at a group's start that copies of superblock and descriptors take.
    pub(super) fn header_blocks(&self, group: GroupNo) -> u64 {
        if group.has_super() {
            1 + u64::from(self.descriptor_blocks) + u64::from(self.reserved_blocks)
        } else {
            0
        }
    }

    /// Counts the blocks left for files, directories and the journal.
    pub(super) fn capacity(&self) -> u64 {
        self.free.iter().map(|run| run.blocks).sum()
    }

    fn place_groups(&mut self) -> Option<()> {
        let mut used: Vec<Run> = self
            .groups_with_super()
            .map(|group| Run { start: group.first_block(), blocks: self.header_blocks(group) })
            .collect();
        let table = u64::from(self.table_blocks());
        let mut groups = std::mem::take(&mut self.groups);
        for (flex, members) in (0..).zip(groups.chunks_mut(1 << LOG_GROUPS_PER_FLEX)) {
            let mut at = GroupNo(flex << LOG_GROUPS_PER_FLEX).first_block();
            for place in members.iter_mut() {
                place.block_bitmap = self.reserve(&mut at, 1, &mut used)?;
            }
            for place in members.iter_mut() {
                place.inode_bitmap = self.reserve(&mut at, 1, &mut used)?;
            }
            for place in members.iter_mut() {
                place.inode_table = self.reserve(&mut at, table, &mut used)?;
            }
        }
        self.groups = groups;
        self.free = complement(used, self.blocks);
        Some(())
    }

    /// Finds the next `blocks` in a row that no superblock copy lies in; none beyond the end.
    fn reserve(&self, at: &mut BlockNo, blocks: u64, used: &mut Vec<Run>) -> Option<BlockNo> {
        loop {
            let group = GroupNo::of(*at);
            let start = (*at).max(group.first_block().after(self.header_blocks(group)));
            let last = GroupNo::of(start.after(blocks - 1));
            match (group.0 + 1..=last.0).map(GroupNo).find(|group| group.has_super()) {
                Some(next) => *at = next.first_block(),
                None => {
                    *at = start.after(blocks);
                    used.push(Run { start, blocks });
                    return (at.0 <= self.blocks).then_some(start);
                }
            }
        }
    }
}

/// Counts the blocks to keep so that the file system can grow [`GROWTH`] times.
fn reserved_blocks(blocks: u64, descriptor_blocks: u32) -> u32 {
    let most = blocks.saturating_mul(GROWTH).min(u64::from(u32::MAX));
    let groups = narrow(most.div_ceil(BLOCKS_PER_GROUP));
    groups.div_ceil(DESCRIPTORS_PER_BLOCK).saturating_sub(descriptor_blocks).min(MOST_RESERVED)
}

/// Lists the runs of `0..blocks` that `used` leaves.
fn complement(mut used: Vec<Run>, blocks: u64) -> Vec<Run> {
    used.sort_unstable_by_key(|run| run.start);
    let mut free = Vec::new();
    let mut at = BlockNo(0);
    for run in used.into_iter().chain([Run { start: BlockNo(blocks), blocks: 0 }]) {
        if run.start > at {
            free.push(Run { start: at, blocks: run.start.0 - at.0 });
        }
        at = run.end();
    }
    free
}
