//! squashfs 4.0 as bytes: structures in the order of the kernel's header, and their encoders.
//!
//! Names are those of `fs/squashfs/squashfs_fs.h` without their prefixes; what readers make of a field
//! is told by the "Squashfs Binary Format" of squashfs-tools-ng. All numbers are little-endian. An
//! inode is [`Base`] followed by the structure of its kind, and by what that says follows. The options
//! behind the superblock are the codecs' own.

use crate::writers::ondisk::on_disk;

/// `SQUASHFS_MAGIC`: `hsqs` on disk.
pub(super) const MAGIC: u32 = 0x7371_7368;
/// `s_major` and `s_minor` of the format since Linux 2.6.29.
pub(super) const VERSION: (u16, u16) = (4, 0);
/// `SQUASHFS_METADATA_SIZE`: what a block of metadata holds before it is compressed.
pub(super) const METADATA_SIZE: usize = 8192;
/// Set in the two bytes before a block of metadata that is stored as it is.
pub(super) const METADATA_RAW: u16 = 1 << 15;
/// `SQUASHFS_INVALID_BLK`: where a table starts that is not there.
pub(super) const NO_TABLE: u64 = u64::MAX;
/// `SQUASHFS_INVALID_FRAG`: the file has no tail in a fragment.
pub(super) const NO_FRAGMENT: u32 = u32::MAX;
/// `SQUASHFS_INVALID_XATTR`: there are no extended attributes.
pub(super) const NO_XATTR: u32 = u32::MAX;
/// `SQUASHFS_DIR_COUNT`: the most entries behind one header.
pub(super) const MOST_ENTRIES: usize = 256;
/// What a directory's size counts beside its listing: `.`, `..` and the end, which are not stored.
pub(super) const DOTS: usize = 3;

/// `flags` of the superblock; only `COMPRESSOR_OPTIONS` changes what readers do.
pub(super) mod flag {
    /// There are no fragments.
    pub(in crate::writers::squashfs) const NO_FRAGMENTS: u16 = 1 << 4;
    /// What is the same is stored once.
    pub(in crate::writers::squashfs) const DUPLICATES: u16 = 1 << 6;
    /// There is an export table.
    pub(in crate::writers::squashfs) const EXPORTABLE: u16 = 1 << 7;
    /// There are no extended attributes.
    pub(in crate::writers::squashfs) const NO_XATTRS: u16 = 1 << 9;
    /// The compressor's settings follow the superblock.
    pub(in crate::writers::squashfs) const COMPRESSOR_OPTIONS: u16 = 1 << 10;
}

/// `type` of directory entries, and of inodes without more than the basics.
pub(super) mod kind {
    /// `SQUASHFS_DIR_TYPE`.
    pub(in crate::writers::squashfs) const DIRECTORY: u16 = 1;
    /// `SQUASHFS_REG_TYPE`.
    pub(in crate::writers::squashfs) const REGULAR: u16 = 2;
    /// `SQUASHFS_SYMLINK_TYPE`.
    pub(in crate::writers::squashfs) const SYMLINK: u16 = 3;
    /// `SQUASHFS_BLKDEV_TYPE`.
    pub(in crate::writers::squashfs) const BLOCK: u16 = 4;
    /// `SQUASHFS_CHRDEV_TYPE`.
    pub(in crate::writers::squashfs) const CHARACTER: u16 = 5;
    /// `SQUASHFS_FIFO_TYPE`.
    pub(in crate::writers::squashfs) const FIFO: u16 = 6;
    /// What is added for the extended form of an inode (`SQUASHFS_LDIR_TYPE` …).
    pub(in crate::writers::squashfs) const EXTENDED: u16 = 7;
}

on_disk! {
    /// `struct squashfs_super_block`, at byte 0.
    Superblock: 96 {
        /// [`MAGIC`].
        0x00 magic: u32,
        /// How many inodes there are.
        0x04 inodes: u32,
        /// When the image was made, in seconds since 1970.
        0x08 mkfs_time: u32,
        /// The size of a block of data: 4 KiB to 1 MiB.
        0x0C block_size: u32,
        /// How many entries the fragment table has.
        0x10 fragments: u32,
        /// See [`Codec::id`](super::Codec::id).
        0x14 compression: u16,
        /// The logarithm of `block_size`.
        0x16 block_log: u16,
        /// See [`flag`].
        0x18 flags: u16,
        /// How many entries the id table has; never 0.
        0x1A no_ids: u16,
        /// 4.
        0x1C major: u16,
        /// 0.
        0x1E minor: u16,
        /// A reference to the root directory's inode.
        0x20 root_inode: u64,
        /// The end of the last table; padding follows.
        0x28 bytes_used: u64,
        /// Where the places of the id table's blocks are listed.
        0x30 id_table_start: u64,
        /// Where [`XattrTable`] lies, or [`NO_TABLE`].
        0x38 xattr_table_start: u64,
        /// The end of the data.
        0x40 inode_table_start: u64,
        /// The end of the inodes.
        0x48 directory_table_start: u64,
        /// Where the places of the fragment table's blocks are listed, or [`NO_TABLE`].
        0x50 fragment_table_start: u64,
        /// Where the places of the export table's blocks are listed, or [`NO_TABLE`].
        0x58 lookup_table_start: u64,
    }
}

on_disk! {
    /// `struct squashfs_base_inode`: starts every inode.
    Base: 16 {
        /// See [`kind`].
        0x0 inode_type: u16,
        /// The twelve bits of permissions.
        0x2 mode: u16,
        /// Where the id table has the owner.
        0x4 uid: u16,
        /// Where the id table has the group.
        0x6 guid: u16,
        /// Seconds since 1970, unsigned.
        0x8 mtime: u32,
        /// From 1 to the superblock's `inodes`.
        0xC inode_number: u32,
    }
}

