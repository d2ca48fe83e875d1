//! Base64 of RFC 4648, padded, for texts that are wiped: no crate's intermediate copies.

use zeroize::Zeroizing;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Decodes a text without white space; nothing where it is not base64 to its last character.
pub fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let padding = text.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
    let digits = &text[..text.len() - padding];
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 4 * 3));
    for quad in digits.chunks(4) {
        let mut bits = 0u32;
        for digit in quad {
            bits = bits << 6 | value(*digit)?;
        }
        bits <<= 6 * (4 - quad.len());
        let [_, decoded @ ..] = bits.to_be_bytes();
        let (kept, rest) = decoded.split_at(quad.len() - 1);
        // Bits that belong to no byte are zero, or two texts would mean one key.
        if rest.iter().any(|byte| *byte != 0) {
            return None;
        }
        bytes.extend_from_slice(kept);
    }
    Some(bytes)
}

/// Encodes bytes, with padding.
pub fn encode(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::with_capacity(bytes.len().div_ceil(3) * 4));
    for three in bytes.chunks(3) {
        let byte = |index: usize| u32::from(three.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4u32 {
            let digit = bits >> (18 - 6 * place) & 63;
            let digit = usize::try_from(digit).unwrap_or(0);
            let is_padding = usize::try_from(place).is_ok_and(|place| place > three.len());
            text.push(if is_padding { b'=' } else { ALPHABET[digit] });
        }
    }
    text
}

/// Tells whether a byte may be in a base64 text.
pub fn is_base64(byte: u8) -> bool {
    byte == b'=' || value(byte).is_some()
}

fn value(digit: u8) -> Option<u32> {
    match digit {
        b'A'..=b'Z' => Some(u32::from(digit - b'A')),
        b'a'..=b'z' => Some(u32::from(digit - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(digit - b'0') + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of RFC 4648, section 10.
    #[test]
    fn the_vectors_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(bytes.as_bytes()).as_slice(), text.as_bytes());
            assert_eq!(decode(text.as_bytes()).unwrap().as_slice(), bytes.as_bytes());
        }
        for broken in ["Z", "Zg", "Zg=", "Z===", "Zh==", "Zm9=", "Zg==Zg==", "Zm 9", "====", "=Zm9"]
        {
            assert_eq!(decode(broken.as_bytes()), None, "{broken}");
        }
    }
}
