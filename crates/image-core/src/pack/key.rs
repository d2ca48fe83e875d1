//! What a shelf is known by: everything that its compressed bytes depend on.
//!
//! Headers count as they are, so a change of the tar writer, of a mode or of a name gives another
//! key; contents count by what Nix registered, which is known without reading them. Whether the
//! contents are what is registered is found out when they are compressed, before anything is kept.

use sha2::{Digest, Sha256};

use super::Press;
use super::shelf::{BLOCK, Shelf};
use crate::cache::Key;
use crate::plan::{Content, Plan};
use crate::units::Bytes;

/// Counts changes to what a key is made of.
const FORM: &str = "calve shelf 2";

/// Derives the key of a shelf; none for one that must not be kept.
pub(super) fn of(shelf: &Shelf, row: &Plan, press: &dyn Press) -> Option<Key> {
    if shelf.paths.is_empty() {
        return None;
    }
    let mut digest = Sha256::new();
    let mut part = |bytes: &[u8]| {
        digest.update(Bytes::of(bytes).get().to_le_bytes());
        digest.update(bytes);
    };
    part(FORM.as_bytes());
    part(press.version().as_bytes());
    part(&BLOCK.get().to_le_bytes());
    for member in &shelf.paths {
        part(member.hash.as_bytes());
    }
    for piece in &row.pieces()[row.piece_after(shelf.start)..] {
        let (from, to) = (piece.offset.max(shelf.start), piece.end().min(shelf.end));
        if piece.offset >= shelf.end {
            break;
        }
        part(&(from - shelf.start).get().to_le_bytes());
        match &piece.content {
            Content::Bytes(bytes) => {
                let (from, to) = (from - piece.offset, to - piece.offset);
                part(&bytes[from.to_len()?..to.to_len()?]);
            }
            Content::Zeros => part(b"zeros"),
            Content::Host { .. } => part(b"file"),
            // A secret is nothing to keep.
            Content::Secret { .. } | Content::Sealed { .. } => return None,
        }
    }
    Some(Key(digest.finalize().into()))
}
