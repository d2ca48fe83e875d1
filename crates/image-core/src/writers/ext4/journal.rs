//! The journal: an empty log behind its superblock (journal.rst).
//!
//! The log is zeros, not a gap: after a crash, recovery reads on until it finds no transaction, and
//! must not find one of an older file system.

use uuid::Uuid;

use super::block::{BLOCK_LEN, narrow};
use super::ondisk::Be32;
use super::ondisk::journal::{MAGIC, SUPERBLOCK_V2, Superblock};

/// The least that the kernel accepts (`JBD2_MIN_JOURNAL_BLOCKS`).
const LEAST: u64 = 1024;
/// 64 MiB: where mke2fs is at 2 GiB, too.
const MEDIUM: u64 = 16_384;
/// 1 GiB: the most mke2fs makes.
const MOST: u64 = 262_144;

/// Chooses how many blocks the journal of a file system gets.
///
/// About mke2fs' table (`ext2fs_default_journal_size`), without its steps: at those, a larger
/// volume would have less room than a smaller one.
pub(super) fn blocks(file_system: u64) -> u64 {
    (file_system / 32).clamp(LEAST, MEDIUM).max((file_system / 128).min(MOST))
}

/// Writes the first block's contents.
pub(super) fn superblock(uuid: Uuid, blocks: u64) -> [u8; Superblock::SIZE] {
    Superblock {
        magic: Be32(MAGIC),
        blocktype: Be32(SUPERBLOCK_V2),
        blocksize: Be32(narrow(BLOCK_LEN)),
        maxlen: Be32(narrow(blocks)),
        first: Be32(1),
        sequence: Be32(1),
        uuid: uuid.into_bytes(),
        nr_users: Be32(1),
        ..Superblock::ZERO
    }
    .encode()
}
