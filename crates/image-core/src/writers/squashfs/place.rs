//! Decides where data lie, from the indices of all slabs.
//!
//! Slabs lie in the image one behind the other, without their indices. What a file has stored already
//! that comes before in the tree is left out: a large file is known by the words and sums of all
//! its blocks, so that it does not matter where slabs cut it, and then by the stored bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::index::{Block, Index, IndexError, Small};
use super::row::{Part, Row};
use super::settings::BlockSizeError;
use super::stored::{File, Fragment, Place, Run, Stored};
use super::stretch::{self, Stretch};
use super::{Settings, Word, check};
use crate::pack::{self, Packed};
use crate::plan::{Label, Plan, PlanBuilder, PlanError};
use crate::region::{self, Keys, Reader};
use crate::tree::{HostFile, NodeId, Source, Tree};
use crate::units::Bytes;

/// A packed block, and the file that holds it.
type Slab = (Arc<HostFile>, pack::Block);

/// Why it cannot be decided.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Settings that no reader knows.
    #[error(transparent)]
    Settings(#[from] BlockSizeError),
    /// An index could not be read.
    #[error(transparent)]
    Read(#[from] region::Error),
    /// An index was read, but cannot be right.
    #[error("the index of packed block {number} is damaged")]
    Index {
        /// Which one, counted from 0.
        number: usize,
        /// What is wrong with it.
        source: IndexError,
    },
    /// What was packed is something else.
    #[error("{found} bytes are packed, but the files have {expected}")]
    Packed {
        /// The files' contents.
        expected: u64,
        /// What all packed blocks are unpacked.
        found: u64,
    },
    /// Indices larger than a plan can be.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

impl Stored {
    /// Decides where the data of a tree's files lie, from what came of packing them.
    ///
    /// # Errors
    /// See [`PlaceError`]: most often that a file of the cache was damaged.
    pub fn of(tree: &Tree, packed: &Packed, settings: &Settings) -> Result<Self, PlaceError> {
        Self::of_slabs(tree, &packed.blocks, settings)
    }

    /// Decides it from the packed blocks alone.
    fn of_slabs(tree: &Tree, slabs: &[Slab], settings: &Settings) -> Result<Self, PlaceError> {
        settings.check()?;
        let row = Row::of(tree);
        let found = slabs.iter().map(|(_, slab)| slab.unpacked).sum::<Bytes>();
        if found != row.size {
            return Err(PlaceError::Packed { expected: row.size.get(), found: found.get() });
        }
        let (indices, keys) = (indices(slabs)?, Keys::none());
        let reader = Reader::new(&indices, &keys)?;
        let mut draft = Draft::new(settings);
        let (mut start, mut at) = (Bytes::ZERO, Bytes::ZERO);
        for (number, (file, slab)) in slabs.iter().enumerate() {
            let damaged = |source| PlaceError::Index { number, source };
            let size = index_size(slab).map_err(damaged)?;
            let mut bytes = vec![0; size.to_len().unwrap_or_default()];
            reader.read(at, &mut bytes)?;
            let index = Index::decode(&bytes).map_err(damaged)?;
            let end = start + slab.unpacked;
            let parts: Vec<Part> = row.parts(start, end).collect();
            let count = draft.stored.fragments.len();
            check::holds(&index, slab, &parts, settings.block).map_err(damaged)?;
            check::countable(count, &index).map_err(damaged)?;
            draft.slab(Data { file, at: slab.start }, index, &parts)?;
            (start, at) = (end, at + size);
        }
        Ok(draft.finish())
    }
}

/// Returns how long a slab's index is.
fn index_size(slab: &pack::Block) -> Result<Bytes, IndexError> {
    let size = Bytes::new(slab.tag);
    if size <= slab.size {
        return Ok(size);
    }
    Err(IndexError::Size { expected: slab.size.get(), found: size.get() })
}

/// Plans the indices of all slabs, one behind the other.
fn indices(slabs: &[Slab]) -> Result<Plan, PlaceError> {
    let (mut plan, mut at) = (PlanBuilder::new(), Bytes::ZERO);
    for (number, (file, slab)) in slabs.iter().enumerate() {
        let size = index_size(slab).map_err(|source| PlaceError::Index { number, source })?;
        let label = Label::numbered("index", u32::try_from(number).unwrap_or(u32::MAX));
        let start = slab.start + (slab.size - size);
        plan.range(at, label, &Source::Host(Arc::clone(file)), start, size);
        at += size;
    }
    Ok(plan.finish(at)?)
}

/// What is decided so far.
struct Draft {
    stored: Stored,
    block: Bytes,
    /// Large files by the sizes and sums of all their blocks.
    known: BTreeMap<[u8; 32], Known>,
    /// A large file whose end is yet to come.
    open: Option<Open>,
}

/// A large file of which some blocks were seen.
struct Open {
    digest: Sha256,
    /// Its first word.
    words: usize,
    sparse: Bytes,
    /// What is stored of it, in its order.
    stretches: Vec<Stretch>,
}

/// A large file that may come again.
struct Known {
    /// Which of the files.
    file: usize,
    stretches: Vec<Stretch>,
}

impl Draft {
    fn new(settings: &Settings) -> Self {
        let end = settings.data_start();
        let stored = Stored { end, ..Stored::default() };
        Self { stored, block: settings.block, known: BTreeMap::new(), open: None }
    }

    /// Places the data of one slab.
    fn slab(&mut self, mut data: Data<'_>, index: Index, parts: &[Part]) -> Result<(), PlaceError> {
        let Index { blocks, small, fragments } = index;
        let mut blocks = blocks.as_slice();
        let (small_parts, large): (Vec<&Part>, Vec<&Part>) =
            parts.iter().partition(|part| part.is_small(self.block));
        let (continued, large): (Vec<&Part>, Vec<&Part>) =
            large.into_iter().partition(|part| part.continues());
        for part in continued {
            self.large(part, &mut blocks, &mut data)?;
        }
        self.small(&small_parts, &small);
        for word in fragments {
            self.stored.fragments.push((self.stored.end, word));
            self.place(data.take(word.size()));
        }
        for part in large {
            self.large(part, &mut blocks, &mut data)?;
        }
        Ok(())
    }

    /// Puts the files in the order of the tree.
    fn finish(mut self) -> Stored {
        self.stored.files.sort_unstable_by_key(|file| file.node);
        self.stored
    }

    /// Notes where small files lie; their fragments come next.
    fn small(&mut self, parts: &[&Part], small: &[Small]) {
        let first = u32::try_from(self.stored.fragments.len()).unwrap_or(u32::MAX);
        for (part, Small { fragment, offset }) in parts.iter().zip(small.iter().copied()) {
            // That there are no more than can be counted was checked.
            let index = first.saturating_add(fragment);
            let place = Place::Fragment(Fragment { index, offset });
            self.stored.files.push(File { node: part.node, place });
        }
    }

    /// Notes the blocks of a large file; the last part decides where they lie.
    fn large(
        &mut self,
        part: &Part,
        blocks: &mut &[Block],
        data: &mut Data<'_>,
    ) -> Result<(), PlaceError> {
        let words = self.stored.words.len();
        let mut open = self.open.take().unwrap_or_else(|| Open::new(part.size, words));
        let count = usize::try_from(part.len.div_ceil(self.block)).unwrap_or(usize::MAX);
        let (own, rest) = blocks.split_at(count.min(blocks.len()));
        *blocks = rest;
        let mut left = part.len;
        for block in own {
            let unpacked = self.block.min(left);
            left = left - unpacked;
            open.digest.update(block.word.bits().to_le_bytes());
            open.digest.update(block.sum.to_le_bytes());
            if block.word == Word::SPARSE {
                open.sparse += unpacked;
            }
            self.stored.words.push(block.word);
        }
        open.stretches.push(data.take(own.iter().map(|block| block.word.size()).sum()));
        if part.ends() {
            return self.close(part.node, open);
        }
        self.open = Some(open);
        Ok(())
    }

    /// Places a large file, or points it at one that is the same.
    fn close(&mut self, node: NodeId, open: Open) -> Result<(), PlaceError> {
        let digest: [u8; 32] = open.digest.finalize().into();
        let first = match self.known.get(&digest) {
            Some(first) if stretch::same(&first.stretches, &open.stretches)? => {
                self.stored.files.get(first.file)
            }
            Some(_) | None => None,
        };
        let place = match first {
            Some(first) => {
                self.stored.words.truncate(open.words);
                first.place.clone()
            }
            None => {
                let (start, file) = (self.stored.end, self.stored.files.len());
                for stretch in &open.stretches {
                    self.place(stretch.clone());
                }
                self.known.entry(digest).or_insert(Known { file, stretches: open.stretches });
                let words = open.words..self.stored.words.len();
                Place::Blocks { start, words, sparse: open.sparse }
            }
        };
        self.stored.files.push(File { node, place });
        Ok(())
    }

    /// Puts a range of a file at the end of the data.
    fn place(&mut self, Stretch { file, start, len }: Stretch) {
        if len.is_zero() {
            return;
        }
        let at = self.stored.end;
        self.stored.end += len;
        match self.stored.runs.last_mut() {
            Some(last) if Arc::ptr_eq(&last.file, &file) && last.start + last.len == start => {
                last.len += len;
            }
            Some(_) | None => self.stored.runs.push(Run { file, start, len, at }),
        }
    }
}

impl Open {
    fn new(size: Bytes, words: usize) -> Self {
        // The size counts too: a last block of zeros is not told from a whole one.
        let digest = Sha256::new_with_prefix(size.get().to_le_bytes());
        Self { digest, words, sparse: Bytes::ZERO, stretches: Vec::new() }
    }
}

/// The data of a slab, taken in their order.
struct Data<'f> {
    file: &'f Arc<HostFile>,
    at: Bytes,
}

impl Data<'_> {
    fn take(&mut self, len: Bytes) -> Stretch {
        let start = self.at;
        self.at += len;
        Stretch { file: Arc::clone(self.file), start, len }
    }
}

#[cfg(test)]
mod tests;
