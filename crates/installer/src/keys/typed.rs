//! What somebody would have to type for a key.
//!
//! A prompt of systemd or of NixOS' stage 1 takes one line: bytes that end it or edit it cannot be part of a
//! passphrase, and cryptsetup itself reads at most 512 bytes of one. Such a key opens its volume from a
//! key file only.

/// cryptsetup's limit of passphrases that are typed.
const LONGEST: usize = 512;

/// Why nobody can type a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untypable {
    /// There is a byte in it that ends or edits a line.
    #[error("byte {at} of the key cannot be typed: a passphrase holds no control characters")]
    Control {
        /// Where it is, from 0.
        at: usize,
    },
    /// It is longer than a prompt reads.
    #[error("the key has {found} bytes, and a passphrase at most {LONGEST}")]
    Long {
        /// How long it is.
        found: usize,
    },
    /// Nothing is left of it.
    #[error("the key is nothing but a line end")]
    Empty,
}

/// Returns what somebody would type for a key: all of it but one line end at its end.
///
/// # Errors
/// Whether it cannot be typed at all.
pub fn typed(key: &[u8]) -> Result<&[u8], Untypable> {
    let key = without_line_end(key);
    if key.is_empty() {
        return Err(Untypable::Empty);
    }
    if let Some(at) = key.iter().position(u8::is_ascii_control) {
        return Err(Untypable::Control { at });
    }
    if key.len() > LONGEST {
        return Err(Untypable::Long { found: key.len() });
    }
    Ok(key)
}

/// Leaves out one line end at the end.
pub(super) fn without_line_end(key: &[u8]) -> &[u8] {
    let line = key.strip_suffix(b"\n").unwrap_or(key);
    if line.len() == key.len() { line } else { line.strip_suffix(b"\r").unwrap_or(line) }
}
