//! The work: what the cache does not hold is read, checked, compressed and kept.
//!
//! Blocks are taken in order by the workers of one pool. A worker reads its block, waits until the
//! one before it on the same shelf is hashed, hashes its own, and compresses it; so hashing is in
//! order and everything else at once. The last block of a shelf decides: if all its paths are what
//! Nix registered the shelf is kept under its key, else it serves this build alone.
//!
//! Which worker does what, and where a block lands in its file, depends on time; the order of the
//! blocks in [`Packed`] and their bytes do not.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::shelf::{self, BLOCK, Shelf};
use super::spool::Spool;
use super::work::{Done, Work};
use super::{Packed, Press, codec, key, press};
use crate::cache::{self, Cache, Entry, Key};
use crate::inputs::closure::Closure;
use crate::plan::Serial;
use crate::region::{self, Current, Keys, Reader};
use crate::tree::path::PathError;
use crate::tree::source::SourceError;
use crate::tree::{NodeId, Tree};
use crate::units::Bytes;

/// What to compress, and with what.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The files.
    pub tree: &'a Tree,
    /// Their bytes in a row.
    pub row: &'a Serial,
    /// The store paths among them, with what their files must hash to.
    pub closure: &'a Closure,
    /// What becomes of a block.
    pub press: &'a dyn Press,
    /// The secrets that the row names.
    pub keys: &'a Keys,
    /// Where shelves are kept; without one everything is compressed anew.
    pub cache: Option<&'a Cache>,
    /// The directory for what is not kept: a file without a name.
    pub spool: &'a Path,
}

