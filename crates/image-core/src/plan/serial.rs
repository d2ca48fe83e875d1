//! A tree in a row: a plan that knows where each entry of its tree lies.
//!
//! What is packed has this shape, whatever the format: the entries' bytes stand one behind the other
//! in the order of the tree, so a subtree is a range. A tar archive is one, headers and all; the
//! contents of a file system's files without any headers are another.

use super::Plan;
use crate::tree::NodeId;
use crate::units::Bytes;

/// A tree in a row: its bytes, and where in them each entry lies.
#[derive(Clone, Debug)]
pub struct Serial {
    /// The bytes, without gaps.
    pub plan: Plan,
    /// The first byte of each entry, by position; one more: the byte after the last.
    starts: Vec<Bytes>,
    /// Files' contents are padded to a multiple of it.
    padding: Bytes,
    cuts: Cuts,
}

/// Where the row may be cut into blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cuts {
    /// At any byte.
    Anywhere,
    /// Before these bytes only, in ascending order.
    Before(Vec<Bytes>),
}

impl Serial {
    /// Joins a plan with where the entries of its tree start: one offset for each, in order, and
    /// where the last one ends. The contents of a file are the last thing of its entry, but for
    /// what pads them to a multiple of `padding`.
    pub fn new(plan: Plan, starts: Vec<Bytes>, padding: Bytes, cuts: Cuts) -> Self {
        Self { plan, starts, padding, cuts }
    }

    /// Returns the first byte of an entry; after the last one, that is [`Serial::end`].
    pub fn start(&self, node: NodeId) -> Bytes {
        self.starts.get(node.index()).copied().unwrap_or(self.end())
    }

    /// Returns the range of a file's contents.
    pub fn contents(&self, file: NodeId, size: Bytes) -> (Bytes, Bytes) {
        let start = self.start(file.next()).saturating_sub(size.align_up(self.padding));
        (start, start + size)
    }

    /// Returns where the last entry ends.
    pub fn end(&self) -> Bytes {
        self.starts.last().copied().unwrap_or_default()
    }

    /// Cuts a range into blocks of at most `most` bytes, each as long as the cuts allow: where each
    /// starts and how long it is.
    pub fn blocks(&self, start: Bytes, end: Bytes, most: Bytes) -> Vec<(Bytes, Bytes)> {
        let mut blocks = Vec::new();
        let mut from = start;
        while from < end {
            let to = self.cut_before(from, from + most).min(end);
            blocks.push((from, to - from));
            from = to;
        }
        blocks
    }

    /// Returns the last cut after `from` that is not after `to`; `to` itself where there is none.
    fn cut_before(&self, from: Bytes, to: Bytes) -> Bytes {
        match &self.cuts {
            Cuts::Anywhere => to,
            Cuts::Before(cuts) if self.end() > to => {
                let count = cuts.partition_point(|cut| *cut <= to);
                let last = cuts[..count].last().copied();
                last.filter(|cut| *cut > from).unwrap_or(to)
            }
            Cuts::Before(_) => to,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Label, PlanBuilder};

    fn serial(size: u64, cuts: Cuts) -> Serial {
        let mut plan = PlanBuilder::new();
        plan.zeros(Bytes::ZERO, Bytes::new(size), Label::new("data"));
        let plan = plan.finish(Bytes::new(size)).unwrap();
        Serial::new(plan, vec![Bytes::ZERO, Bytes::new(size)], Bytes::new(1), cuts)
    }

    fn blocks(serial: &Serial, from: u64, to: u64, most: u64) -> Vec<(u64, u64)> {
        let blocks = serial.blocks(Bytes::new(from), Bytes::new(to), Bytes::new(most));
        blocks.into_iter().map(|(start, len)| (start.get(), len.get())).collect()
    }

    #[test]
    fn blocks_end_where_the_cuts_are() {
        let anywhere = serial(100, Cuts::Anywhere);
        assert_eq!(blocks(&anywhere, 0, 100, 40), [(0, 40), (40, 40), (80, 20)]);
        assert_eq!(blocks(&anywhere, 30, 30, 40), []);
        let cuts = Cuts::Before([0, 10, 35, 41, 60, 95].map(Bytes::new).to_vec());
        let before = serial(100, cuts);
        assert_eq!(blocks(&before, 0, 100, 40), [(0, 35), (35, 25), (60, 40)]);
        // A range may end anywhere: whoever asks for it knows why.
        assert_eq!(blocks(&before, 10, 58, 40), [(10, 31), (41, 17)]);
        // Without a cut that is near enough a block is as long as it may be.
        assert_eq!(blocks(&before, 60, 100, 20), [(60, 20), (80, 20)]);
    }
}
