//! Tar archives: a tree written down as POSIX ustar, with PAX records only where ustar cannot say it.
//!
//! - `entry`: the headers of one entry
//! - `pax`: the records before a header
//! - `ondisk`: the header, encoded
//! - `error`: what is refused
//!
//! An archive is the entries in the order of the tree and two blocks of zeros. The root directory is
//! no entry: whoever unpacks made it. Paths are relative and start with a name, directories end in a
//! slash, owners are numbers without names. Hard links and holes are not written: a tree has
//! neither. An archive has no gaps, as its readers read all of it.

mod entry;
mod error;
mod ondisk;
mod pax;

pub use error::Error;

use ondisk::{BLOCK, END, RECORD};

use crate::plan::{Cuts, Label, Plan, PlanBuilder, Serial};
use crate::tree::{Kind, Node, Source, Tree};
use crate::units::Bytes;

/// How many bytes of headers without data between them share a piece: a farm of links is a plan of
/// a few pieces.
const RUN: usize = 64 << 10;

/// Writes a tree down; its root directory is not part of the archive.
///
/// # Errors
/// See [`Error`].
pub fn archive(tree: &Tree) -> Result<Serial, Error> {
    let mut draft = Draft {
        plan: PlanBuilder::new(),
        starts: Vec::with_capacity(tree.size() + 1),
        headers: Vec::new(),
        at: Bytes::ZERO,
        runs: 0,
    };
    // The root has no headers: it starts and ends where its first child starts.
    draft.starts.push(Bytes::ZERO);
    for node in tree.iter().skip(1) {
        draft.entry(node)?;
    }
    draft.finish()
}

/// An archive up to some entry.
struct Draft {
    plan: PlanBuilder,
    starts: Vec<Bytes>,
    /// Headers that are in no piece yet.
    headers: Vec<u8>,
    /// Where they start.
    at: Bytes,
    /// How many pieces of headers there are.
    runs: u32,
}

impl Draft {
    fn entry(&mut self, node: Node<'_>) -> Result<(), Error> {
        self.starts.push(self.end());
        entry::write(node, &mut self.headers)?;
        match node.kind() {
            Kind::File(source) if !source.size().is_zero() => {
                self.place_headers();
                self.data(node, source);
            }
            Kind::File(_) | Kind::Directory | Kind::Symlink(_) | Kind::Device(_) | Kind::Fifo => {
                if self.headers.len() >= RUN {
                    self.place_headers();
                }
            }
        }
        Ok(())
    }

    fn end(&self) -> Bytes {
        self.at + Bytes::of(&self.headers)
    }

    fn place_headers(&mut self) {
        let end = self.end();
        self.plan.bytes(self.at, Label::numbered("headers", self.runs), self.headers.as_slice());
        self.headers.clear();
        self.at = end;
        self.runs += 1;
    }

    fn data(&mut self, node: Node<'_>, source: &Source) {
        let number = u32::try_from(node.id().index()).unwrap_or(u32::MAX);
        let label = Label::numbered("data", number);
        self.plan.source(self.at, label, source);
        if let Source::Plan(inner) = source {
            self.fill_gaps(inner, label);
        }
        let size = source.size();
        let blocks = size.align_up(BLOCK);
        self.plan.zeros(self.at + size, blocks - size, Label::numbered("padding", number));
        self.at += blocks;
    }

    /// An image within the archive may have gaps, but a file has none.
    fn fill_gaps(&mut self, inner: &Plan, label: Label) {
        let mut at = Bytes::ZERO;
        let pieces = inner.pieces().iter().map(|piece| (piece.offset, piece.end()));
        for (from, to) in pieces.chain([(inner.size(), inner.size())]) {
            self.plan.zeros(self.at + at, from - at, label);
            at = to;
        }
    }

    fn finish(mut self) -> Result<Serial, Error> {
        self.place_headers();
        let end = self.at;
        self.starts.push(end);
        let size = (end + END).align_up(RECORD);
        self.plan.zeros(end, size - end, Label::new("end"));
        Ok(Serial::new(self.plan.finish(size)?, self.starts, BLOCK, Cuts::Anywhere))
    }
}

#[cfg(test)]
mod tests;
