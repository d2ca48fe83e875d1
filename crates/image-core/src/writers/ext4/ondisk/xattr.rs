//! Extended attributes: attributes.rst.

use super::on_disk;

/// `h_magic`.
pub(in crate::writers::ext4) const MAGIC: u32 = 0xEA02_0000;

on_disk! {
    /// `struct ext4_xattr_header`: starts a block of attributes. (In an inode, the magic alone.)
    Header: 32 {
        /// [`MAGIC`].
        0x0 magic: u32,
        /// Inodes that share the block.
        0x4 refcount: u32,
        /// Blocks used: 1.
        0x8 blocks: u32,
        /// Hash of all attributes.
        0xC hash: u32,
        /// Checksum of the block.
        0x10 checksum: u32,
        /// Unused.
        0x14 reserved: [u32; 3],
    }
}

on_disk! {
    /// `struct ext4_xattr_entry` without its name.
    Entry: 16 {
        /// Bytes of the name after its prefix.
        0x0 name_len: u8,
        /// Which prefix.
        0x1 name_index: u8,
        /// Place of the value: from the block's start, or from an inode's first entry.
        0x2 value_offs: u16,
        /// Inode that holds the value; 0: it is here.
        0x4 value_inum: u32,
        /// Bytes of the value.
        0x8 value_size: u32,
        /// Hash of name and value; 0 in an inode.
        0xC hash: u32,
    }
}
