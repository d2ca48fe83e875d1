//! Directory entries and hash tree nodes: directory.rst.

use super::on_disk;

/// `file_type`s.
pub(in crate::writers::ext4) mod file_type {
    pub(in crate::writers::ext4) const REGULAR: u8 = 1;
    pub(in crate::writers::ext4) const DIRECTORY: u8 = 2;
    pub(in crate::writers::ext4) const CHARACTER: u8 = 3;
    pub(in crate::writers::ext4) const BLOCK: u8 = 4;
    pub(in crate::writers::ext4) const FIFO: u8 = 5;
    pub(in crate::writers::ext4) const SYMLINK: u8 = 7;
    /// What the checksum at a block's end pretends to be.
    pub(in crate::writers::ext4) const TAIL: u8 = 0xDE;
}

on_disk! {
    /// `struct ext4_dir_entry_2` without its name.
    Entry: 8 {
        /// Which inode; 0: unused.
        0x0 inode: u32,
        /// Bytes to the next entry.
        0x4 rec_len: u16,
        /// Bytes of the name.
        0x6 name_len: u8,
        /// See [`file_type`].
        0x7 file_type: u8,
    }
}

on_disk! {
    /// `struct ext4_dir_entry_tail`: ends every block of entries.
    Tail: 12 {
        /// 0.
        0x0 reserved_zero1: u32,
        /// 12.
        0x4 rec_len: u16,
        /// 0.
        0x6 reserved_zero2: u8,
        /// [`file_type::TAIL`].
        0x7 reserved_ft: u8,
        /// Checksum of the block before.
        0x8 checksum: u32,
    }
}

on_disk! {
    /// `struct dx_root_info`: follows `.` and `..` in a hashed directory's first block.
    RootInfo: 8 {
        /// 0.
        0x0 reserved_zero: u32,
        /// As `s_def_hash_version`.
        0x4 hash_version: u8,
        /// 8: bytes of this structure.
        0x5 info_length: u8,
        /// Levels of nodes between this and the leaves.
        0x6 indirect_levels: u8,
        /// 0.
        0x7 unused_flags: u8,
    }
}

on_disk! {
    /// `struct dx_countlimit` and the block of the first entry, which has no hash.
    CountLimit: 8 {
        /// Entries that could follow, this included.
        0x0 limit: u16,
        /// Entries that do, this included.
        0x2 count: u16,
        /// Block of the first entry.
        0x4 block: u32,
    }
}

on_disk! {
    /// `struct dx_entry`.
    IndexEntry: 8 {
        /// Lowest hash below; odd where names of that hash lie in the block before too.
        0x0 hash: u32,
        /// Block of the directory.
        0x4 block: u32,
    }
}

on_disk! {
    /// `struct dx_tail`: follows the last entry there could be.
    IndexTail: 8 {
        /// 0.
        0x0 reserved: u32,
        /// Checksum of the entries there are.
        0x4 checksum: u32,
    }
}
