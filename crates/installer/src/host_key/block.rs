//! An OpenSSH private key block in whatever surrounds it.
//!
//! What people paste is what their screen showed: prompts, quotes, indentation, line ends of another
//! system, escape sequences of the terminal, a block in one line out of a JSON file. All of that can be
//! told from base64, so it is dropped here; whether the rest is a key is found out later.

use zeroize::Zeroizing;

use super::base64::is_base64;
use super::private::Error;

/// How a block begins.
pub const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
/// How it ends.
pub const END: &str = "-----END OPENSSH PRIVATE KEY-----";

/// The base64 of one block, and nothing else.
pub struct Block(pub(super) Zeroizing<Vec<u8>>);

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Block(..)")
    }
}

/// Finds all blocks, in order; one without an end is an error in its place.
pub fn blocks(text: &[u8]) -> Vec<Result<Block, Error>> {
    let text = plain(text);
    let mut found = Vec::new();
    let mut rest = text.as_slice();
    while let Some(begin) = position(rest, BEGIN) {
        let before = rest[..begin].iter().rposition(|byte| *byte == b'\n');
        let quote = &rest[before.map_or(0, |newline| newline + 1)..begin];
        let inner = &rest[begin + BEGIN.len()..];
        let next = position(inner, BEGIN).unwrap_or(inner.len());
        match position(&inner[..next], END) {
            Some(end) => {
                found.push(base64_of(&inner[..end], quote));
                rest = &inner[end + END.len()..];
            }
            None => {
                found.push(Err(Error::Cut));
                rest = &inner[next..];
            }
        }
    }
    found
}

/// Tells whether a text is a block and nothing before or in it, as sshd wants it to be.
pub(super) fn is_bare(text: &[u8]) -> bool {
    let body = text.strip_prefix(BEGIN.as_bytes()).and_then(|rest| {
        let end = position(rest, &format!("\n{END}\n"))?;
        rest[..end].strip_prefix(b"\n")
    });
    body.is_some_and(|body| body.iter().all(|byte| is_base64(*byte) || byte.is_ascii_whitespace()))
}

/// Tells whether the last line that ends a block, of whatever sort, has come.
pub fn is_over(text: &[u8]) -> bool {
    let end = position(text, "-----END ");
    end.is_some_and(|end| position(&text[end + 9..], "-----").is_some())
}

/// Says what a text without a block holds instead, as far as that can be told.
pub(super) fn other(text: &[u8]) -> super::Error {
    let is_there = |what: &str| position(text, what).is_some();
    if is_there("PuTTY-User-Key-File") {
        return super::Error::Other { found: "a key of PuTTY" };
    }
    if is_there(END) {
        return super::Error::Other { found: "the end of a key" };
    }
    if let Some(begin) = position(text, "-----BEGIN ") {
        let label = text[begin + 11..].iter().take(40).take_while(|byte| is_word(**byte));
        return super::Error::Pem { label: label.map(|byte| char::from(*byte)).collect() };
    }
    let words = ["ssh-ed25519 AAAA", "ssh-rsa AAAA", "ecdsa-sha2-nistp"];
    if words.into_iter().any(is_there) {
        super::Error::Other { found: "a public key" }
    } else {
        super::Error::Nothing
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' '
}

/// Drops what terminals add: escape sequences and control characters; every line ends in a newline.
fn plain(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut plain = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            0x1b if bytes.next_if_eq(&b'[').is_some() => {
                // ECMA-48: parameters, then one byte that ends the sequence.
                while bytes.next_if(|byte| (0x20..0x40).contains(byte)).is_some() {}
                bytes.next_if(|byte| (0x40..0x7f).contains(byte));
            }
            b'\r' | b'\n' => plain.push(b'\n'),
            // As JSON and shells spell a line end; other backslashes mean nothing.
            b'\\' if bytes.next_if(|byte| b"rn".contains(byte)).is_some() => plain.push(b'\n'),
            b'\t' => plain.push(b' '),
            b'\\' | 0..=0x1f | 0x7f => {}
            _ => plain.push(byte),
        }
    }
    plain
}

/// Keeps the base64 of a block's lines, each of which may begin with what stands before BEGIN.
fn base64_of(inner: &[u8], quote: &[u8]) -> Result<Block, Error> {
    let mut kept = Zeroizing::new(Vec::with_capacity(inner.len()));
    for (number, line) in inner.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_prefix(quote).unwrap_or(line);
        // A shell's prompt for more lines, such as `quote> `.
        let line = line.rsplit(|byte| *byte == b'>').next().unwrap_or(line);
        for word in line.split(u8::is_ascii_whitespace) {
            let first = word.iter().position(|byte| is_base64(*byte)).unwrap_or(word.len());
            let last = word.iter().rposition(|byte| is_base64(*byte)).map_or(first, |at| at + 1);
            let word = &word[first..last];
            if !word.iter().all(|byte| is_base64(*byte)) {
                return Err(Error::NotBase64 { line: number });
            }
            kept.extend_from_slice(word);
        }
    }
    Ok(Block(kept))
}

fn position(text: &[u8], what: &str) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what.as_bytes())
}