/// Why compressing stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The archive could not be read, or the caller asked to stop.
    #[error(transparent)]
    Read(#[from] region::Error),
    /// An encoder failed.
    #[error(transparent)]
    Codec(#[from] codec::Error),
    /// The cache could not be used.
    #[error(transparent)]
    Cache(#[from] cache::Error),
    /// The spool could not be written.
    #[error(transparent)]
    Spool(#[from] SourceError),
    /// A path that is none.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl Error {
    /// Whether somebody asked to stop, or something else had failed.
    fn is_cancelled(&self) -> bool {
        matches!(self, Self::Read(region::Error::Cancelled))
    }
}

/// Compresses an archive, taking from the cache what it holds.
///
/// # Errors
/// See [`Error`]; the cache keeps what was finished before it.
pub fn pack(request: &Request<'_>, options: &region::Options<'_>) -> Result<Packed, Error> {
    let _span = tracing::debug_span!("pack", codec = request.press.version()).entered();
    let shelves = shelf::cut(request.tree, request.row, request.closure)?;
    let workers = workers(request.press, options);
    let pool = ThreadPoolBuilder::new()
        .num_threads(workers)
        .thread_name(|index| format!("pack {index}"))
        .build()
        .map_err(|source| region::Error::Workers { workers, source })?;
    let job = Job {
        request,
        options,
        shelves: &shelves,
        reader: Reader::new(&request.row.plan, request.keys)?,
        spool: Spool::new_in(request.spool)?,
        stop: AtomicBool::new(false),
    };
    let keys = job.keys(&pool)?;
    let found = job.look_up(&keys, &pool)?;
    let fresh = job.compress(&keys, &found, &pool)?;
    job.collect(found, fresh)
}

/// How many workers the machine and the memory allow; one in any case.
fn workers(press: &dyn Press, options: &region::Options<'_>) -> usize {
    // A block as it is read and as it comes out.
    let cost = press.memory() + BLOCK * 2;
    let affordable = usize::try_from(options.memory.get() / cost.get()).unwrap_or(usize::MAX);
    options.workers.min(NonZeroUsize::new(affordable).unwrap_or(NonZeroUsize::MIN)).get()
}

/// One run, shared by its workers.
pub(super) struct Job<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) options: &'a region::Options<'a>,
    pub(super) shelves: &'a [Shelf],
    pub(super) reader: Reader<'a>,
    pub(super) spool: Spool,
    stop: AtomicBool,
}

impl<'a> Job<'a> {
    /// Derives the keys of what may be kept.
    fn keys(&self, pool: &ThreadPool) -> Result<Vec<Option<Key>>, Error> {
        let Request { row, press, cache, .. } = *self.request;
        self.each(
            self.shelves,
            pool,
            || Ok(()),
            |(), shelf| Ok(cache.and_then(|_| key::of(shelf, &row.plan, press))),
        )
    }

    /// Finds what the cache holds.
    fn look_up(
        &self,
        keys: &[Option<Key>],
        pool: &ThreadPool,
    ) -> Result<Vec<Option<Entry>>, Error> {
        let Some(cache) = self.request.cache else {
            return Ok(keys.iter().map(|_| None).collect());
        };
        self.each(
            keys,
            pool,
            || Ok(()),
            |(), key| Ok(key.map(|key| cache.get(key)).transpose()?.flatten()),
        )
    }

    /// Compresses the blocks of all shelves that were not found, and finishes these shelves.
    fn compress(
        &self,
        keys: &[Option<Key>],
        found: &[Option<Entry>],
        pool: &ThreadPool,
    ) -> Result<Vec<Option<Done>>, Error> {
        let missing = self.shelves.iter().zip(keys).zip(found).filter(|(_, found)| found.is_none());
        let works: Vec<Work<'_>> =
            missing.map(|((shelf, key), _)| Work::new(self, shelf, *key)).collect();
        let blocks: Vec<(&Work<'_>, usize)> = works
            .iter()
            .flat_map(|work| (0..work.size()).map(move |index| (work, index)))
            .collect();
        let total = works.iter().map(Work::bytes).sum();
        tracing::debug!(shelves = self.shelves.len(), missing = works.len(), %total, "cut");
        self.options.progress.begin(total);
        let encoder = || {
            Ok(Packer { worker: self.request.press.worker()?, read: Vec::new(), out: Vec::new() })
        };
        self.each(&blocks, pool, encoder, |packer, (work, index)| work.block(*index, packer))?;
        let mut works = works.into_iter();
        let done = found.iter().map(|found| match found {
            Some(_) => Ok(None),
            None => works.next().map(Work::finish).transpose(),
        });
        done.collect()
    }

    /// Puts found and fresh blocks in the order of the archive.
    fn collect(self, found: Vec<Option<Entry>>, fresh: Vec<Option<Done>>) -> Result<Packed, Error> {
        let spool = self.spool.close()?;
        let tree = self.request.tree;
        let mut packed = Packed { blocks: Vec::new(), reused: Bytes::ZERO, unverified: Vec::new() };
        for ((shelf, found), fresh) in self.shelves.iter().zip(found).zip(fresh) {
            let (file, blocks) = match (found, fresh) {
                (Some(entry), _) => {
                    packed.reused += shelf.end - shelf.start;
                    (entry.file, entry.blocks)
                }
                (None, Some(Done::Kept(entry))) => (entry.file, entry.blocks),
                (None, Some(Done::Unverified(entry, paths))) => {
                    let path = |node: NodeId| tree.node(node).path();
                    packed.unverified.extend(paths.into_iter().map(path));
                    (entry.file, entry.blocks)
                }
                (None, Some(Done::Spooled(blocks))) => (Arc::clone(&spool), blocks),
                (None, None) => continue,
            };
            packed.blocks.extend(blocks.into_iter().map(|block| (Arc::clone(&file), block)));
        }
        Ok(packed)
    }

    /// Lets all workers take items in order; the first error stops them.
    fn each<T: Sync, S, R: Send>(
        &self,
        items: &[T],
        pool: &ThreadPool,
        start: impl Fn() -> Result<S, Error> + Sync,
        act: impl Fn(&mut S, &T) -> Result<R, Error> + Sync,
    ) -> Result<Vec<R>, Error> {
        let next = AtomicUsize::new(0);
        let results: Vec<Mutex<Option<R>>> = items.iter().map(|_| Mutex::new(None)).collect();
        let first_error = Mutex::new(None);
        pool.broadcast(|_| {
            let work = || -> Result<(), Error> {
                let mut state = start()?;
                // Looked at before an item is taken: what is taken others may be waiting for.
                while !self.stop.load(Ordering::Relaxed) {
                    if self.options.cancel.is_cancelled() {
                        return Err(region::Error::Cancelled.into());
                    }
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some((item, place)) = items.get(index).zip(results.get(index)) else {
                        break;
                    };
                    let result = act(&mut state, item)?;
                    *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
                }
                Ok(())
            };
            if let Err(error) = work() {
                self.stop.store(true, Ordering::Relaxed);
                let mut first = first_error.lock().unwrap_or_else(PoisonError::into_inner);
                // Who waited for a block that failed is cancelled, and may be here before its reason.
                if first.as_ref().is_none_or(Error::is_cancelled) {
                    *first = Some(error);
                }
            }
        });
        match first_error.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(results.into_iter().filter_map(into_inner).collect()),
        }
    }

    /// Tells the observer about a block that is done.
    pub(super) fn packed(&self, start: Bytes, len: Bytes) {
        self.options.progress.advance(len, Current::at(&self.request.row.plan, start));
    }
}

fn into_inner<R>(result: Mutex<Option<R>>) -> Option<R> {
    result.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// What a worker keeps from block to block.
pub(super) struct Packer<'p> {
    pub(super) worker: Box<dyn press::Worker + 'p>,
    pub(super) read: Vec<u8>,
    pub(super) out: Vec<u8>,
}
