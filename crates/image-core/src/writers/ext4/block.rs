//! What ext4 counts: blocks, inodes and groups.

use std::fmt;

use crate::units::Bytes;

/// The one block size we write: what every machine can mount, and the page of most.
pub(super) const BLOCK: Bytes = Bytes::new(BLOCK_U64);
/// [`BLOCK`] as a length in memory.
pub(super) const BLOCK_LEN: usize = 4096;
const BLOCK_U64: u64 = 4096;
/// Blocks per group: as many as one block of bitmap describes.
pub(super) const BLOCKS_PER_GROUP: u64 = 8 * BLOCK_U64;
/// Inodes a group can have: as many as one block of bitmap describes.
pub(super) const MOST_INODES_PER_GROUP: u32 = 32_768;
/// Bytes per inode record.
pub(super) const INODE_LEN: usize = 256;
/// Inode records per block.
pub(super) const INODES_PER_BLOCK: u32 = 16;

/// A block of the file system, counted from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BlockNo(pub(super) u64);

impl BlockNo {
    /// Returns where the block starts.
    pub(super) fn at(self) -> Bytes {
        BLOCK * self.0
    }

    /// Returns the block that lies `blocks` after this one.
    pub(super) fn after(self, blocks: u64) -> Self {
        Self(self.0 + blocks)
    }
}

/// Blocks in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The first one.
    pub(super) start: BlockNo,
    /// How many; never zero.
    pub(super) blocks: u64,
}

impl Run {
    /// Returns the block after the last one.
    pub(super) fn end(self) -> BlockNo {
        self.start.after(self.blocks)
    }

    /// Counts the bytes.
    pub(super) fn len(self) -> Bytes {
        BLOCK * self.blocks
    }
}

/// A block group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GroupNo(pub(super) u32);

impl GroupNo {
    /// Returns the group's first block.
    pub(super) fn first_block(self) -> BlockNo {
        BlockNo(u64::from(self.0) * BLOCKS_PER_GROUP)
    }

    /// Returns the group a block lies in.
    pub(super) fn of(block: BlockNo) -> Self {
        Self(narrow(block.0 / BLOCKS_PER_GROUP))
    }

    /// Tells whether a copy of the superblock lies here: sparse_super's groups 0, 1 and the powers
    /// of 3, 5 and 7 (super.rst).
    pub(super) fn has_super(self) -> bool {
        let power_of = |base: u32| {
            let mut rest = self.0;
            while rest > 1 && rest.is_multiple_of(base) {
                rest /= base;
            }
            rest == 1
        };
        self.0 <= 1 || power_of(3) || power_of(5) || power_of(7)
    }
}

/// An inode; the first is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct InodeNo(pub(super) u32);

impl InodeNo {
    /// The root directory.
    pub(super) const ROOT: Self = Self(2);
    /// Holds the blocks kept for more group descriptors.
    pub(super) const RESIZE: Self = Self(7);
    /// The journal.
    pub(super) const JOURNAL: Self = Self(8);
    /// The first that is not reserved: `lost+found`, as mke2fs has it.
    pub(super) const LOST_FOUND: Self = Self(11);
    /// The first for everything else.
    pub(super) const FIRST_FREE: Self = Self(12);
}

impl fmt::Display for InodeNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Converts a number that its bounds keep within 32 bits.
///
/// The size of a file system is checked before anything else (2^32 blocks at most), which bounds
/// groups, inodes and blocks of files alike.
pub(super) fn narrow<N: TryInto<u32>>(number: N) -> u32 {
    number.try_into().unwrap_or(u32::MAX)
}

/// Converts a number that its bounds keep within 16 bits: a length in a block, a count of entries.
pub(super) fn narrow16<N: TryInto<u16>>(number: N) -> u16 {
    number.try_into().unwrap_or(u16::MAX)
}

/// Converts a number to an index; systems that calve builds on have at least 32 bits of those.
pub(super) fn index<N: TryInto<usize>>(number: N) -> usize {
    number.try_into().unwrap_or(usize::MAX)
}
