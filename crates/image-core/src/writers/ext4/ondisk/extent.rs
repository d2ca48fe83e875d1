//! Extent trees: ifork.rst, "Extent Tree".

use super::on_disk;

/// `eh_magic`.
pub(in crate::writers::ext4) const MAGIC: u16 = 0xF30A;
/// Entries that fit into `i_block` beside the header.
pub(in crate::writers::ext4) const ROOT_ENTRIES: u16 = 4;
/// Entries that fit into a block beside the header and the checksum.
pub(in crate::writers::ext4) const BLOCK_ENTRIES: u16 = 340;
/// Where a block's checksum lies: after the header and all entries.
pub(in crate::writers::ext4) const TAIL: usize = 12 + 12 * 340;
/// Most blocks of one extent; longer ones would read as "allocated but unwritten".
pub(in crate::writers::ext4) const MOST_BLOCKS: u64 = 32_768;

on_disk! {
    /// `struct ext4_extent_header`: starts every node.
    Header: 12 {
        /// [`MAGIC`].
        0x0 magic: u16,
        /// Entries that follow.
        0x2 entries: u16,
        /// Entries that could.
        0x4 max: u16,
        /// 0: the entries are extents; otherwise index entries.
        0x6 depth: u16,
        /// Unused.
        0x8 generation: u32,
    }
}

on_disk! {
    /// `struct ext4_extent_idx`: an inner node's entry.
    Index: 12 {
        /// First block of the file below.
        0x0 block: u32,
        /// Place of the node below, low half.
        0x4 leaf_lo: u32,
        /// Place of the node below, high half.
        0x8 leaf_hi: u16,
        /// Unused.
        0xA unused: u16,
    }
}

on_disk! {
    /// `struct ext4_extent`: a leaf's entry.
    Extent: 12 {
        /// First block of the file.
        0x0 block: u32,
        /// How many blocks.
        0x4 len: u16,
        /// Their place, high half.
        0x6 start_hi: u16,
        /// Their place, low half.
        0x8 start_lo: u32,
    }
}
