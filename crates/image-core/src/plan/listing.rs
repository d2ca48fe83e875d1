//! A plan as text: one line a piece and a gap, complete: it accounts for every byte.
//!
//! ```text
//! size 2147483648
//! 0 440 bytes mbr/boot code 6b17dd…
//! 1048576 536870912 zeros esp/fat
//! 537919488 941320 host root/data 12 x0…-bash/bin/bash
//! 538860808 760 gap
//! ```
//!
//! Bytes made here show the first 16 hex digits of their SHA-256, host files their path below the
//! directory they were found in, secrets their name: the text is the same on every machine and
//! tells nothing that must stay secret. It is what `--dry-run --pieces` prints and what tests pin.

use std::fmt::{self, Display, Write};

use sha2::{Digest, Sha256};

use super::piece::{Content, Piece};
use super::{Cipher, Plan};
use crate::tree::listing::escape;
use crate::units::Bytes;

impl Plan {
    /// Writes the plan as text, in order of offset.
    pub fn listing(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_listing(&mut text, 0);
        text
    }

    fn write_listing(&self, text: &mut String, depth: usize) -> fmt::Result {
        let indent = "  ".repeat(depth);
        writeln!(text, "{indent}size {}", self.size.get())?;
        let mut at = Bytes::ZERO;
        for piece in &self.pieces {
            write_gap(text, &indent, at, piece.offset)?;
            at = piece.end();
            let (offset, len) = (piece.offset.get(), piece.len.get());
            let label = self.label(piece);
            write!(text, "{indent}{offset} {len} ")?;
            self.write_content(text, depth, piece, &label)?;
        }
        write_gap(text, &indent, at, self.size)
    }

    fn write_content(
        &self,
        text: &mut String,
        depth: usize,
        piece: &Piece,
        label: &dyn Display,
    ) -> fmt::Result {
        match &piece.content {
            Content::Bytes(data) => writeln!(text, "bytes {label} {}", short_digest(data)),
            Content::Zeros => writeln!(text, "zeros {label}"),
            Content::Host { file, start } => {
                let from =
                    if start.is_zero() { String::new() } else { format!(" from {}", start.get()) };
                writeln!(text, "host {label} {}{from}", escape(file.relative()))
            }
            Content::Secret { id, start } => {
                writeln!(text, "secret {label} {:?} from {}", id.0, start.get())
            }
            Content::Sealed { sealed, start } => {
                let Cipher::AesXtsPlain64 { sector } = sealed.cipher;
                let (sector, key) = (sector.bytes().get(), &sealed.key.0);
                writeln!(
                    text,
                    "sealed {label} aes-xts-plain64 sector {sector} key {key:?} from {}",
                    start.get()
                )?;
                sealed.inner.write_listing(text, depth + 1)
            }
        }
    }
}

fn write_gap(text: &mut String, indent: &str, from: Bytes, to: Bytes) -> fmt::Result {
    match to.checked_sub(from) {
        Some(len) if !len.is_zero() => writeln!(text, "{indent}{} {} gap", from.get(), len.get()),
        Some(_) | None => Ok(()),
    }
}

fn short_digest(data: &[u8]) -> String {
    Sha256::digest(data).iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
