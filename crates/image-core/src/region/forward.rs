//! Streams: regions that take bytes in order.
//!
//! Workers make chunks ahead of the writer, a bounded number of them, and the writer takes them in
//! order. The queue holds one place a chunk, so no chunk is ever written out of turn and a slow
//! reader of the stream holds the workers back. Runs of zeros cost no worker and no memory.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::mpsc::{self, Receiver};

use rayon::{ScopeFifo, ThreadPool};
use sha2::{Digest, Sha256};

use super::Error;
use super::cut::{CHUNK, Chunk, Work};
use super::fill::Filler;
use super::write::Job;
use crate::units::Bytes;

/// Chunks that may wait or be in the making, per worker.
const AHEAD: usize = 3;

/// A chunk somebody is making.
type Made = Receiver<Result<Vec<u8>, Error>>;

/// Writes all chunks in order; returns the digest of the stream if it was asked for.
pub(super) fn run(
    job: &Job<'_>,
    stream: &mut dyn Write,
    pool: &ThreadPool,
) -> Result<Option<[u8; 32]>, Error> {
    let mut writer =
        Writer { job, stream, digest: job.options.digest.then(Sha256::new), zeros: Vec::new() };
    let ahead = pool.current_num_threads() * AHEAD;
    pool.in_place_scope_fifo(|scope| {
        let mut queue: VecDeque<Option<Made>> = VecDeque::new();
        let mut spare = Vec::new();
        let mut coming = job.chunks.iter();
        for chunk in job.chunks {
            while queue.len() < ahead
                && let Some(next) = coming.next()
            {
                queue.push_back(match next.work {
                    Work::Zeros => None,
                    Work::Fill | Work::Copy(_) => {
                        Some(make(job, next, scope, spare.pop().unwrap_or_default()))
                    }
                });
            }
            job.check_cancel()?;
            match queue.pop_front().flatten() {
                None => writer.zeros(chunk)?,
                // A worker that is gone has panicked; leaving the scope passes that on.
                Some(made) => match made.recv() {
                    Err(_) => return Err(Error::Cancelled),
                    Ok(data) => {
                        let data = data?;
                        writer.write(&data, chunk.offset)?;
                        spare.push(data);
                    }
                },
            }
        }
        Ok(())
    })?;
    writer.finish()
}

/// Lets a worker make a chunk.
fn make<'s>(
    job: &'s Job<'s>,
    chunk: &'s Chunk,
    scope: &ScopeFifo<'s>,
    mut buffer: Vec<u8>,
) -> Made {
    let (sender, receiver) = mpsc::sync_channel(1);
    scope.spawn_fifo(move |_| {
        buffer.resize(chunk.len.to_len().unwrap_or_default(), 0);
        let made = Filler::new(job.keys).fill(job.plan, chunk.offset, &mut buffer);
        // Nobody waits any more when the writer has failed.
        let _ = sender.send(made.map(|()| buffer));
    });
    receiver
}

struct Writer<'a> {
    job: &'a Job<'a>,
    stream: &'a mut dyn Write,
    digest: Option<Sha256>,
    zeros: Vec<u8>,
}

impl Writer<'_> {
    fn write(&mut self, data: &[u8], offset: Bytes) -> Result<(), Error> {
        if let Some(digest) = &mut self.digest {
            digest.update(data);
        }
        let mut done = 0;
        while done < data.len() {
            let at = offset + Bytes::from_len(done);
            match self.stream.write(&data[done..]) {
                Ok(0) => {
                    return Err(self.job.write_error(at, std::io::ErrorKind::WriteZero.into()));
                }
                Ok(count) => done += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {
                    self.job.check_cancel()?;
                }
                Err(error) => return Err(self.job.write_error(at, error)),
            }
        }
        self.job.landed(offset, Bytes::of(data));
        Ok(())
    }

    fn zeros(&mut self, chunk: &Chunk) -> Result<(), Error> {
        let mut zeros = std::mem::take(&mut self.zeros);
        zeros.resize(CHUNK.to_len().unwrap_or_default(), 0);
        let end = chunk.offset + chunk.len;
        let mut at = chunk.offset;
        while at < end {
            self.job.check_cancel()?;
            let len = CHUNK.min(end - at);
            self.write(&zeros[..len.to_len().unwrap_or_default()], at)?;
            at += len;
        }
        self.zeros = zeros;
        Ok(())
    }

    fn finish(self) -> Result<Option<[u8; 32]>, Error> {
        let flushed = self.stream.flush();
        flushed.map_err(|source| self.job.write_error(self.job.plan.size(), source))?;
        Ok(self.digest.map(|digest| digest.finalize().into()))
    }
}
