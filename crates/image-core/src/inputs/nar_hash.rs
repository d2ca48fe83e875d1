//! The SHA-256 of a store path's NAR serialisation, in every way Nix writes it.
//!
//! Registrations use bare base 16, the database `sha256:` + base 16, `closureInfo` `sha256:` + Nix
//! base 32, JSON the SRI form `sha256-` + base 64. All are told apart by prefix and length. Other
//! algorithms are refused: Nix has hashed NARs with SHA-256 alone since 2007.
//!
//! [`decode`] and [`HashFormat`] also serve content addresses, whose hashes may be of other sizes.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::nix_base32;

/// Bytes of a SHA-256.
const SIZE: usize = 32;

/// Why a text is not a NAR hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Another algorithm than SHA-256.
    #[error("expected a sha256 hash, found {found:?}")]
    Algorithm {
        /// The text as given.
        found: String,
    },
    /// The digits are of no encoding that Nix writes.
    #[error("expected 32 bytes in base 16, Nix base 32 or base 64, found {found:?}")]
    Digits {
        /// The text as given.
        found: String,
    },
}

/// The ways Nix writes hash bytes as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashFormat {
    /// Lower or upper case hexadecimal.
    Base16,
    /// Nix's own base 32.
    Nix32,
    /// RFC 4648 with padding.
    Base64,
}

impl HashFormat {
    /// Reads the name used in `nix path-info --json-format 2`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "base16" => Some(Self::Base16),
            "nix32" | "base32" => Some(Self::Nix32),
            "base64" => Some(Self::Base64),
            _ => None,
        }
    }

    /// Characters that so many bytes take.
    fn encoded_size(self, bytes: usize) -> usize {
        match self {
            Self::Base16 => bytes * 2,
            Self::Nix32 => nix_base32::encoded_size(bytes),
            Self::Base64 => bytes.div_ceil(3) * 4,
        }
    }
}

/// Reads `size` bytes written in `format`.
pub fn decode(text: &str, format: HashFormat, size: usize) -> Option<Vec<u8>> {
    if text.len() != format.encoded_size(size) {
        return None;
    }
    let bytes = match format {
        HashFormat::Base16 => decode_base16(text)?,
        HashFormat::Nix32 => nix_base32::decode(text, size)?,
        HashFormat::Base64 => decode_base64(text)?,
    };
    (bytes.len() == size).then_some(bytes)
}

fn decode_base16(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().map(|c| c.to_digit(16)).collect::<Option<Vec<u32>>>()?;
    digits.chunks_exact(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).ok()).collect()
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.trim_end_matches('=');
    if text.len() - digits.len() > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut pending, mut bits) = (0u32, 0u32);
    for digit in digits.bytes() {
        let value = u32::try_from(DIGITS.iter().position(|d| *d == digit)?).ok()?;
        pending = (pending << 6 | value) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((pending >> bits) & 0xff).ok()?);
        }
    }
    let left_over = pending & ((1 << bits) - 1);
    (left_over == 0).then_some(bytes)
}

/// The SHA-256 of a NAR.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NarHash([u8; SIZE]);

impl NarHash {
    /// Takes the digest itself.
    pub fn from_bytes(bytes: [u8; SIZE]) -> Self {
        Self(bytes)
    }

    /// The digest itself.
    pub fn as_bytes(&self) -> &[u8; SIZE] {
        &self.0
    }

    /// 64 hexadecimal digits without a prefix: the form of the registration.
    pub fn base16(&self) -> String {
        self.0.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// 52 digits of Nix base 32 without a prefix: the form of a narinfo.
    pub fn base32(&self) -> String {
        nix_base32::encode(&self.0)
    }

    /// Reads digits in one known format.
    pub fn from_digits(digits: &str, format: HashFormat) -> Result<Self, Error> {
        let refused = || Error::Digits { found: digits.to_owned() };
        let bytes = decode(digits, format, SIZE).ok_or_else(refused)?;
        bytes.try_into().map(Self).map_err(|_| refused())
    }
}

impl FromStr for NarHash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some(digits) = text.strip_prefix("sha256-") {
            return Self::from_digits(digits, HashFormat::Base64);
        }
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        if digits.contains([':', '-']) {
            return Err(Error::Algorithm { found: text.to_owned() });
        }
        [HashFormat::Base16, HashFormat::Nix32, HashFormat::Base64]
            .into_iter()
            .find(|format| format.encoded_size(SIZE) == digits.len())
            .ok_or_else(|| Error::Digits { found: text.to_owned() })
            .and_then(|format| Self::from_digits(digits, format))
    }
}

impl fmt::Display for NarHash {
    /// Writes `sha256:` and base 16, the form of Nix's database.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.base16())
    }
}

impl fmt::Debug for NarHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for NarHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    // The SHA-256 of nothing, as `nix-hash` prints it in each form.
    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const NIX32: &str = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";
    const BASE64: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

    #[test]
    fn every_form_gives_the_same_hash() {
        let expected: NarHash = HEX.parse().unwrap();
        assert_eq!((expected.base16().as_str(), expected.base32().as_str()), (HEX, NIX32));
        assert_eq!(expected.to_string(), format!("sha256:{HEX}"));
        for text in [
            NIX32.to_owned(),
            format!("sha256:{HEX}"),
            format!("sha256:{NIX32}"),
            format!("sha256:{BASE64}"),
            format!("sha256-{BASE64}"),
            HEX.to_uppercase(),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn malformed_hashes_are_refused() {
        let sha512 = format!("sha512-{BASE64}");
        assert!(matches!(sha512.parse::<NarHash>(), Err(Error::Algorithm { .. })));
        let unpadded = format!("sha256-{}", &BASE64[..43]);
        let overfull = format!("sha256-{}Z=", &BASE64[..42]);
        let not_hex = format!("{}g", &HEX[..63]);
        for bad in ["", "sha256:", &HEX[..63], &not_hex, &unpadded, &overfull] {
            assert!(matches!(bad.parse::<NarHash>(), Err(Error::Digits { .. })), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,70}") {
            let _ = text.parse::<NarHash>();
        }
    }
}
