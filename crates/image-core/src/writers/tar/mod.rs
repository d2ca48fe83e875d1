//! Tar archives: a tree written down as POSIX ustar, with PAX records only where ustar cannot say it.
//!
//! Skeleton; see the brief.

use crate::plan::{Plan, PlanBuilder, PlanError};
use crate::tree::{NodeId, Tree, TreePath};
use crate::units::Bytes;

/// Why a tree is no archive.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A path that no archive can hold.
    #[error("{path} cannot be in an archive")]
    Path {
        /// Which one.
        path: TreePath,
    },
    /// The archive is larger than a plan can be.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// An archive written down, and where in it each entry lies.
#[derive(Debug)]
pub struct Archive {
    /// The bytes of the archive.
    pub plan: Plan,
    /// The first byte of each entry's headers, by position; one more: where the end marker starts.
    starts: Vec<Bytes>,
}

impl Archive {
    /// Writes a tree down; its root directory is not part of the archive.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn of(tree: &Tree) -> Result<Self, Error> {
        let starts = vec![Bytes::ZERO; tree.size() + 1];
        Ok(Self { plan: PlanBuilder::new().finish(Bytes::ZERO)?, starts })
    }

    /// Returns where the headers of an entry start.
    pub fn start(&self, node: NodeId) -> Bytes {
        self.starts.get(node.index()).copied().unwrap_or(self.end())
    }

    /// Returns the range of a file's contents: the last thing before the next entry, but for the
    /// padding to a whole block.
    pub fn contents(&self, file: NodeId, size: Bytes) -> (Bytes, Bytes) {
        let start = self.start(file.next()).saturating_sub(size.align_up(Bytes::new(512)));
        (start, start + size)
    }

    /// Returns where the end marker starts: after the last entry.
    pub fn end(&self) -> Bytes {
        self.starts.last().copied().unwrap_or_default()
    }
}
