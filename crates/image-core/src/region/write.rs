//! THE loop: a plan, chunk by chunk, into a region.
//!
//! Everything is checked before the first byte (keys, room), then workers of one pool of our own
//! take chunks in order. On a random region each writes its chunk where it belongs; on a forward one
//! they fill a bounded queue and the caller's thread writes. The first failure stops the others
//! after the chunk they are at. What remains of a failed image is the caller's to remove
//! ([`crate::output::Output`] does).

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::{ThreadPool, ThreadPoolBuilder};
use sha2::{Digest, Sha256};

use super::copy::copy;
use super::cut::{CHUNK, Chunk, Habits, Work, cut};
use super::fill::Filler;
use super::keys::Unlocked;
use super::progress::Current;
use super::{Error, Keys, Options, Random, Region, Unwritten, Written, forward};
use crate::plan::{Content, Plan};
use crate::units::{Bytes, MIB};

/// What a worker costs: its chunk, two more waiting in the queue of a stream, tweaks and its stack.
const WORKER_COST: Bytes = Bytes::new(6 * MIB.get());

/// Writes a plan into a region.
///
/// # Errors
/// See [`Error`]; what was written before it stays in the region.
pub fn write(
    plan: &Plan,
    region: Region<'_>,
    keys: &Keys,
    options: &Options<'_>,
) -> Result<Written, Error> {
    let _span = tracing::debug_span!("write", size = plan.size().get()).entered();
    let keys = &Unlocked::new(plan, keys)?;
    let workers = workers(options);
    let pool = ThreadPoolBuilder::new()
        .num_threads(workers)
        .thread_name(|index| format!("region {index}"))
        .build()
        .map_err(|source| Error::Workers { workers, source })?;
    let chunks = cut(plan, habits(&region));
    let written = chunks.iter().map(|chunk| chunk.len).sum();
    tracing::debug!(chunks = chunks.len(), workers, written = %written, "cut");
    options.progress.begin(written);
    let job = Job { plan, keys, options, chunks: &chunks };
    let digest = match region {
        Region::Random(region) => {
            region.prepare(plan.size())?;
            job.random(region, &pool)?;
            options.digest.then(|| read_back(region, plan.size(), options)).transpose()?
        }
        Region::Forward(stream) => forward::run(&job, stream, &pool)?,
    };
    Ok(Written { size: plan.size(), written, digest })
}

fn workers(options: &Options<'_>) -> usize {
    let affordable = options.memory.get() / WORKER_COST.get();
    let affordable = usize::try_from(affordable).unwrap_or(usize::MAX);
    options.workers.min(NonZeroUsize::new(affordable).unwrap_or(NonZeroUsize::MIN)).get()
}

fn habits(region: &Region<'_>) -> Habits {
    match region {
        Region::Random(region) => Habits {
            skip_gaps: true,
            skip_zeros: region.unwritten() == Unwritten::Zeros,
            copies: region.unwritten() == Unwritten::Zeros && region.copy_target().is_some(),
        },
        Region::Forward(_) => Habits { skip_gaps: false, skip_zeros: false, copies: false },
    }
}

/// One run of the loop, shared by its workers.
pub(super) struct Job<'a> {
    pub(super) plan: &'a Plan,
    pub(super) keys: &'a Unlocked<'a>,
    pub(super) options: &'a Options<'a>,
    pub(super) chunks: &'a [Chunk],
}

