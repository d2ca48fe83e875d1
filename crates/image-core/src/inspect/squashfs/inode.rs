//! What an entry is: the fixed part of an inode, and what its kind adds.

use super::metadata::{Reference, Table};
use super::{Error, Squashfs, field};
use crate::units::Bytes;

/// A target is no longer than a path may be to the kernel.
const LONGEST_TARGET: u32 = 65535;

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inode {
    /// Its number, from 1.
    pub number: u32,
    /// Its twelve bits of permissions.
    pub mode: u16,
    /// When it was changed, in seconds since 1970.
    pub mtime: u32,
    /// What it is.
    pub kind: Kind,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory: where its listing lies and how long that is.
    Directory(Listing),
    /// A file: where its bytes lie.
    File(File),
    /// A symbolic link and where it points.
    Symlink(Vec<u8>),
    /// A device, a pipe or a socket.
    Special,
}

/// Where a directory's listing lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listing {
    pub(super) block: u32,
    pub(super) offset: u16,
    /// Its bytes, and three.
    pub(super) size: u32,
}

/// Where a file's bytes lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// How long it is.
    pub size: Bytes,
    pub(super) start: u64,
    /// The sizes of its blocks, as they are stored.
    pub(super) words: Vec<u32>,
    /// Which fragment block holds its end, and where in it.
    pub(super) fragment: Option<(u32, u32)>,
}

impl Squashfs<'_> {
    /// Reads the inode at a reference.
    pub(super) fn inode(&self, reference: Reference) -> Result<Inode, Error> {
        let mut table = self.table(self.superblock.inode_table, reference)?;
        let base = table.bytes(16)?;
        let short = |at| u16::from_le_bytes(field(&base, at));
        let kind = match short(0) {
            1 => directory(&table.bytes(16)?),
            8 => long_directory(&table.bytes(24)?),
            2 => self.file(&mut table)?,
            9 => self.long_file(&mut table)?,
            3 | 10 => symlink(&mut table)?,
            4..=7 | 11..=14 => Kind::Special,
            other => return Err(table.damaged("inode", format!("kind {other}"))),
        };
        let word = |at| u32::from_le_bytes(field(&base, at));
        Ok(Inode { number: word(12), mode: short(2), mtime: word(8), kind })
    }

    fn file(&self, table: &mut Table<'_>) -> Result<Kind, Error> {
        let raw = table.bytes(16)?;
        let word = |at| u32::from_le_bytes(field(&raw, at));
        let place = (u64::from(word(0)), u64::from(word(12)), word(4), word(8));
        self.blocks(table, place)
    }

    fn long_file(&self, table: &mut Table<'_>) -> Result<Kind, Error> {
        let raw = table.bytes(40)?;
        let word = |at| u32::from_le_bytes(field(&raw, at));
        let long = |at| u64::from_le_bytes(field(&raw, at));
        self.blocks(table, (long(0), long(8), word(28), word(32)))
    }

    /// Reads the list of a file's blocks.
    fn blocks(
        &self,
        table: &mut Table<'_>,
        (start, size, fragment, offset): (u64, u64, u32, u32),
    ) -> Result<Kind, Error> {
        let fragment = (fragment != u32::MAX).then_some((fragment, offset));
        let block = self.superblock.block.get();
        let count = if fragment.is_some() { size / block } else { size.div_ceil(block) };
        let mut words = Vec::new();
        // Read bit by bit: a size that is a lie ends with the table, not with the memory.
        for _ in 0..count {
            words.push(u32::from_le_bytes(field(&table.bytes(4)?, 0)));
        }
        Ok(Kind::File(File { size: Bytes::new(size), start, words, fragment }))
    }
}

fn directory(raw: &[u8]) -> Kind {
    let block = u32::from_le_bytes(field(raw, 0));
    let size = u32::from(u16::from_le_bytes(field(raw, 8)));
    Kind::Directory(Listing { block, offset: u16::from_le_bytes(field(raw, 10)), size })
}

fn long_directory(raw: &[u8]) -> Kind {
    let (size, block) = (u32::from_le_bytes(field(raw, 4)), u32::from_le_bytes(field(raw, 8)));
    Kind::Directory(Listing { block, offset: u16::from_le_bytes(field(raw, 18)), size })
}

fn symlink(table: &mut Table<'_>) -> Result<Kind, Error> {
    let size = u32::from_le_bytes(field(&table.bytes(8)?, 4));
    if size > LONGEST_TARGET {
        return Err(table.damaged("inode", format!("a symbolic link of {size} bytes")));
    }
    let target = table.bytes(usize::try_from(size).unwrap_or_default())?;
    Ok(Kind::Symlink(target))
}
