//! CRC-32C as ext4 uses it: without the final inversion, and carried on from a seed (checksums.rst).

use uuid::Uuid;

use super::block::InodeNo;

/// A checksum so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checksum(u32);

impl Checksum {
    /// Nothing summed yet.
    pub(super) const START: Self = Self(u32::MAX);

    /// Starts every checksum of a file system but the superblock's.
    pub(super) fn of_volume(uuid: Uuid) -> Self {
        Self::START.add(uuid.as_bytes())
    }

    /// Starts the checksums of one inode: its record, its directory blocks, its extent blocks.
    pub(super) fn of_inode(self, inode: InodeNo) -> Self {
        // The second number is i_generation, which is 0 for all inodes we make.
        self.add(&inode.0.to_le_bytes()).add(&[0; 4])
    }

    /// Sums more bytes.
    #[must_use]
    pub(super) fn add(self, bytes: &[u8]) -> Self {
        Self(!crc32c::crc32c_append(!self.0, bytes))
    }

    /// Returns the sum.
    pub(super) fn get(self) -> u32 {
        self.0
    }
}
