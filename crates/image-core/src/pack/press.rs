//! What becomes of a block: the part of packing that the format decides.
//!
//! Archives compress a block as a whole; a file system compresses each file's blocks by themselves
//! and remembers where they are. Whatever it is, it depends on the block's own bytes, on where the
//! files in it begin, and on the settings, and on nothing else, so it can be kept.

use std::fmt;

use super::codec::{self, Codec, Encoder};
use crate::units::Bytes;

/// A way to press blocks.
pub trait Press: fmt::Debug + Sync {
    /// Names everything that a pressed block depends on beside the block: format, settings, encoder
    /// and its version.
    fn version(&self) -> String;

    /// Returns what one worker takes of memory, beside the block as it is read and as it comes out.
    fn memory(&self) -> Bytes;

    /// Starts a worker; it presses many blocks, and none depends on those before.
    ///
    /// # Errors
    /// Settings that the encoder does not have.
    fn worker(&self) -> Result<Box<dyn Worker + '_>, codec::Error>;
}

/// Presses blocks, one at a time.
pub trait Worker {
    /// Presses the block that starts at byte `start` of the row, to the end of `out`; returns what
    /// is to be remembered of it ([`super::Block::tag`]).
    ///
    /// # Errors
    /// The encoder's answer; `out` is then worth nothing.
    fn press(&mut self, start: Bytes, data: &[u8], out: &mut Vec<u8>) -> Result<u64, codec::Error>;
}

impl Press for Codec {
    fn version(&self) -> String {
        Self::version(*self)
    }

    fn memory(&self) -> Bytes {
        Self::memory(*self)
    }

    fn worker(&self) -> Result<Box<dyn Worker + '_>, codec::Error> {
        Ok(Box::new(self.encoder()?))
    }
}

impl Worker for Encoder {
    fn press(&mut self, _: Bytes, data: &[u8], out: &mut Vec<u8>) -> Result<u64, codec::Error> {
        self.encode(data, out)
    }
}
