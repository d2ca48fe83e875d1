//! Room to grow while mounted: the resize inode (special_inodes.rst; the shape is
//! `ext2fs_create_resize_inode`'s, and `verify_reserved_gdb` of the kernel checks it).
//!
//! Blocks are kept after the group descriptors, and after each copy of them. An inode owns them all,
//! so that nobody else takes them: its double indirect block points at each kept block of group 0,
//! and that block is used as an indirect block which lists the copies of itself.

use super::block::{BLOCK, BLOCK_LEN, BLOCKS_PER_GROUP, BlockNo, index, narrow};
use super::layout::Layout;
use super::ondisk::inode::{Inode, file_type};
use crate::epoch::Epoch;
use crate::tree::{Meta, Mode};

/// Block numbers in an indirect block.
const ADDRESSES: u64 = 1024;
/// `EXT4_DIND_BLOCK`: which of `i_block`'s numbers is the double indirect one.
const DOUBLE_INDIRECT: usize = 13;
/// Blocks that `i_block` names directly.
const DIRECT: u64 = 12;

/// Makes the inode; `double_indirect` is the one block it has to itself.
pub(super) fn inode(layout: &Layout, double_indirect: BlockNo, epoch: Epoch) -> Inode {
    let meta = Meta::root(Mode::new(0o600), epoch);
    let mut inode = super::inode::record(file_type::REGULAR, &meta);
    let at = DOUBLE_INDIRECT * 4;
    inode.block[at..at + 4].copy_from_slice(&narrow(double_indirect.0).to_le_bytes());
    inode.set_size(BLOCK * (DIRECT + ADDRESSES + ADDRESSES * ADDRESSES));
    let copies = layout.groups_with_super().count();
    inode.set_blocks(1 + u64::from(layout.reserved_blocks) * u64::from(narrow(copies)));
    inode
}

/// Writes the double indirect block: the kept blocks of group 0, at the descriptor block's number.
pub(super) fn double_indirect(layout: &Layout) -> Vec<u8> {
    let mut block = vec![0; BLOCK_LEN];
    for kept in 0..layout.reserved_blocks {
        let number = layout.descriptor_blocks + kept;
        let at = index(u64::from(number) % ADDRESSES) * 4;
        block[at..at + 4].copy_from_slice(&(number + 1).to_le_bytes());
    }
    block
}

/// Writes the kept blocks of group 0: each lists the same block of the other groups with a copy.
pub(super) fn kept(layout: &Layout) -> Vec<u8> {
    let mut blocks = vec![0; index(layout.reserved_blocks) * BLOCK_LEN];
    let first = layout.descriptor_blocks + 1;
    for (block, own) in blocks.chunks_exact_mut(BLOCK_LEN).zip(first..) {
        let copies = layout.groups_with_super().skip(1);
        for (place, group) in block.chunks_exact_mut(4).zip(copies) {
            let copy = u64::from(own) + u64::from(group.0) * BLOCKS_PER_GROUP;
            place.copy_from_slice(&narrow(copy).to_le_bytes());
        }
    }
    blocks
}
