//! One shelf in the making: its blocks come from several workers, its paths are hashed in order.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use super::Block;
use super::nar::Check;
use super::run::{Error, Job, Packer};
use super::shelf::Shelf;
use crate::cache::{Cache, Draft, Entry, Key};
use crate::region;
use crate::tree::NodeId;
use crate::units::Bytes;

/// A shelf whose blocks are being compressed.
pub(super) struct Work<'j> {
    job: &'j Job<'j>,
    /// Where it is kept if it turns out to be what is registered.
    keep: Option<(&'j Cache, Key)>,
    blocks: Vec<(Bytes, Bytes)>,
    draft: RwLock<Option<Draft>>,
    state: Mutex<State<'j>>,
    turn: Condvar,
}

struct State<'j> {
    /// Hashes the paths; none when nothing is kept.
    check: Option<Check<'j>>,
    /// The block whose turn it is to be hashed.
    next: usize,
    /// A block was given up: the turn of those after it will not come.
    failed: bool,
    spooled: Vec<Block>,
    left: usize,
    done: Option<Done>,
}

/// A shelf that is compressed.
pub(super) enum Done {
    /// It lies in the cache.
    Kept(Entry),
    /// These paths are not what is registered; the file goes with the build.
    Unverified(Entry, Vec<NodeId>),
    /// It lies in the spool.
    Spooled(Vec<Block>),
}

impl<'j> Work<'j> {
    pub(super) fn new(job: &'j Job<'j>, shelf: &'j Shelf, key: Option<Key>) -> Self {
        let request = job.request;
        let keep = request.cache.zip(key);
        let blocks: Vec<(Bytes, Bytes)> = shelf.blocks.clone();
        let state = State {
            check: keep.map(|_| Check::new(request.tree, request.row, shelf)),
            next: 0,
            failed: false,
            spooled: vec![Block::default(); blocks.len()],
            left: blocks.len(),
            done: None,
        };
        let draft = RwLock::new(None);
        Self { job, keep, blocks, draft, state: Mutex::new(state), turn: Condvar::new() }
    }

    /// Counts the blocks.
    pub(super) fn size(&self) -> usize {
        self.blocks.len()
    }

    /// Sums up what has to be read.
    pub(super) fn bytes(&self) -> Bytes {
        self.blocks.iter().map(|(_, len)| *len).sum()
    }

    /// Reads, hashes, compresses and stores a block; the last one finishes the shelf.
    pub(super) fn block(&self, index: usize, packer: &mut Packer<'_>) -> Result<(), Error> {
        // However this ends, those who wait for this block's turn to pass must not wait for ever.
        let mut giving_up = GivingUp { work: self, defused: false };
        let (start, len) = self.blocks[index];
        let size = len.to_len().unwrap_or_default();
        // It only grows: zeros that are read over at once cost time too.
        packer.read.resize(size.max(packer.read.len()), 0);
        let read = &mut packer.read[..size];
        self.job.reader.read(start, read)?;
        self.hash(index, read)?;
        giving_up.defused = true;
        packer.out.clear();
        let tag = packer.worker.press(start, read, &mut packer.out)?;
        self.store(index, &packer.out, tag)?;
        self.job.packed(start, len);
        self.stored()
    }

    /// Waits for the blocks before this one, and hashes it.
    fn hash(&self, index: usize, bytes: &[u8]) -> Result<(), Error> {
        if self.keep.is_none() {
            return Ok(());
        }
        let mut state = self.state();
        while state.next != index && !state.failed {
            state = self.turn.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.failed {
            return Err(region::Error::Cancelled.into());
        }
        // Nobody else hashes: it is our turn. So the rest need not wait for the lock meanwhile.
        let Some(mut check) = state.check.take() else { return Ok(()) };
        drop(state);
        check.update(bytes);
        let mut state = self.state();
        state.check = Some(check);
        state.next = index + 1;
        self.turn.notify_all();
        Ok(())
    }

    fn store(&self, index: usize, packed: &[u8], tag: u64) -> Result<(), Error> {
        let unpacked = self.blocks[index].1;
        let Some((cache, _)) = self.keep else {
            let start = self.job.spool.add(packed)?;
            self.state().spooled[index] = Block { start, size: Bytes::of(packed), unpacked, tag };
            return Ok(());
        };
        let draft = self.draft(cache)?;
        match &*draft {
            Some(draft) => Ok(draft.add(index, packed, unpacked, tag)?),
            None => Ok(()),
        }
    }

    /// Returns the file that the blocks go to; the first to come makes it. Nobody waits for it while
    /// others write to it.
    fn draft(&self, cache: &Cache) -> Result<RwLockReadGuard<'_, Option<Draft>>, Error> {
        let read = || self.draft.read().unwrap_or_else(PoisonError::into_inner);
        let draft = read();
        if draft.is_some() {
            return Ok(draft);
        }
        drop(draft);
        let mut draft = self.draft.write().unwrap_or_else(PoisonError::into_inner);
        if draft.is_none() {
            *draft = Some(cache.draft(self.size())?);
        }
        drop(draft);
        Ok(read())
    }

    /// Finishes the shelf when no block is left.
    fn stored(&self) -> Result<(), Error> {
        let mut state = self.state();
        state.left -= 1;
        if state.left > 0 {
            return Ok(());
        }
        let wrong = state.check.take().map(Check::finish).unwrap_or_default();
        let draft = self.draft.write().unwrap_or_else(PoisonError::into_inner).take();
        state.done = Some(match (draft, self.keep) {
            (Some(draft), Some((_, key))) if wrong.is_empty() => Done::Kept(draft.commit(key)?),
            (Some(draft), Some(_) | None) => Done::Unverified(draft.keep()?, wrong),
            (None, Some(_) | None) => Done::Spooled(std::mem::take(&mut state.spooled)),
        });
        Ok(())
    }

    /// Returns the finished shelf.
    ///
    /// # Errors
    /// A shelf that was not finished, because the build was stopped.
    pub(super) fn finish(self) -> Result<Done, Error> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        state.done.ok_or_else(|| region::Error::Cancelled.into())
    }

    fn state(&self) -> MutexGuard<'_, State<'j>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes those who wait for a block that was given up.
struct GivingUp<'w, 'j> {
    work: &'w Work<'j>,
    defused: bool,
}

impl Drop for GivingUp<'_, '_> {
    fn drop(&mut self) {
        if !self.defused {
            self.work.state().failed = true;
            self.work.turn.notify_all();
        }
    }
}
