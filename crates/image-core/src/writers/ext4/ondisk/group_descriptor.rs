//! Block group descriptors, 64 bytes each: group_descr.rst.

use super::on_disk;

/// `bg_flags`: no inode of the group is in use, and its inode bitmap was never written.
pub(in crate::writers::ext4) const INODE_UNINIT: u16 = 1;
/// `bg_flags`: no block is in use but those every reader can tell, and the bitmap was never written.
pub(in crate::writers::ext4) const BLOCK_UNINIT: u16 = 2;
/// `bg_flags`: the inode table is zeroed, so the kernel need not do it later.
pub(in crate::writers::ext4) const INODE_ZEROED: u16 = 4;

on_disk! {
    /// `struct ext4_group_desc` with the 64bit feature.
    GroupDescriptor: 64 {
        /// Place of the block bitmap, low half.
        0x0 block_bitmap_lo: u32,
        /// Place of the inode bitmap, low half.
        0x4 inode_bitmap_lo: u32,
        /// Place of the inode table, low half.
        0x8 inode_table_lo: u32,
        /// Free blocks, low half.
        0xC free_blocks_count_lo: u16,
        /// Free inodes, low half.
        0xE free_inodes_count_lo: u16,
        /// Directories, low half.
        0x10 used_dirs_count_lo: u16,
        /// [`INODE_UNINIT`], [`BLOCK_UNINIT`], [`INODE_ZEROED`].
        0x12 flags: u16,
        /// Unused: snapshots.
        0x14 exclude_bitmap_lo: u32,
        /// Checksum of the block bitmap, low half.
        0x18 block_bitmap_csum_lo: u16,
        /// Checksum of the inode bitmap, low half.
        0x1A inode_bitmap_csum_lo: u16,
        /// Inodes at the end of the table that were never used, low half.
        0x1C itable_unused_lo: u16,
        /// Checksum of the group number and this descriptor.
        0x1E checksum: u16,
        /// Place of the block bitmap, high half.
        0x20 block_bitmap_hi: u32,
        /// Place of the inode bitmap, high half.
        0x24 inode_bitmap_hi: u32,
        /// Place of the inode table, high half.
        0x28 inode_table_hi: u32,
        /// Free blocks, high half.
        0x2C free_blocks_count_hi: u16,
        /// Free inodes, high half.
        0x2E free_inodes_count_hi: u16,
        /// Directories, high half.
        0x30 used_dirs_count_hi: u16,
        /// Unused inodes, high half.
        0x32 itable_unused_hi: u16,
        /// Unused: snapshots.
        0x34 exclude_bitmap_hi: u32,
        /// Checksum of the block bitmap, high half.
        0x38 block_bitmap_csum_hi: u16,
        /// Checksum of the inode bitmap, high half.
        0x3A inode_bitmap_csum_hi: u16,
        /// Padding to 64 bytes.
        0x3C reserved: u32,
    }
}
