//! Directories, long links and blocks of attributes, one after the other.
//!
//! Most directories fill a tenth of their block, and a tree may have as many directories as files.
//! So a block is kept without the zeros in its middle, and becomes two pieces instead of 4 KiB.

use super::block::{BLOCK_LEN, BlockNo, Run, index, narrow};
use super::ondisk::dirent::Tail;
use crate::plan::{Label, PlanBuilder};
use crate::units::Bytes;

/// What is always kept of a block's end: a directory has its checksum there.
const END: usize = Tail::SIZE;
/// Fewer zeros than this are not worth a piece.
const WORTH_A_PIECE: usize = 1024;
/// A piece as large as this is complete.
const FULL: usize = 1 << 20;

/// Blocks in the order in which they will lie on disk.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// Of each block the bytes up to the last that is not zero, and the last [`END`].
    kept: Vec<u8>,
    /// Where in `kept` each block ends.
    ends: Vec<usize>,
}

impl Stream {
    /// Counts the blocks.
    pub(super) fn blocks(&self) -> u32 {
        narrow(self.ends.len())
    }

    /// Adds whole blocks.
    pub(super) fn push(&mut self, blocks: &[u8]) {
        for block in blocks.chunks_exact(BLOCK_LEN) {
            let (front, end) = block.split_at(BLOCK_LEN - END);
            let used = front.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            self.kept.extend(&front[..used]);
            self.kept.extend(end);
            self.ends.push(self.kept.len());
        }
    }

    /// Restores a block.
    fn block(&self, number: u32) -> Vec<u8> {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[index(before)]);
        let kept = &self.kept[start..self.ends[index(number)]];
        let (front, end) = kept.split_at(kept.len() - END);
        let mut block = front.to_vec();
        block.resize(BLOCK_LEN - END, 0);
        block.extend(end);
        block
    }

    /// Places all blocks; `seal` completes each that depends on where it lies.
    pub(super) fn write(
        &self,
        runs: &[Run],
        mut seal: impl FnMut(u32, BlockNo, &mut [u8]),
        plan: &mut PlanBuilder,
    ) {
        let mut number = 0;
        for run in runs {
            let mut pieces = Pieces { at: run.start.at(), pending: Vec::new(), plan };
            for place in (0..run.blocks).map(|blocks| run.start.after(blocks)) {
                let mut block = self.block(number);
                seal(number, place, &mut block);
                pieces.push(&block);
                number += 1;
            }
            pieces.flush();
        }
    }
}

/// Bytes that go into the plan as few large pieces.
struct Pieces<'p> {
    /// Where `pending` starts.
    at: Bytes,
    pending: Vec<u8>,
    plan: &'p mut PlanBuilder,
}

impl Pieces<'_> {
    fn push(&mut self, block: &[u8]) {
        let (front, end) = block.split_at(BLOCK_LEN - END);
        let used = front.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let zeros = front.len() - used;
        if zeros >= WORTH_A_PIECE {
            self.pending.extend(&front[..used]);
            self.flush();
            let zeros = Bytes::from_len(zeros);
            self.plan.zeros(self.at, zeros, Label::new("directories"));
            self.at += zeros;
        } else {
            self.pending.extend(front);
        }
        self.pending.extend(end);
        if self.pending.len() >= FULL {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let size = Bytes::of(&self.pending);
        self.plan.bytes(self.at, Label::new("directories"), self.pending.as_slice());
        self.pending.clear();
        self.at += size;
    }
}
