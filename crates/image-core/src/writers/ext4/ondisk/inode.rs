//! Inode records, 256 bytes each: inodes.rst.

use super::on_disk;

/// `i_flags`: a hashed directory.
pub(in crate::writers::ext4) const FLAG_INDEX: u32 = 0x1000;
/// `i_flags`: `i_block` holds an extent tree.
pub(in crate::writers::ext4) const FLAG_EXTENTS: u32 = 0x8_0000;
/// `i_extra_isize`: all fields up to and including `i_projid`.
pub(in crate::writers::ext4) const EXTRA_ISIZE: u16 = 32;

/// Kinds, as the high four bits of `i_mode`.
pub(in crate::writers::ext4) mod file_type {
    pub(in crate::writers::ext4) const FIFO: u16 = 0x1000;
    pub(in crate::writers::ext4) const CHARACTER: u16 = 0x2000;
    pub(in crate::writers::ext4) const DIRECTORY: u16 = 0x4000;
    pub(in crate::writers::ext4) const BLOCK: u16 = 0x6000;
    pub(in crate::writers::ext4) const REGULAR: u16 = 0x8000;
    pub(in crate::writers::ext4) const SYMLINK: u16 = 0xA000;
}

on_disk! {
    /// `struct ext4_inode`, with the 96 bytes after it that hold attributes.
    Inode: 256 {
        /// Kind and permissions.
        0x0 mode: u16,
        /// Owner, low half.
        0x2 uid: u16,
        /// Size, low half.
        0x4 size_lo: u32,
        /// Time of last access.
        0x8 atime: u32,
        /// Time of last change of the inode.
        0xC ctime: u32,
        /// Time of last change of the data.
        0x10 mtime: u32,
        /// Time of deletion.
        0x14 dtime: u32,
        /// Group, low half.
        0x18 gid: u16,
        /// Names that lead here.
        0x1A links_count: u16,
        /// Blocks taken, in units of 512 bytes, low half.
        0x1C blocks_lo: u32,
        /// [`FLAG_INDEX`], [`FLAG_EXTENTS`].
        0x20 flags: u32,
        /// Version, low half.
        0x24 version_lo: u32,
        /// An extent tree's root, a short link's target, or a device number.
        0x28 block: [u8; 60],
        /// Version for NFS.
        0x64 generation: u32,
        /// Block of extended attributes, low half.
        0x68 file_acl_lo: u32,
        /// Size, high half.
        0x6C size_high: u32,
        /// Unused: fragments.
        0x70 obso_faddr: u32,
        /// Blocks taken, high half.
        0x74 blocks_high: u16,
        /// Block of extended attributes, high half.
        0x76 file_acl_high: u16,
        /// Owner, high half.
        0x78 uid_high: u16,
        /// Group, high half.
        0x7A gid_high: u16,
        /// Checksum, low half.
        0x7C checksum_lo: u16,
        /// Unused.
        0x7E reserved: u16,
        /// [`EXTRA_ISIZE`].
        0x80 extra_isize: u16,
        /// Checksum, high half.
        0x82 checksum_hi: u16,
        /// `i_ctime`: bits 32 and 33, then nanoseconds.
        0x84 ctime_extra: u32,
        /// `i_mtime`: bits 32 and 33, then nanoseconds.
        0x88 mtime_extra: u32,
        /// `i_atime`: bits 32 and 33, then nanoseconds.
        0x8C atime_extra: u32,
        /// Time of creation.
        0x90 crtime: u32,
        /// `i_crtime`: bits 32 and 33, then nanoseconds.
        0x94 crtime_extra: u32,
        /// Version, high half.
        0x98 version_hi: u32,
        /// Project.
        0x9C projid: u32,
        /// Extended attributes that fit.
        0xA0 attributes: [u8; 96],
    }
}
