//! A squashfs that exists: its tree and its files' contents, read with care.
//!
//! - `unpack`: one block, by the image's compressor
//! - `metadata`: the tables, a stream of small blocks
//! - `inode`: what an entry is; `directory`: what is in it
//! - `contents`: the bytes of a file
//!
//! This is the way back from what [`crate::writers::squashfs`] writes, and from what `mksquashfs`
//! does; it shares no code with the writer, so each shows the other's mistakes. Nothing that is read
//! is believed: sizes are bounded before memory is taken, references are followed only as often as
//! there are inodes. Follows the kernel's `fs/squashfs/squashfs_fs.h`.

mod contents;
mod directory;
mod inode;
mod metadata;
mod unpack;

use std::cell::RefCell;

pub use inode::{File, Inode, Kind, Listing};

use super::{Disk, Medium, field};
use crate::units::Bytes;
use contents::Fragments;
use metadata::Reference;
use unpack::Compressor;

/// `SQUASHFS_INVALID_BLK`: the table is not there.
const NO_TABLE: u64 = u64::MAX;

/// Why a squashfs, or a part of it, cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image cannot be read.
    #[error(transparent)]
    Read(#[from] super::Error),
    /// Bytes that contradict what the format says.
    #[error("the {what} at byte {at} is damaged: {found}")]
    Damaged {
        /// Which structure.
        what: &'static str,
        /// Where it is, from the start of the squashfs.
        at: u64,
        /// What is wrong.
        found: String,
    },
    /// A form of the format that is not read here.
    #[error("the squashfs has {found}, which is not supported")]
    Unsupported {
        /// What it has.
        found: String,
    },
}

/// The superblock's fields that a reader needs.
#[derive(Debug, Clone)]
pub struct Superblock {
    /// How many inodes there are.
    pub inodes: u32,
    /// When it was made, in seconds since 1970.
    pub time: u32,
    /// The size of a block of data.
    pub block: Bytes,
    /// How many blocks of fragments there are.
    pub fragments: u32,
    /// How it is compressed, as `mksquashfs -comp` names it.
    pub compressor: &'static str,
    /// How long the squashfs is, without padding.
    pub size: Bytes,
    root: u64,
    inode_table: u64,
    directory_table: u64,
    fragment_table: u64,
}

/// A squashfs within an image.
pub struct Squashfs<'d> {
    disk: &'d Disk<'d>,
    start: Bytes,
    superblock: Superblock,
    compressor: Compressor,
    /// Where each block of fragments lies, and its word.
    fragments: Vec<(u64, u32)>,
    tables: RefCell<metadata::Cache>,
    unpacked: RefCell<Fragments>,
}

impl std::fmt::Debug for Squashfs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Squashfs").field("superblock", &self.superblock).finish_non_exhaustive()
    }
}

impl<'d> Squashfs<'d> {
    /// Opens the squashfs that starts at a byte of the disk and has at most so many bytes; none where
    /// there is no squashfs.
    ///
    /// # Errors
    /// A superblock or a fragment table that makes no sense.
    pub(super) fn open(
        disk: &'d Disk<'d>,
        start: Bytes,
        len: Bytes,
    ) -> Result<Option<Self>, Error> {
        let mut head = [0; 96];
        disk.read(start, &mut head)?;
        if !head.starts_with(b"hsqs") {
            return Ok(None);
        }
        let (superblock, compressor) = superblock(&head, len)?;
        let mut squashfs = Self {
            disk,
            start,
            superblock,
            compressor,
            fragments: Vec::new(),
            tables: RefCell::default(),
            unpacked: RefCell::default(),
        };
        squashfs.fragments = squashfs.fragment_table()?;
        Ok(Some(squashfs))
    }

    /// Returns what the superblock says.
    pub fn superblock(&self) -> &Superblock {
        &self.superblock
    }

    /// Returns the root directory.
    ///
    /// # Errors
    /// Damage, and where.
    pub fn root(&self) -> Result<Inode, Error> {
        self.inode(Reference::unpack(self.superblock.root))
    }

    /// Reads bytes of the squashfs; those that it does not have are damage.
    fn bytes(&self, what: &'static str, at: u64, len: usize) -> Result<Vec<u8>, Error> {
        let end = at.checked_add(Bytes::from_len(len).get());
        if end.is_none_or(|end| end > self.superblock.size.get()) {
            let found = format!("its {len} bytes end after the squashfs, which has {}", {
                self.superblock.size.get()
            });
            return Err(Error::Damaged { what, at, found });
        }
        let mut bytes = vec![0; len];
        self.disk.read(self.start + Bytes::new(at), &mut bytes)?;
        Ok(bytes)
    }

    fn fragment_table(&self) -> Result<Vec<(u64, u32)>, Error> {
        let Superblock { fragments, fragment_table, .. } = self.superblock;
        if fragments == 0 || fragment_table == NO_TABLE {
            return Ok(Vec::new());
        }
        // 512 entries of 16 bytes in each block; the list of the blocks' places is not compressed.
        let count = usize::try_from(fragments.div_ceil(512)).unwrap_or(usize::MAX);
        let places = self.bytes("fragment table", fragment_table, count.saturating_mul(8))?;
        let mut table = Vec::new();
        for place in places.chunks_exact(8) {
            let (block, _) = self.metadata_block(u64::from_le_bytes(field(place, 0)))?;
            let entries = block.chunks_exact(16);
            table.extend(entries.map(|entry| {
                (u64::from_le_bytes(field(entry, 0)), u32::from_le_bytes(field(entry, 8)))
            }));
        }
        Ok(table)
    }
}

fn superblock(head: &[u8; 96], len: Bytes) -> Result<(Superblock, Compressor), Error> {
    let damaged = |found: String| Error::Damaged { what: "superblock", at: 0, found };
    let number = |at| u64::from_le_bytes(field(head, at));
    let short = |at| u16::from_le_bytes(field(head, at));
    let word = |at| u32::from_le_bytes(field(head, at));
    let version = (short(0x1C), short(0x1E));
    if version != (4, 0) {
        let found = format!("version {}.{}", version.0, version.1);
        return Err(Error::Unsupported { found });
    }
    let (block, log) = (word(0x0C), short(0x16));
    if !(12..=20).contains(&log) || block != 1 << log {
        return Err(damaged(format!("blocks of {block} bytes, of logarithm {log}")));
    }
    let size = Bytes::new(number(0x28));
    if size > len {
        return Err(damaged(format!(
            "expected {} bytes, found {}: it is cut short",
            size.get(),
            len.get()
        )));
    }
    let compressor = Compressor::of(short(0x14))?;
    let superblock = Superblock {
        inodes: word(0x04),
        time: word(0x08),
        block: Bytes::new(u64::from(block)),
        fragments: word(0x10),
        compressor: compressor.name(),
        size,
        root: number(0x20),
        inode_table: number(0x40),
        directory_table: number(0x48),
        fragment_table: number(0x50),
    };
    Ok((superblock, compressor))
}

#[cfg(test)]
mod tests;
