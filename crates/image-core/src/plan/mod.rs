//! The image, written down.
//!
//! - [`piece`]: what lies where: offset, length, label, content
//! - [`builder`]: how a writer makes a plan
//! - [`serial`]: a plan that knows where each entry of its tree lies
//! - [`sealed`]: a plan that is encrypted on its way out
//! - [`listing`]: a plan as text
//!
//! A [`Plan`] is plain data: ordered, non-overlapping pieces and a total size. It holds no file
//! data, no secret and no key. What no piece covers is a *gap*: bytes that no reader of the format
//! may look at. On files and streams a gap comes out as zeros; on a device it is left as it was.
//! Whatever a reader may look at is content, or [`Content::Zeros`] (see `docs/architecture.md`,
//! contracts).

pub mod builder;
pub mod listing;
pub mod piece;
pub mod sealed;
pub mod serial;

pub use builder::{Moved, PlanBuilder, PlanError};
pub use piece::{Content, Label, Piece, ScopeId, SecretId};
pub use sealed::{Cipher, KeyId, Sealed};
pub use serial::{Cuts, Serial};

use crate::units::Bytes;

/// Which bytes go where: ordered, non-overlapping pieces and a total size.
#[derive(Clone, Debug)]
pub struct Plan {
    size: Bytes,
    pieces: Vec<Piece>,
    scopes: Vec<String>,
}

impl Plan {
    /// Returns the size of the image.
    pub fn size(&self) -> Bytes {
        self.size
    }

    /// Returns the pieces, in order of offset, none empty and none overlapping.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Returns the first piece that ends after `offset`, as an index into [`Plan::pieces`].
    pub fn piece_after(&self, offset: Bytes) -> usize {
        self.pieces.partition_point(|piece| piece.end() <= offset)
    }

    /// Spells out a label: `root/inode table 3`.
    pub fn label(&self, piece: &Piece) -> String {
        let label = piece.label;
        let scope = self.scopes.get(label.scope.index()).map_or("", String::as_str);
        let slash = if scope.is_empty() { "" } else { "/" };
        let number = label.number.map_or_else(String::new, |number| format!(" {number}"));
        format!("{scope}{slash}{}{number}", label.what)
    }

    /// Counts the bytes of all pieces: the size without its gaps.
    pub fn covered(&self) -> Bytes {
        self.pieces.iter().map(|piece| piece.len).sum()
    }

    /// Counts the bytes that must be produced: neither gaps nor zeros.
    pub fn payload(&self) -> Bytes {
        let of = |piece: &Piece| match &piece.content {
            Content::Zeros => Bytes::ZERO,
            Content::Bytes(_) | Content::Host { .. } | Content::Secret { .. } => piece.len,
            // Encrypted zeros are none; gaps stay gaps.
            Content::Sealed { sealed, start } => sealed.inner.covered_in(*start, piece.len),
        };
        self.pieces.iter().map(of).sum()
    }

    /// Counts the bytes of a range that are no gaps.
    fn covered_in(&self, start: Bytes, len: Bytes) -> Bytes {
        let end = start + len;
        let pieces = self.pieces[self.piece_after(start)..].iter();
        let within = pieces.take_while(|piece| piece.offset < end);
        within.map(|piece| piece.end().min(end) - piece.offset.max(start)).sum()
    }
}

#[cfg(test)]
mod tests;
