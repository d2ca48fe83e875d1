//! Ranges of a plan, made in memory for somebody else than a region.
//!
//! What is compressed has to be read before the image can be planned: a compressed archive's plan
//! consists of what came out. The bytes are the very ones that [`super::write`] would have written.

use super::fill::Filler;
use super::keys::Unlocked;
use super::{Error, Keys};
use crate::plan::Plan;
use crate::units::Bytes;

/// Reads one plan; several workers may share it.
pub struct Reader<'a> {
    plan: &'a Plan,
    keys: Unlocked<'a>,
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("size", &self.plan.size()).finish_non_exhaustive()
    }
}

impl<'a> Reader<'a> {
    /// Checks that all keys and secrets that the plan names are there.
    ///
    /// # Errors
    /// Which one is missing or of another length.
    pub fn new(plan: &'a Plan, keys: &'a Keys) -> Result<Self, Error> {
        Ok(Self { plan, keys: Unlocked::new(plan, keys)? })
    }

    /// Makes the bytes from `start` on, as many as `out` holds; gaps come out as zeros.
    ///
    /// # Errors
    /// A host file that cannot be read, or that is not what it was when the plan was made.
    pub fn read(&self, start: Bytes, out: &mut [u8]) -> Result<(), Error> {
        Filler::new(&self.keys).fill(self.plan, start, out)
    }
}
