//! Bitmaps, descriptors and inode tables of the groups (blockgroup.rst, group_descr.rst).
//!
//! A bitmap that every reader can work out is left out, as mke2fs does: of a group without inodes
//! in use (`INODE_UNINIT`), or without blocks in use but the superblock's copy (`BLOCK_UNINIT`).
//! Those blocks are gaps, and nobody reads them while the flag is set. Inode tables are whole, zeros
//! included (`INODE_ZEROED`), so that no first boot spends minutes on zeroing them.

use super::block::{BLOCK_LEN, BLOCKS_PER_GROUP, GroupNo, Run, index, narrow};
use super::checksum::Checksum;
use super::inode::{Group, Tables};
use super::layout::{Layout, Place};
use super::ondisk::group_descriptor::{BLOCK_UNINIT, GroupDescriptor, INODE_UNINIT, INODE_ZEROED};
use super::ondisk::{halves, halves16};
use crate::plan::{Label, PlanBuilder};
use crate::units::Bytes;

/// Which blocks of a group are in use.
struct BlockBitmap {
    bits: Vec<u8>,
    free: u32,
}

/// Writes all groups' own parts into the plan and returns their descriptors, whole blocks.
pub(super) fn write(
    layout: &Layout,
    tables: Tables,
    free: &[Run],
    volume: Checksum,
    plan: &mut PlanBuilder,
) -> Vec<u8> {
    let mut descriptors = Vec::with_capacity(index(layout.descriptor_blocks) * BLOCK_LEN);
    let mut free = free;
    for (group, inodes) in layout.group_numbers().zip(tables.into_groups()) {
        let place = layout.groups[index(group.0)];
        let blocks = block_bitmap(layout, group, &mut free);
        let mut descriptor = GroupDescriptor { flags: INODE_ZEROED, ..located(place) };
        set_counts(&mut descriptor, layout, &blocks, &inodes);
        write_block_bitmap(&mut descriptor, layout, group, &blocks, volume, plan);
        write_inodes(&mut descriptor, layout, group, inodes, volume, plan);
        let sum = volume.add(&group.0.to_le_bytes()).add(&descriptor.encode()).get();
        descriptor.checksum = halves16(sum).0;
        descriptors.extend(descriptor.encode());
    }
    descriptors.resize(index(layout.descriptor_blocks) * BLOCK_LEN, 0);
    descriptors
}

fn located(place: Place) -> GroupDescriptor {
    let (block_bitmap_lo, block_bitmap_hi) = halves(place.block_bitmap.0);
    let (inode_bitmap_lo, inode_bitmap_hi) = halves(place.inode_bitmap.0);
    let (inode_table_lo, inode_table_hi) = halves(place.inode_table.0);
    GroupDescriptor {
        block_bitmap_lo,
        block_bitmap_hi,
        inode_bitmap_lo,
        inode_bitmap_hi,
        inode_table_lo,
        inode_table_hi,
        ..GroupDescriptor::ZERO
    }
}

fn set_counts(
    descriptor: &mut GroupDescriptor,
    layout: &Layout,
    blocks: &BlockBitmap,
    inodes: &Group,
) {
    let unused = layout.inodes_per_group - inodes.used();
    (descriptor.free_blocks_count_lo, descriptor.free_blocks_count_hi) = halves16(blocks.free);
    (descriptor.free_inodes_count_lo, descriptor.free_inodes_count_hi) = halves16(unused);
    (descriptor.itable_unused_lo, descriptor.itable_unused_hi) = halves16(unused);
    (descriptor.used_dirs_count_lo, descriptor.used_dirs_count_hi) = halves16(inodes.directories);
}

fn write_block_bitmap(
    descriptor: &mut GroupDescriptor,
    layout: &Layout,
    group: GroupNo,
    blocks: &BlockBitmap,
    volume: Checksum,
    plan: &mut PlanBuilder,
) {
    let untouched = layout.blocks_of(group) - layout.header_blocks(group);
    let inner = group.0 != 0 && group.0 != layout.group_count() - 1;
    if inner && u64::from(blocks.free) == untouched {
        descriptor.flags |= BLOCK_UNINIT;
        return;
    }
    let sum = volume.add(&blocks.bits).get();
    (descriptor.block_bitmap_csum_lo, descriptor.block_bitmap_csum_hi) = halves16(sum);
    let place = layout.groups[index(group.0)].block_bitmap;
    plan.bytes(place.at(), Label::numbered("block bitmap", group.0), blocks.bits.as_slice());
}

fn write_inodes(
    descriptor: &mut GroupDescriptor,
    layout: &Layout,
    group: GroupNo,
    inodes: Group,
    volume: Checksum,
    plan: &mut PlanBuilder,
) {
    let place = layout.groups[index(group.0)];
    if inodes.used() == 0 {
        descriptor.flags |= INODE_UNINIT;
    } else {
        let bits = inode_bitmap(layout, inodes.used());
        let sum = volume.add(&bits[..index(layout.inodes_per_group / 8)]).get();
        (descriptor.inode_bitmap_csum_lo, descriptor.inode_bitmap_csum_hi) = halves16(sum);
        plan.bytes(place.inode_bitmap.at(), Label::numbered("inode bitmap", group.0), bits);
    }
    let table = Run { start: place.inode_table, blocks: u64::from(layout.table_blocks()) };
    let used = Bytes::of(&inodes.records);
    let label = Label::numbered("inode table", group.0);
    plan.bytes(table.start.at(), label, inodes.records);
    plan.zeros(table.start.at() + used, table.len() - used, label);
}

/// Sets every bit but those of free blocks; what lies beyond the last block counts as in use.
fn block_bitmap(layout: &Layout, group: GroupNo, free: &mut &[Run]) -> BlockBitmap {
    let (start, end) = (group.first_block().0, group.first_block().0 + layout.blocks_of(group));
    let mut bits = vec![0xFF; BLOCK_LEN];
    let mut count = 0;
    while let Some((run, later)) = free.split_first() {
        let (from, to) = (run.start.0.max(start), run.end().0.min(end));
        if from < to {
            clear(&mut bits, index(from - start), index(to - start));
            count += to - from;
        }
        if run.end().0 > start + BLOCKS_PER_GROUP {
            break;
        }
        *free = later;
    }
    BlockBitmap { bits, free: narrow(count) }
}

/// Clears the bits from `from` up to `to`.
fn clear(bits: &mut [u8], from: usize, to: usize) {
    let mut at = from;
    while at < to {
        if at.is_multiple_of(8) && to - at >= 8 {
            let whole = (to - at) / 8;
            bits[at / 8..at / 8 + whole].fill(0);
            at += whole * 8;
        } else {
            bits[at / 8] &= !(1 << (at % 8));
            at += 1;
        }
    }
}

/// Sets the bits of the first `used` inodes, and of those that no group has.
fn inode_bitmap(layout: &Layout, used: u32) -> Vec<u8> {
    let mut bits = vec![0xFF; BLOCK_LEN];
    clear(&mut bits, index(used), index(layout.inodes_per_group));
    bits
}
