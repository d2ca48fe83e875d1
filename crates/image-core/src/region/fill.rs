//! A range of a plan, made in memory.
//!
//! The bytes depend on the plan and the range and on nothing else: neither on how the plan was cut
//! nor on who makes them. Gaps come out as zeros. Host files are opened, checked, read and checked
//! again for every range, because a file that changed in between must never reach an image.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::Error;
use super::cut::sealed_runs;
use super::keys::Unlocked;
use crate::plan::{Cipher, Content, Piece, Plan, Sealed};
use crate::tree::HostFile;
use crate::tree::source::SourceError;
use crate::units::Bytes;
use crate::xts::Tweaks;

/// Makes ranges of plans; each worker has one.
pub(super) struct Filler<'k> {
    keys: &'k Unlocked<'k>,
    tweaks: Tweaks,
}

impl<'k> Filler<'k> {
    pub(super) fn new(keys: &'k Unlocked<'k>) -> Self {
        Self { keys, tweaks: Tweaks::default() }
    }

    /// Makes the bytes of `plan` from `start` on, as many as `out` holds.
    pub(super) fn fill(&mut self, plan: &Plan, start: Bytes, out: &mut [u8]) -> Result<(), Error> {
        let end = start + Bytes::of(out);
        let mut done = 0;
        for piece in &plan.pieces()[plan.piece_after(start)..] {
            if piece.offset >= end {
                break;
            }
            let (from, to) = (piece.offset.max(start), piece.end().min(end));
            let (first, last) = (length(from - start), length(to - start));
            out[done..first].fill(0);
            done = last;
            let part = &mut out[first..last];
            self.piece(plan, piece, from - piece.offset, part)?;
        }
        out[done..].fill(0);
        Ok(())
    }

    /// Makes the bytes of one piece after its first `skip` ones.
    fn piece(
        &mut self,
        plan: &Plan,
        piece: &Piece,
        skip: Bytes,
        out: &mut [u8],
    ) -> Result<(), Error> {
        match &piece.content {
            Content::Bytes(data) => out.copy_from_slice(part(data, skip, out.len())),
            Content::Zeros => out.fill(0),
            Content::Host { file, start } => {
                read(file, *start + skip, out).map_err(|source| {
                    let offset = (piece.offset + skip).get();
                    Error::Source { label: plan.label(piece), offset, source }
                })?;
            }
            Content::Secret { id, start } => {
                let secret = self.keys.secret(id)?;
                out.copy_from_slice(part(secret, *start + skip, out.len()));
            }
            Content::Sealed { sealed, start } => {
                let outer = |error| {
                    let Error::Source { label, offset, source } = error else {
                        return error;
                    };
                    let label = format!("{}/{label}", plan.label(piece));
                    let offset = (piece.offset + (Bytes::new(offset) - *start)).get();
                    Error::Source { label, offset, source }
                };
                self.sealed(sealed, *start + skip, out).map_err(outer)?;
            }
        }
        Ok(())
    }

    /// Makes ciphertext; a range that cuts sectors is cut out of the whole ones.
    fn sealed(&mut self, sealed: &Sealed, start: Bytes, out: &mut [u8]) -> Result<(), Error> {
        let Cipher::AesXtsPlain64 { sector } = sealed.cipher;
        let size = sector.bytes();
        let end = start + Bytes::of(out);
        let (first, last) = (start.align_down(size), end.align_up(size));
        if (first, last) == (start, end) {
            return self.sectors(sealed, start, out);
        }
        let mut whole = zeroize::Zeroizing::new(vec![0; length(last - first)]);
        self.sectors(sealed, first, &mut whole)?;
        out.copy_from_slice(part(&whole, start - first, out.len()));
        Ok(())
    }

    fn sectors(&mut self, sealed: &Sealed, start: Bytes, out: &mut [u8]) -> Result<(), Error> {
        let Cipher::AesXtsPlain64 { sector } = sealed.cipher;
        self.fill(&sealed.inner, start, out)?;
        let cipher = self.keys.cipher(&sealed.key)?;
        let (tweaks, end) = (&mut self.tweaks, start + Bytes::of(out));
        sealed_runs(&sealed.inner, sector.bytes(), start, end, |from, to| {
            let run = &mut out[length(from - start)..length(to - start)];
            cipher.seal(sector, from, run, tweaks);
        });
        Ok(())
    }
}

/// Reads a range of a file that must be what it was when the plan was made, before and after.
fn read(file: &HostFile, start: Bytes, out: &mut [u8]) -> Result<(), SourceError> {
    let open = file.open()?;
    let mut done = 0;
    while done < out.len() {
        match open.read_at(&mut out[done..], start.get() + Bytes::from_len(done).get()) {
            Ok(0) => return Err(ended(file, &open, start + Bytes::from_len(done))),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => {
                return Err(SourceError::Io { action: "read", path: file.path(), source });
            }
        }
    }
    file.check(&open)
}

/// Tells why a file ended before its planned size.
pub(super) fn ended(file: &HostFile, open: &File, at: Bytes) -> SourceError {
    match file.check(open) {
        Err(error) => error,
        Ok(()) => SourceError::Changed {
            path: file.path(),
            what: "what can be read of it",
            before: format!("{} bytes", file.identity().size.get()),
            after: format!("{} bytes", at.get()),
        },
    }
}

/// Returns `len` bytes from `start` on; pieces and secrets were checked to be long enough.
fn part(data: &[u8], start: Bytes, len: usize) -> &[u8] {
    let start = length(start);
    &data[start..start + len]
}

/// Converts a length that is known to lie within a buffer.
fn length(bytes: Bytes) -> usize {
    bytes.to_len().unwrap_or(usize::MAX)
}
