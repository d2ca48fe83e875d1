//! A plan cut into chunks: the unit of work, of cancelling and of progress.
//!
//! Small adjacent pieces share a chunk, so that thousands of small files become few large writes;
//! large ones are cut. A chunk that is made in memory is at most [`CHUNK`] long. What is cut away
//! depends on the region alone: a fresh file reads as zeros where nobody writes, so gaps and zeros
//! become holes; a device keeps what it had, so zeros are written and gaps are not touched; a
//! stream needs every byte. Cutting reads no data and is pure.

use crate::plan::{Cipher, Content, Plan};
use crate::units::{Bytes, MIB};

/// The most that is made in memory at once.
pub(super) const CHUNK: Bytes = MIB;

/// Host ranges from here on are copied inside the kernel where the region can.
const COPY_MIN: Bytes = MIB;

/// How much of one file a worker copies before the next may take over: a large file keeps all
/// workers busy, and the cuts stay aligned for file systems that clone.
const COPY_MAX: Bytes = Bytes::new(32 << 20);

/// How many zeros one chunk of nothing else holds.
const ZEROS_MAX: Bytes = Bytes::new(64 << 20);

/// Holes shorter than this are not worth a write of their own on either side.
const BRIDGE: Bytes = Bytes::new(32 << 10);

/// Zeros shorter than this join the chunk they lie in.
const ZEROS_MIN: Bytes = Bytes::new(256 << 10);

/// A range of the image and how it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Where it lies in the plan.
    pub(super) offset: Bytes,
    /// How long it is; never zero.
    pub(super) len: Bytes,
    /// How it is made.
    pub(super) work: Work,
}

/// How a chunk is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// In memory, from whatever pieces lie there.
    Fill,
    /// It is nothing but zeros.
    Zeros,
    /// From one host file, inside the kernel; the index of its piece.
    Copy(usize),
}

/// What a region makes of bytes that hold nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Habits {
    /// Gaps need no writing.
    pub(super) skip_gaps: bool,
    /// Zeros need no writing either, and neither do gaps.
    pub(super) skip_zeros: bool,
    /// Host ranges can be copied inside the kernel.
    pub(super) copies: bool,
}

/// What a reader finds in a range, as far as cutting cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Span {
    Gap,
    Zeros,
    Data,
    /// A host range large enough to be copied; the index of its piece.
    Large(usize),
}

/// Cuts a plan into chunks, in order of offset.
pub(super) fn cut(plan: &Plan, habits: Habits) -> Vec<Chunk> {
    let mut cutter = Cutter { habits, chunks: Vec::new(), open: None };
    let mut at = Bytes::ZERO;
    for (index, piece) in plan.pieces().iter().enumerate() {
        cutter.span(at, piece.offset, Span::Gap);
        at = piece.end();
        match &piece.content {
            Content::Zeros => cutter.span(piece.offset, at, Span::Zeros),
            Content::Host { .. } if piece.len >= COPY_MIN => {
                cutter.span(piece.offset, at, Span::Large(index));
            }
            Content::Bytes(_) | Content::Host { .. } | Content::Secret { .. } => {
                cutter.span(piece.offset, at, Span::Data);
            }
            Content::Sealed { sealed, start } => {
                let Cipher::AesXtsPlain64 { sector } = sealed.cipher;
                let outer = |inner: Bytes| piece.offset + (inner - *start);
                let end = *start + piece.len;
                let mut done = piece.offset;
                sealed_runs(&sealed.inner, sector.bytes(), *start, end, |from, to| {
                    cutter.span(done, outer(from), Span::Gap);
                    done = outer(to);
                    cutter.span(outer(from), done, Span::Data);
                });
                cutter.span(done, at, Span::Gap);
            }
        }
    }
    cutter.span(at, plan.size(), Span::Gap);
    cutter.close();
    cutter.chunks
}

/// Walks the runs of whole sectors between `start` and `end` of an inner plan that hold anything;
/// the sectors between them are gaps of the sealed plan too.
pub(super) fn sealed_runs(
    inner: &Plan,
    sector: Bytes,
    start: Bytes,
    end: Bytes,
    mut run: impl FnMut(Bytes, Bytes),
) {
    let first = inner.piece_after(start.align_down(sector));
    let mut open: Option<(Bytes, Bytes)> = None;
    for piece in &inner.pieces()[first..] {
        let from = piece.offset.align_down(sector).max(start);
        let to = piece.end().align_up(sector).min(end);
        if from >= end {
            break;
        }
        open = match open {
            Some((begin, until)) if from <= until => Some((begin, to.max(until))),
            Some((begin, until)) => {
                run(begin, until);
                Some((from, to))
            }
            None => Some((from, to)),
        };
    }
    if let Some((begin, until)) = open {
        run(begin, until);
    }
}

