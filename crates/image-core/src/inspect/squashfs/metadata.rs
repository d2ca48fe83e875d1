//! The tables: a stream of blocks of 8 KiB, each compressed by itself.
//!
//! A reference names a block by where its compressed bytes lie, and a byte in what it unpacks to;
//! what starts there may go on in the next block.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Error, Squashfs, field};
use crate::units::Bytes;

/// What a block holds before it is compressed.
const SIZE: usize = 8192;
/// Set in a block's head where it is stored as it is.
const RAW: u16 = 1 << 15;
/// How many unpacked blocks are kept: the tree is walked in order, which asks for few.
const KEPT: usize = 64;

/// Where something in a table starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reference {
    /// The block, from the table's start.
    pub(super) block: u64,
    /// The byte in the unpacked block.
    pub(super) offset: u16,
}

impl Reference {
    /// Reads the form in which inodes are named: the offset in the low 16 bits.
    pub(super) fn unpack(packed: u64) -> Self {
        let [low, high, ..] = packed.to_le_bytes();
        Self { block: packed >> 16, offset: u16::from_le_bytes([low, high]) }
    }
}

/// Blocks that were unpacked lately.
#[derive(Debug, Default)]
pub(super) struct Cache {
    blocks: BTreeMap<u64, (Rc<[u8]>, u64)>,
}

impl Squashfs<'_> {
    /// Unpacks the block at a byte of the squashfs; returns where the next one is, too.
    pub(super) fn metadata_block(&self, at: u64) -> Result<(Rc<[u8]>, u64), Error> {
        if let Some(known) = self.tables.borrow().blocks.get(&at) {
            return Ok(known.clone());
        }
        let damaged = |found| Error::Damaged { what: "metadata block", at, found };
        let head = u16::from_le_bytes(field(&self.bytes("metadata block", at, 2)?, 0));
        let size = usize::from(head & !RAW);
        if size == 0 || size > SIZE {
            return Err(damaged(format!("expected 1 to {SIZE} bytes, found {size}")));
        }
        let packed = self.bytes("metadata block", at.saturating_add(2), size)?;
        let block: Rc<[u8]> = if head & RAW != 0 {
            packed.into()
        } else {
            self.compressor.unpack(&packed, SIZE).map_err(damaged)?.into()
        };
        let next = at.saturating_add(2).saturating_add(Bytes::from_len(size).get());
        let mut cache = self.tables.borrow_mut();
        if cache.blocks.len() >= KEPT {
            cache.blocks.pop_first();
        }
        cache.blocks.insert(at, (Rc::clone(&block), next));
        Ok((block, next))
    }

    /// Starts to read a table at a reference.
    pub(super) fn table(&self, start: u64, reference: Reference) -> Result<Table<'_>, Error> {
        let at = start.saturating_add(reference.block);
        let (block, next) = self.metadata_block(at)?;
        Ok(Table { squashfs: self, block, at, next, offset: usize::from(reference.offset) })
    }
}

/// A table, read from some byte on.
pub(super) struct Table<'s> {
    squashfs: &'s Squashfs<'s>,
    block: Rc<[u8]>,
    at: u64,
    next: u64,
    offset: usize,
}

impl Table<'_> {
    /// Reads the next bytes.
    pub(super) fn bytes(&mut self, len: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            let rest = self.block.get(self.offset..).unwrap_or_default();
            if rest.is_empty() {
                if self.offset > self.block.len() {
                    let found =
                        format!("expected byte {}, it has {}", self.offset, self.block.len());
                    return Err(Error::Damaged { what: "metadata block", at: self.at, found });
                }
                self.at = self.next;
                (self.block, self.next) = self.squashfs.metadata_block(self.at)?;
                self.offset = 0;
                continue;
            }
            let part = &rest[..rest.len().min(len - bytes.len())];
            bytes.extend_from_slice(part);
            self.offset += part.len();
        }
        Ok(bytes)
    }

    /// Returns the error that something read here makes no sense.
    pub(super) fn damaged(&self, what: &'static str, found: String) -> Error {
        Error::Damaged { what, at: self.at, found }
    }
}
