//! A secret of many lines that somebody pastes on a console.
//!
//! A slow serial line needs no more than that somebody reads: a paste is over when its end has come and the
//! line is quiet.

use std::io;
use std::time::{Duration, Instant};

use calve_installer::host_key::{LARGEST, block};
use zeroize::Zeroizing;

use crate::console::{Console, Heard, Meaning, QUIET};

/// How an attempt to read a secret ended.
pub(super) enum Paste {
    /// With something typed.
    Text(Zeroizing<Vec<u8>>),
    /// With more than any secret has.
    TooLong,
    /// With Ctrl-D, or because the console went away.
    GivenUp,
    /// Nobody typed anything for long enough.
    Late,
    /// With Ctrl-C or a signal.
    Interrupted,
}

/// Reads until the end of a block, an empty line, or Ctrl-D; `patience` is how long nothing may come.
pub(super) fn paste(console: &Console, patience: Option<Duration>) -> io::Result<Paste> {
    let mut text = Zeroizing::new(Vec::with_capacity(LARGEST));
    let mut chunk = Zeroizing::new([0; 1024]);
    let mut is_too_long = false;
    let mut last = Instant::now();
    loop {
        let count = match console.read(chunk.as_mut_slice())? {
            Heard::Bytes(count) => count,
            Heard::Gone => return Ok(Paste::GivenUp),
            Heard::Signal => return Ok(Paste::Interrupted),
            Heard::Nothing => {
                let quiet = last.elapsed();
                if quiet >= QUIET && is_too_long {
                    return Ok(Paste::TooLong);
                }
                if quiet >= QUIET && is_over(&text) {
                    return Ok(Paste::Text(text));
                }
                if patience.is_some_and(|patience| quiet >= patience) {
                    return Ok(Paste::Late);
                }
                continue;
            }
        };
        last = Instant::now();
        for byte in chunk.iter().take(count).copied() {
            match console.meaning(byte) {
                Meaning::Interrupt => return Ok(Paste::Interrupted),
                Meaning::End => {
                    let is_empty = text.iter().all(u8::is_ascii_whitespace);
                    return Ok(if is_empty { Paste::GivenUp } else { Paste::Text(text) });
                }
                Meaning::Plain | Meaning::Erase | Meaning::Kill => {}
            }
            if text.len() == LARGEST {
                is_too_long = true;
                text.clear();
            }
            text.push(byte);
        }
    }
}

/// Tells whether a block, or what there is instead of one, has ended.
fn is_over(text: &[u8]) -> bool {
    let before_end = |line: &[u8]| -> Option<usize> {
        [b"\r\n".as_slice(), b"\n", b"\r"]
            .into_iter()
            .find_map(|end| line.strip_suffix(end))
            .map(<[u8]>::len)
    };
    let last = before_end(text).and_then(|end| text.get(..end));
    let is_empty_line = last.is_some_and(|last| last.is_empty() || before_end(last).is_some());
    is_empty_line || block::is_over(text)
}

#[cfg(test)]
mod tests {
    use super::is_over;

    #[test]
    fn an_empty_line_or_an_end_is_the_end() {
        for over in ["\n", "\r", "\r\n", "x\n\n", "x\r\r", "x\r\n\r\n", "-----END X-----"] {
            assert!(is_over(over.as_bytes()), "{over:?}");
        }
        for on in ["", "x", "x\n", "x\r\n", "\n\nx", "-----BEGIN X-----\n", "-----END X"] {
            assert!(!is_over(on.as_bytes()), "{on:?}");
        }
    }
}
