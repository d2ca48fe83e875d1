//! The journal's superblock, big-endian: journal.rst.

use super::{Be32, on_disk};

/// `h_magic`.
pub(in crate::writers::ext4) const MAGIC: u32 = 0xC03B_3998;
/// `h_blocktype`: a superblock, version 2.
pub(in crate::writers::ext4) const SUPERBLOCK_V2: u32 = 4;

on_disk! {
    /// `struct journal_superblock_s`.
    Superblock: 1024 {
        /// [`MAGIC`].
        0x0 magic: Be32,
        /// [`SUPERBLOCK_V2`].
        0x4 blocktype: Be32,
        /// Sequence number of this block; 0 for a superblock.
        0x8 header_sequence: Be32,
        /// Bytes per block.
        0xC blocksize: Be32,
        /// Blocks of the journal.
        0x10 maxlen: Be32,
        /// First block of log.
        0x14 first: Be32,
        /// First transaction to expect.
        0x18 sequence: Be32,
        /// Block where the log starts; 0: the log is empty.
        0x1C start: Be32,
        /// Error recorded.
        0x20 errno: Be32,
        /// Compatible features.
        0x24 feature_compat: Be32,
        /// Incompatible features; none, as mke2fs leaves it: the kernel sets 64bit and
        /// checksum v3 when it first mounts.
        0x28 feature_incompat: Be32,
        /// Features for readers only.
        0x2C feature_ro_compat: Be32,
        /// UUID; the file system's.
        0x30 uuid: [u8; 16],
        /// File systems that use the journal.
        0x40 nr_users: Be32,
        /// Fields that stay zero without features, and the users' UUIDs.
        0x44 unused: [u8; 0x3BC],
    }
}
