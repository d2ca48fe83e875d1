//! The metadata's own ways of writing things: 64-bit numbers as decimal texts, bytes as base64.
//!
//! JSON has neither: its numbers lose digits in many readers. Follows the specification, section
//! 3 ("LUKS2 JSON metadata area": number in a string, base64).

use serde::de::{Deserialize, Deserializer, Error, Unexpected};
use serde::ser::{Serialize, Serializer};

use crate::base64;

/// A number that is written as a text of digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Decimal(pub(crate) u64);

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        number(&text)
            .map(Self)
            .ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&text), &"a text of digits"))
    }
}

/// Where a segment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// With its device.
    Dynamic,
    /// After so many bytes.
    Fixed(u64),
}

impl Serialize for Extent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Dynamic => serializer.serialize_str("dynamic"),
            Self::Fixed(bytes) => serializer.collect_str(bytes),
        }
    }
}

impl<'de> Deserialize<'de> for Extent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "dynamic" {
            return Ok(Self::Dynamic);
        }
        let wrong = || D::Error::invalid_value(Unexpected::Str(&text), &"dynamic or digits");
        number(&text).map(Self::Fixed).ok_or_else(wrong)
    }
}

/// Bytes that are written in base64: salts and digests, nothing secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blob(pub(crate) Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = base64::encode(&self.0);
        serializer.serialize_str(&String::from_utf8_lossy(&text))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        base64::decode(text.as_bytes())
            .map(|bytes| Self(bytes.to_vec()))
            .ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&text), &"base64"))
    }
}

/// Digits and nothing else: `parse` alone would take a sign.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_texts_of_digits() {
        for (json, expected) in [
            (r#""0""#, Some(0)),
            (r#""18446744073709551615""#, Some(u64::MAX)),
            (r#""18446744073709551616""#, None),
            (r#""+1""#, None),
            (r#""""#, None),
            ("1", None),
        ] {
            let found: Option<Decimal> = serde_json::from_str(json).ok();
            assert_eq!(found, expected.map(Decimal), "{json}");
        }
        assert_eq!(serde_json::to_string(&Decimal(u64::MAX)).unwrap(), r#""18446744073709551615""#);
        assert_eq!(serde_json::from_str::<Extent>(r#""dynamic""#).unwrap(), Extent::Dynamic);
        assert_eq!(serde_json::from_str::<Extent>(r#""512""#).unwrap(), Extent::Fixed(512));
        assert!(serde_json::from_str::<Extent>(r#""rest""#).is_err());
        assert_eq!(serde_json::from_str::<Blob>(r#""Zm9v""#).unwrap(), Blob(b"foo".to_vec()));
        assert!(serde_json::from_str::<Blob>(r#""Zm9""#).is_err());
    }
}