on_disk! {
    /// `struct squashfs_reg_inode`, then the sizes of the blocks.
    Regular: 16 {
        /// Where the first block lies.
        0x0 start_block: u32,
        /// Where the fragment table has the tail's block, or [`NO_FRAGMENT`].
        0x4 fragment: u32,
        /// Where the tail lies in that block, unpacked.
        0x8 offset: u32,
        /// How long the file is.
        0xC file_size: u32,
    }
}

on_disk! {
    /// `struct squashfs_lreg_inode`, then the sizes of the blocks.
    LongRegular: 40 {
        /// Where the first block lies.
        0x00 start_block: u64,
        /// How long the file is.
        0x08 file_size: u64,
        /// How much of it are blocks of zeros that are not stored.
        0x10 sparse: u64,
        /// 1.
        0x18 nlink: u32,
        /// As [`Regular::fragment`].
        0x1C fragment: u32,
        /// As [`Regular::offset`].
        0x20 offset: u32,
        /// Which set of extended attributes, or [`NO_XATTR`].
        0x24 xattr: u32,
    }
}

on_disk! {
    /// `struct squashfs_dir_inode`.
    Directory: 16 {
        /// Which block of the directory table the listing starts in, from that table's start.
        0x0 start_block: u32,
        /// 2 and one for each directory inside.
        0x4 nlink: u32,
        /// The listing's size and [`DOTS`].
        0x8 file_size: u16,
        /// Where in its block the listing starts.
        0xA offset: u16,
        /// The inode number of the directory above; the root's is one that no inode has.
        0xC parent_inode: u32,
    }
}

on_disk! {
    /// `struct squashfs_ldir_inode`, then [`Index`] entries.
    LongDirectory: 24 {
        /// As [`Directory::nlink`].
        0x00 nlink: u32,
        /// As [`Directory::file_size`].
        0x04 file_size: u32,
        /// As [`Directory::start_block`].
        0x08 start_block: u32,
        /// As [`Directory::parent_inode`].
        0x0C parent_inode: u32,
        /// How many entries the index has.
        0x10 i_count: u16,
        /// As [`Directory::offset`].
        0x12 offset: u16,
        /// Which set of extended attributes, or [`NO_XATTR`].
        0x14 xattr: u32,
    }
}

on_disk! {
    /// `struct squashfs_dir_index`, then a name.
    Index: 12 {
        /// Where in the listing a header starts.
        0x0 index: u32,
        /// Which block of the directory table that is in.
        0x4 start_block: u32,
        /// The size of the first name after that header, less one.
        0x8 size: u32,
    }
}

on_disk! {
    /// `struct squashfs_symlink_inode`, then the target, then in the extended form a set of attributes.
    Symlink: 8 {
        /// 1.
        0x0 nlink: u32,
        /// How long the target is.
        0x4 symlink_size: u32,
    }
}

on_disk! {
    /// `struct squashfs_dev_inode`, then in the extended form a set of attributes.
    Device: 8 {
        /// 1.
        0x0 nlink: u32,
        /// The number, as Linux' `new_encode_dev` packs it.
        0x4 rdev: u32,
    }
}

on_disk! {
    /// `struct squashfs_ipc_inode`, then in the extended form a set of attributes.
    Ipc: 4 {
        /// 1.
        0x0 nlink: u32,
    }
}

on_disk! {
    /// `struct squashfs_dir_header`, then entries whose inodes lie in one block.
    Header: 12 {
        /// How many entries follow, less one.
        0x0 count: u32,
        /// Which block of the inode table, from that table's start.
        0x4 start_block: u32,
        /// What the entries' inode numbers are counted from.
        0x8 inode_number: u32,
    }
}

on_disk! {
    /// `struct squashfs_dir_entry`, then the name.
    Entry: 8 {
        /// Where in its block the inode starts.
        0x0 offset: u16,
        /// Its number, less the header's.
        0x2 inode_number: i16,
        /// See [`kind`]; extended inodes have the basic ones here.
        0x4 entry_type: u16,
        /// The size of the name, less one.
        0x6 size: u16,
    }
}

on_disk! {
    /// `struct squashfs_fragment_entry`.
    Fragment: 16 {
        /// Where the block lies.
        0x0 start_block: u64,
        /// Its size; bit 24 where it is stored as it is.
        0x8 size: u32,
        /// 0.
        0xC unused: u32,
    }
}

on_disk! {
    /// `struct squashfs_xattr_entry`, then the name without its prefix, then [`XattrValue`].
    XattrEntry: 4 {
        /// Which prefix: 0 `user.`, 1 `trusted.`, 2 `security.`.
        0x0 prefix: u16,
        /// The size of the rest of the name.
        0x2 size: u16,
    }
}

on_disk! {
    /// `struct squashfs_xattr_val`, then the value.
    XattrValue: 4 {
        /// Its size.
        0x0 vsize: u32,
    }
}

on_disk! {
    /// `struct squashfs_xattr_id`: a set of attributes.
    XattrId: 16 {
        /// A reference to the first of them.
        0x0 xattr: u64,
        /// How many there are.
        0x8 count: u32,
        /// How many bytes they take.
        0xC size: u32,
    }
}

on_disk! {
    /// `struct squashfs_xattr_id_table`, then the places of the blocks of [`XattrId`].
    XattrTable: 16 {
        /// Where the first block of attributes lies.
        0x0 table_start: u64,
        /// How many sets there are.
        0x8 ids: u32,
        /// 0.
        0xC unused: u32,
    }
}