impl Job<'_> {
    /// Describes a write that failed at `offset`.
    pub(super) fn write_error(&self, offset: Bytes, source: std::io::Error) -> Error {
        let label = Current::at(self.plan, offset).to_string();
        Error::Write { label, offset: offset.get(), source }
    }

    pub(super) fn check_cancel(&self) -> Result<(), Error> {
        if self.options.cancel.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Tells the observer about bytes that landed.
    pub(super) fn landed(&self, offset: Bytes, len: Bytes) {
        self.options.progress.advance(len, Current::at(self.plan, offset));
    }

    /// Lets every worker take chunks until none is left or one failed.
    fn random(&self, region: &dyn Random, pool: &ThreadPool) -> Result<(), Error> {
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let first_error = Mutex::new(None);
        pool.broadcast(|_| {
            let mut worker = RandomWorker {
                job: self,
                region,
                filler: Filler::new(self.keys),
                buffer: vec![0; CHUNK.to_len().unwrap_or_default()],
            };
            while !stop.load(Ordering::Relaxed) {
                let Some(chunk) = self.chunks.get(next.fetch_add(1, Ordering::Relaxed)) else {
                    break;
                };
                if let Err(error) = worker.chunk(chunk) {
                    stop.store(true, Ordering::Relaxed);
                    if let Ok(mut first) = first_error.lock() {
                        first.get_or_insert(error);
                    }
                }
            }
        });
        match first_error.into_inner() {
            Ok(Some(error)) => Err(error),
            Ok(None) | Err(_) => Ok(()),
        }
    }
}

struct RandomWorker<'a> {
    job: &'a Job<'a>,
    region: &'a dyn Random,
    filler: Filler<'a>,
    buffer: Vec<u8>,
}

impl RandomWorker<'_> {
    fn chunk(&mut self, chunk: &Chunk) -> Result<(), Error> {
        let done = match chunk.work {
            Work::Copy(index) => self.copied(chunk, index)?,
            Work::Fill | Work::Zeros => Bytes::ZERO,
        };
        let (mut at, end) = (chunk.offset + done, chunk.offset + chunk.len);
        if chunk.work == Work::Zeros {
            self.buffer.fill(0);
        }
        while at < end {
            self.job.check_cancel()?;
            let len = CHUNK.min(end - at);
            let part = &mut self.buffer[..len.to_len().unwrap_or_default()];
            if chunk.work != Work::Zeros {
                self.filler.fill(self.job.plan, at, part)?;
            }
            write_all(self.job, self.region, part, at)?;
            self.job.landed(at, len);
            at += len;
        }
        self.job.check_cancel()
    }

    /// Copies what the kernel can of a chunk; returns how much that was.
    fn copied(&self, chunk: &Chunk, index: usize) -> Result<Bytes, Error> {
        let (Some(target), Some(piece)) =
            (self.region.copy_target(), self.job.plan.pieces().get(index))
        else {
            return Ok(Bytes::ZERO);
        };
        let Content::Host { file, start } = &piece.content else {
            return Ok(Bytes::ZERO);
        };
        let start = *start + (chunk.offset - piece.offset);
        let target = (target, chunk.offset);
        let done = copy(file, start, chunk.len, target, &self.job.options.cancel);
        let done = done.map_err(|source| {
            let label = self.job.plan.label(piece);
            Error::Source { label, offset: chunk.offset.get(), source }
        })?;
        self.job.landed(chunk.offset, done);
        Ok(done)
    }
}

fn write_all(job: &Job<'_>, region: &dyn Random, data: &[u8], offset: Bytes) -> Result<(), Error> {
    let mut done = 0;
    while done < data.len() {
        let at = offset + Bytes::from_len(done);
        match region.write_at(&data[done..], at) {
            Ok(0) => return Err(job.write_error(at, std::io::ErrorKind::WriteZero.into())),
            Ok(count) => done += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(job.write_error(at, error)),
        }
    }
    Ok(())
}

/// Hashes an image that has landed: what was just written comes from the page cache.
fn read_back(region: &dyn Random, size: Bytes, options: &Options<'_>) -> Result<[u8; 32], Error> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; CHUNK.to_len().unwrap_or_default()];
    let mut at = Bytes::ZERO;
    while at < size {
        if options.cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let len = CHUNK.min(size - at).to_len().unwrap_or_default();
        let error = |source| Error::ReadBack { offset: at.get(), source };
        match region.read_at(&mut buffer[..len], at) {
            Ok(0) => return Err(error(std::io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => {
                digest.update(&buffer[..count]);
                at += Bytes::from_len(count);
            }
            Err(failed) if failed.kind() == std::io::ErrorKind::Interrupted => {}
            Err(failed) => return Err(error(failed)),
        }
    }
    Ok(digest.finalize().into())
}
