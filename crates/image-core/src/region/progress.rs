//! What the loop tells its caller while it runs, and how the caller stops it.
//!
//! Both are looked at once a chunk, by every worker, so they are a call and an atomic load. Nothing
//! here draws or measures time: how progress looks is the caller's business.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::plan::{Piece, Plan};
use crate::units::Bytes;

/// Watches the loop. Called from several workers at once.
pub trait Progress: Sync {
    /// Learns how many bytes will be reported as done in the end.
    fn begin(&self, total: Bytes);

    /// Learns that `done` more bytes have landed, the last of them those of `current`.
    fn advance(&self, done: Bytes, current: Current<'_>);
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _total: Bytes) {}

    fn advance(&self, _done: Bytes, _current: Current<'_>) {}
}

/// What has just been written; spells out its label only when it is displayed.
#[derive(Clone, Copy)]
pub struct Current<'a> {
    plan: &'a Plan,
    piece: Option<&'a Piece>,
}

impl<'a> Current<'a> {
    /// Names the piece that holds the byte at `offset`, or the next one after it.
    pub(crate) fn at(plan: &'a Plan, offset: Bytes) -> Self {
        Self { plan, piece: plan.pieces().get(plan.piece_after(offset)) }
    }
}

impl fmt::Display for Current<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.piece {
            Some(piece) => f.write_str(&self.plan.label(piece)),
            None => f.write_str("unused space"),
        }
    }
}

impl fmt::Debug for Current<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Current({self})")
    }
}

/// Asks a running loop to stop. Clones are the same request.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Makes a request that nobody has raised yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the request; the loop ends with [`super::Error::Cancelled`] after the chunks in work.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Tells whether the request was raised.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Shares the bare flag: what signal handlers set.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}
