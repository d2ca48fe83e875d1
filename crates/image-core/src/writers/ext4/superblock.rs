//! The superblock, its copies, and the descriptors that follow each (super.rst).

use std::sync::Arc;

use super::block::{BLOCK, BLOCK_LEN, INODE_LEN, InodeNo, narrow, narrow16};
use super::checksum::Checksum;
use super::layout::{LOG_GROUPS_PER_FLEX, Layout};
use super::ondisk::group_descriptor::GroupDescriptor;
use super::ondisk::halves;
use super::ondisk::inode::EXTRA_ISIZE;
use super::ondisk::superblock::{
    CHECKSUM_CRC32C, DEFAULT_MOUNT_OPTIONS, ERRORS_CONTINUE, FLAG_SIGNED_HASH, HASH_HALF_MD4,
    JOURNAL_BACKUP_BLOCKS, MAGIC, NO_MOUNT_LIMIT, OFFSET, REV_DYNAMIC, STATE_CLEAN, Superblock,
    compat, incompat, ro_compat,
};
use super::{Ext4, block, resize};
use crate::plan::{Label, PlanBuilder};
use crate::units::Bytes;

/// What only the finished file system tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Totals {
    /// Blocks that stay free.
    pub(super) free_blocks: u64,
    /// Inodes in use, reserved ones included.
    pub(super) used_inodes: u32,
    /// Where the journal is.
    pub(super) journal: [u32; 17],
}

/// Makes the superblock of group 0, without its checksum.
pub(super) fn superblock(options: &Ext4, layout: &Layout, totals: Totals) -> Superblock {
    let (blocks_count_lo, blocks_count_hi) = halves(layout.blocks);
    let (free_blocks_count_lo, free_blocks_count_hi) = halves(totals.free_blocks);
    let kept = layout.blocks * u64::from(options.reserved_percent.min(50)) / 100;
    let (r_blocks_count_lo, r_blocks_count_hi) = halves(kept);
    let per_group = narrow(block::BLOCKS_PER_GROUP);
    let time = options.epoch.seconds();
    Superblock {
        inodes_count: layout.inodes(),
        blocks_count_lo,
        blocks_count_hi,
        r_blocks_count_lo,
        r_blocks_count_hi,
        free_blocks_count_lo,
        free_blocks_count_hi,
        free_inodes_count: layout.inodes() - totals.used_inodes,
        log_block_size: BLOCK.get().ilog2() - 10,
        log_cluster_size: BLOCK.get().ilog2() - 10,
        blocks_per_group: per_group,
        clusters_per_group: per_group,
        inodes_per_group: layout.inodes_per_group,
        wtime: time,
        max_mnt_count: NO_MOUNT_LIMIT,
        magic: MAGIC,
        state: STATE_CLEAN,
        errors: ERRORS_CONTINUE,
        lastcheck: time,
        rev_level: REV_DYNAMIC,
        first_ino: InodeNo::LOST_FOUND.0,
        inode_size: narrow16(INODE_LEN),
        feature_compat: compat::HAS_JOURNAL
            | compat::EXT_ATTR
            | compat::RESIZE_INODE
            | compat::DIR_INDEX,
        feature_incompat: incompat::FILETYPE
            | incompat::EXTENTS
            | incompat::SIXTY_FOUR_BIT
            | incompat::FLEX_BG,
        feature_ro_compat: ro_compat::SPARSE_SUPER
            | ro_compat::LARGE_FILE
            | ro_compat::HUGE_FILE
            | ro_compat::DIR_NLINK
            | ro_compat::EXTRA_ISIZE
            | ro_compat::METADATA_CSUM,
        uuid: options.uuid.into_bytes(),
        volume_name: options.label.field(),
        reserved_gdt_blocks: narrow16(layout.reserved_blocks),
        journal_inum: InodeNo::JOURNAL.0,
        hash_seed: options.hash_seed.into_bytes(),
        def_hash_version: HASH_HALF_MD4,
        jnl_backup_type: JOURNAL_BACKUP_BLOCKS,
        desc_size: narrow16(GroupDescriptor::SIZE),
        default_mount_opts: DEFAULT_MOUNT_OPTIONS,
        mkfs_time: time,
        jnl_blocks: totals.journal,
        min_extra_isize: EXTRA_ISIZE,
        want_extra_isize: EXTRA_ISIZE,
        flags: FLAG_SIGNED_HASH,
        log_groups_per_flex: LOG_GROUPS_PER_FLEX,
        checksum_type: CHECKSUM_CRC32C,
        ..Superblock::ZERO
    }
}

/// Writes the superblock, its copies and the descriptors into the plan.
pub(super) fn write(
    superblock: &Superblock,
    layout: &Layout,
    descriptors: Vec<u8>,
    plan: &mut PlanBuilder,
) {
    let descriptors: Arc<[u8]> = descriptors.into();
    for group in layout.groups_with_super() {
        let start = group.first_block();
        // Before the first one is room for a boot loader, which firmware may well read.
        let at = Bytes::new(if group.0 == 0 { OFFSET } else { 0 });
        let bytes = sealed(Superblock { block_group_nr: narrow16(group.0), ..superblock.clone() });
        let end = at + Bytes::of(&bytes);
        plan.zeros(start.at(), at, Label::new("boot block"));
        plan.bytes(start.at() + at, Label::numbered("superblock", group.0), bytes);
        let rest = Label::numbered("superblock's block", group.0);
        plan.zeros(start.at() + end, BLOCK - end, rest);
        let label = Label::numbered("group descriptors", group.0);
        plan.bytes(start.after(1).at(), label, Arc::clone(&descriptors));
        let kept = start.after(1 + u64::from(layout.descriptor_blocks)).at();
        let label = Label::numbered("blocks for more descriptors", group.0);
        if group.0 == 0 {
            plan.bytes(kept, label, resize::kept(layout));
        } else {
            plan.zeros(kept, BLOCK * u64::from(layout.reserved_blocks), label);
        }
    }
}

fn sealed(mut superblock: Superblock) -> [u8; Superblock::SIZE] {
    const _: () = assert!(Superblock::SIZE < BLOCK_LEN);
    let bytes = superblock.encode();
    superblock.checksum = Checksum::START.add(&bytes[..0x3FC]).get();
    superblock.encode()
}