struct Cutter {
    habits: Habits,
    chunks: Vec<Chunk>,
    /// A chunk made in memory that may still grow.
    open: Option<(Bytes, Bytes)>,
}

impl Cutter {
    fn span(&mut self, from: Bytes, to: Bytes, span: Span) {
        if from >= to {
            return;
        }
        let skip = match span {
            Span::Gap => self.habits.skip_gaps || self.habits.skip_zeros,
            Span::Zeros => self.habits.skip_zeros,
            Span::Data | Span::Large(_) => false,
        };
        match span {
            _ if skip => {}
            Span::Gap | Span::Zeros if to - from >= ZEROS_MIN => {
                self.pieces(from, to, ZEROS_MAX, Work::Zeros);
            }
            Span::Large(index) if self.habits.copies => {
                self.pieces(from, to, COPY_MAX, Work::Copy(index));
            }
            Span::Gap | Span::Zeros | Span::Data | Span::Large(_) => self.fill(from, to),
        }
    }

    /// Adds a range that is made in memory to the open chunk if it fits whole, so that a file is
    /// opened once rather than at the end of one chunk and the start of the next.
    fn fill(&mut self, from: Bytes, to: Bytes) {
        if let Some((begin, until)) = self.open {
            let bridged = self.habits.skip_zeros && from - until < BRIDGE;
            if (until == from || bridged) && to - begin <= CHUNK {
                self.open = Some((begin, to));
                return;
            }
        }
        self.close();
        let mut from = from;
        while to - from > CHUNK {
            self.chunks.push(Chunk { offset: from, len: CHUNK, work: Work::Fill });
            from += CHUNK;
        }
        self.open = Some((from, to));
    }

    fn pieces(&mut self, from: Bytes, to: Bytes, most: Bytes, work: Work) {
        self.close();
        let mut from = from;
        while from < to {
            let len = most.min(to - from);
            self.chunks.push(Chunk { offset: from, len, work });
            from += len;
        }
    }

    fn close(&mut self) {
        if let Some((from, to)) = self.open.take() {
            self.chunks.push(Chunk { offset: from, len: to - from, work: Work::Fill });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Label, PlanBuilder};
    use crate::units::KIB;

    const FILE: Habits = Habits { skip_gaps: true, skip_zeros: true, copies: true };
    const DEVICE: Habits = Habits { skip_gaps: true, skip_zeros: false, copies: false };
    const STREAM: Habits = Habits { skip_gaps: false, skip_zeros: false, copies: false };

    fn chunks(plan: &Plan, habits: Habits) -> Vec<(u64, u64, Work)> {
        let kib = |bytes: Bytes| bytes.get() / KIB.get();
        cut(plan, habits).iter().map(|c| (kib(c.offset), kib(c.len), c.work)).collect()
    }

    #[test]
    fn regions_differ_in_what_they_leave_out() {
        let mut plan = PlanBuilder::new();
        let kib = |count: u64| Bytes::new(count << 10);
        plan.bytes(kib(0), Label::new("a"), vec![1; 4096]);
        plan.zeros(kib(4), kib(8), Label::new("b"));
        plan.bytes(kib(12), Label::new("c"), vec![1; 4096]);
        // A gap up to 1 MiB, then zeros up to 3 MiB, then data that is no multiple of a chunk.
        plan.zeros(kib(1024), kib(2048), Label::new("d"));
        plan.bytes(kib(3072), Label::new("e"), vec![1; (2 << 20) + (4 << 10)]);
        let plan = plan.finish(kib(8192)).unwrap();
        let data = [(3072, 1024, Work::Fill), (4096, 1024, Work::Fill), (5120, 4, Work::Fill)];
        let file = [&[(0, 16, Work::Fill)][..], &data].concat();
        assert_eq!(chunks(&plan, FILE), file);
        let zeros = (1024, 2048, Work::Zeros);
        let device = [&[(0, 16, Work::Fill), zeros][..], &data].concat();
        assert_eq!(chunks(&plan, DEVICE), device);
        let (gap, end) = ((16, 1008, Work::Zeros), (5124, 3068, Work::Zeros));
        let stream = [&[(0, 16, Work::Fill), gap, zeros][..], &data, &[end]].concat();
        assert_eq!(chunks(&plan, STREAM), stream);
    }
}
