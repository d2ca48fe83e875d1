//! Nix's own base 32: digits without `e o t u`, least significant bits last in the text.
//!
//! It is not RFC 4648: the bytes are read as one little-endian number and the text starts with the
//! topmost digit. Follows the Nix manual, "Hash formats: nix32".

/// The digits, in the order of their values.
const DIGITS: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";

/// Bits that a digit carries.
const DIGIT_BITS: usize = 5;

/// Whether a byte is a digit of this base.
pub fn is_digit(byte: u8) -> bool {
    DIGITS.contains(&byte)
}

/// How many digits so many bytes take.
pub fn encoded_size(bytes: usize) -> usize {
    (bytes * 8).div_ceil(DIGIT_BITS)
}

/// Writes bytes as digits.
pub fn encode(bytes: &[u8]) -> String {
    (0..encoded_size(bytes.len()))
        .rev()
        .map(|place| {
            let bit = place * DIGIT_BITS;
            let low = u16::from(bytes[bit / 8]);
            let high = bytes.get(bit / 8 + 1).map_or(0, |b| u16::from(*b));
            let value = ((high << 8 | low) >> (bit % 8)) & 0x1f;
            char::from(DIGITS[usize::from(value)])
        })
        .collect()
}

/// Reads digits that stand for exactly `size` bytes; `None` for a wrong length, a wrong digit or
/// bits left over.
pub fn decode(text: &str, size: usize) -> Option<Vec<u8>> {
    if text.len() != encoded_size(size) {
        return None;
    }
    let mut bytes = vec![0u8; size];
    for (place, digit) in text.bytes().rev().enumerate() {
        let value = u16::try_from(DIGITS.iter().position(|d| *d == digit)?).ok()?;
        let bit = place * DIGIT_BITS;
        let [low, high] = (value << (bit % 8)).to_le_bytes();
        *bytes.get_mut(bit / 8)? |= low;
        match bytes.get_mut(bit / 8 + 1) {
            Some(byte) => *byte |= high,
            None if high == 0 => {}
            None => return None,
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn agrees_with_nix_hash() {
        // printf '' | sha256sum, and `nix-hash --type sha256 --to-base32` of it.
        let empty = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";
        let bytes = decode(empty, 32).unwrap();
        assert_eq!(bytes[..4], [0xe3, 0xb0, 0xc4, 0x42]);
        assert_eq!(encode(&bytes), empty);
    }

    #[test]
    fn left_over_bits_are_refused() {
        // 52 digits carry 260 bits; the topmost four must be zero for 32 bytes.
        assert!(decode(&format!("z{}", "0".repeat(51)), 32).is_none());
        assert!(decode(&"0".repeat(51), 32).is_none());
        assert!(decode(&"e".repeat(52), 32).is_none());
    }

    proptest! {
        #[test]
        fn round_trip(bytes in proptest::collection::vec(any::<u8>(), 0..70)) {
            prop_assert_eq!(decode(&encode(&bytes), bytes.len()), Some(bytes));
        }
    }
}
