//! A slab of the row, compressed: at most 16 MiB of contents as blocks and fragments, then the index.
//!
//! Blocks and fragments are made as `mksquashfs` makes them by default. Files smaller than a block
//! share fragments, in the order of the tree: a fragment is closed when the next file does not fit. All other files have
//! blocks of their own, the last one short. Blocks of zeros take no space.
//!
//! A slab is pressed from nothing but its data, so fragments never reach from one into another, and
//! only within it small files with the same contents are stored once.
//!
//! A file that goes on from the slab before comes first, and one that goes on in the next comes last: so all
//! blocks of a file lie one behind the other when slabs do.

use std::collections::BTreeMap;

use super::index::{Block, Index, Small};
use super::row::Row;
use super::{Encoder, Settings, Word, index};
use crate::pack::codec::Error;
use crate::pack::{self, press};
use crate::tree::Tree;
use crate::units::{Bytes, MIB};

/// Presses slabs of one tree's row.
#[derive(Debug)]
pub struct Press {
    row: Row,
    settings: Settings,
}

impl Press {
    /// Presses the contents of this tree's files.
    pub fn new(tree: &Tree, settings: &Settings) -> Self {
        Self { row: Row::of(tree), settings: *settings }
    }
}

impl pack::Press for Press {
    fn version(&self) -> String {
        let Settings { codec, block, .. } = self.settings;
        let [.., index] = index::MAGIC;
        format!("squashfs by {} in blocks of {}, index {index}", codec.version(), block.get())
    }

    fn memory(&self) -> Bytes {
        // The fragment that is being filled, and what a block may grow by before it is given up.
        self.settings.codec.memory() + MIB * 3
    }

    fn worker(&self) -> Result<Box<dyn press::Worker + '_>, Error> {
        let encoder = self.settings.codec.encoder()?;
        Ok(Box::new(Worker { press: self, encoder, fragment: Vec::new() }))
    }
}

/// Presses one slab at a time.
struct Worker<'p> {
    press: &'p Press,
    encoder: Encoder,
    /// The contents of the fragment that is being filled.
    fragment: Vec<u8>,
}

impl press::Worker for Worker<'_> {
    /// Presses a slab; what is to be remembered is the length of the index, which `out` ends in.
    ///
    /// # Errors
    /// The encoder's answer, or a slab that does not begin and end between blocks.
    fn press(&mut self, start: Bytes, data: &[u8], out: &mut Vec<u8>) -> Result<u64, Error> {
        let Settings { block, .. } = self.press.settings;
        let (end, mut rest) = (start + Bytes::of(data), data);
        let (mut index, mut small, mut large) = (Index::default(), Vec::new(), Vec::new());
        for part in self.press.row.parts(start, end) {
            let file = part.len.to_len().and_then(|len| rest.split_at_checked(len));
            let Some((file, after)) = file.filter(|_| part.is_whole(block)) else {
                return Err(cut_through(part.skip + part.len, part.size));
            };
            rest = after;
            if part.is_small(block) {
                small.push(file);
            } else if part.continues() {
                self.blocks(file, &mut index, out)?;
            } else {
                large.push(file);
            }
        }
        if !rest.is_empty() {
            return Err(cut_through(end, self.press.row.size));
        }
        self.fragments(&small, &mut index, out)?;
        for file in large {
            self.blocks(file, &mut index, out)?;
        }
        let data = out.len();
        index.encode(out);
        Ok(Bytes::from_len(out.len() - data).get())
    }
}

impl Worker<'_> {
    /// Presses a large file's blocks.
    fn blocks(&mut self, file: &[u8], index: &mut Index, out: &mut Vec<u8>) -> Result<(), Error> {
        let size = self.press.settings.block.to_len().unwrap_or_default().max(1);
        for data in file.chunks(size) {
            let start = out.len();
            let word = if data.iter().all(|byte| *byte == 0) {
                Word::SPARSE
            } else {
                self.encoder.compress(data, out)?
            };
            index.blocks.push(Block { word, sum: crc32c::crc32c(&out[start..]) });
        }
        Ok(())
    }

    /// Presses small files, those with the same contents once.
    fn fragments(
        &mut self,
        files: &[&[u8]],
        index: &mut Index,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let most = self.press.settings.block.to_len().unwrap_or_default();
        // By length first: few contents have to be compared.
        let mut known: BTreeMap<(usize, &[u8]), Small> = BTreeMap::new();
        for file in files {
            let small = match known.get(&(file.len(), *file)) {
                Some(small) => *small,
                None => {
                    if self.fragment.len() + file.len() > most {
                        self.close_fragment(index, out)?;
                    }
                    let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
                    let fragment = count(index.fragments.len());
                    let small = Small { fragment, offset: count(self.fragment.len()) };
                    self.fragment.extend_from_slice(file);
                    known.insert((file.len(), file), small);
                    small
                }
            };
            index.small.push(small);
        }
        self.close_fragment(index, out)
    }

    fn close_fragment(&mut self, index: &mut Index, out: &mut Vec<u8>) -> Result<(), Error> {
        if !self.fragment.is_empty() {
            index.fragments.push(self.encoder.compress(&self.fragment, out)?);
            self.fragment.clear();
        }
        Ok(())
    }
}

/// Refuses a slab that no packer cuts off.
fn cut_through(at: Bytes, size: Bytes) -> Error {
    let found = format!("a slab ends at byte {} of {} bytes", at.get(), size.get());
    Error { codec: "squashfs", found: format!("{found}: expected a border between blocks") }
}
