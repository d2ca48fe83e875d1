//! Handing out free blocks, strictly upwards.
//!
//! Nothing is freed and nothing skipped: what lies below the mark is in use, what lies above is
//! free. So files come out contiguous but for the fixed parts between, in the order in which they
//! are asked for, and a bitmap is known from the mark alone.

use super::block::{BlockNo, Run};
use super::layout::Layout;
use super::ondisk::extent::MOST_BLOCKS;

/// Free blocks, of which the lower ones are gone.
#[derive(Debug)]
pub(super) struct Allocator<'l> {
    free: &'l [Run],
    /// How many blocks of the first free run are gone.
    taken: u64,
}

impl<'l> Allocator<'l> {
    /// Starts with everything that the fixed parts leave.
    pub(super) fn new(layout: &'l Layout) -> Self {
        Self { free: &layout.free, taken: 0 }
    }

    /// Hands out the next `blocks` blocks, as runs that each fit an extent; none if too few are left.
    pub(super) fn take(&mut self, blocks: u64, runs: &mut Vec<Run>) -> Option<()> {
        let mut missing = blocks;
        while missing > 0 {
            let (first, later) = self.free.split_first()?;
            let taken = missing.min(first.blocks - self.taken).min(MOST_BLOCKS);
            runs.push(Run { start: first.start.after(self.taken), blocks: taken });
            missing -= taken;
            self.taken += taken;
            if self.taken == first.blocks {
                self.free = later;
                self.taken = 0;
            }
        }
        Some(())
    }

    /// Hands out one block.
    pub(super) fn take_one(&mut self) -> Option<BlockNo> {
        let mut runs = Vec::with_capacity(1);
        self.take(1, &mut runs)?;
        runs.first().map(|run| run.start)
    }

    /// Lists what is left.
    pub(super) fn rest(self) -> Vec<Run> {
        let mut rest = self.free.to_vec();
        if let Some(first) = rest.first_mut() {
            *first =
                Run { start: first.start.after(self.taken), blocks: first.blocks - self.taken };
        }
        rest
    }
}
