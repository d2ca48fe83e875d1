//! Sizes in a profile: a word or a number of bytes such as `512M`.
//!
//! They are texts in TOML and JSON alike, read by [`Bytes::parse`], so that a profile and `--size`
//! take the same ones.

use std::fmt;
use std::str::FromStr;

use calve_image_core::units::{Bytes, GIB, KIB, MIB, ParseBytesError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The size of a disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "Text")]
pub(crate) enum DiskSize {
    /// As small as the partitions allow.
    #[default]
    Auto,
    /// So many bytes.
    Fixed(Bytes),
}

/// The size of a partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "Text")]
pub(crate) enum PartitionSize {
    /// As large as the contents need.
    #[default]
    Auto,
    /// What the others leave.
    Rest,
    /// So many bytes.
    Fixed(Bytes),
}

/// Free space beyond the contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Reserve(pub(crate) Bytes);

/// Memory that a key derivation takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Cost(pub(crate) Bytes);

/// What a size looks like, for the schema.
#[derive(Debug, JsonSchema)]
#[schemars(transparent)]
pub(crate) struct Text(
    #[schemars(regex(pattern = r"^(auto|rest|[0-9]+(\.[0-9]+)? ?([KMGT](i?B)?)?)$"))]
    #[allow(dead_code, reason = "the field is there for its schema")]
    String,
);

impl FromStr for DiskSize {
    type Err = ParseBytesError;

    fn from_str(text: &str) -> Result<Self, ParseBytesError> {
        match text {
            "auto" => Ok(Self::Auto),
            _ => Bytes::parse(text).map(Self::Fixed),
        }
    }
}

impl FromStr for PartitionSize {
    type Err = ParseBytesError;

    fn from_str(text: &str) -> Result<Self, ParseBytesError> {
        match text {
            "auto" => Ok(Self::Auto),
            "rest" => Ok(Self::Rest),
            _ => Bytes::parse(text).map(Self::Fixed),
        }
    }
}

impl TryFrom<String> for DiskSize {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|_| format!("expected auto or a size such as 8G, found {text:?}"))
    }
}

impl TryFrom<String> for PartitionSize {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
            .map_err(|_| format!("expected auto, rest or a size such as 512M, found {text:?}"))
    }
}

impl TryFrom<String> for Reserve {
    type Error = ParseBytesError;

    fn try_from(text: String) -> Result<Self, ParseBytesError> {
        Bytes::parse(&text).map(Self)
    }
}

impl TryFrom<String> for Cost {
    type Error = ParseBytesError;

    fn try_from(text: String) -> Result<Self, ParseBytesError> {
        Bytes::parse(&text).map(Self)
    }
}

impl fmt::Display for DiskSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Fixed(bytes) => bytes.fmt(f),
        }
    }
}

impl fmt::Display for PartitionSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Rest => f.write_str("rest"),
            Self::Fixed(bytes) => bytes.fmt(f),
        }
    }
}

/// Writes a size so that it is read back exactly: `512M`, `1G`, `1000000`.
fn written(bytes: Bytes) -> String {
    let units = [(GIB, "G"), (MIB, "M"), (KIB, "K")];
    let whole = units.into_iter().find(|(unit, _)| !bytes.is_zero() && bytes.is_multiple_of(*unit));
    match whole {
        Some((unit, letter)) => format!("{}{letter}", bytes.div_ceil(unit)),
        None => bytes.get().to_string(),
    }
}

impl From<DiskSize> for String {
    fn from(size: DiskSize) -> Self {
        match size {
            DiskSize::Auto => "auto".to_owned(),
            DiskSize::Fixed(bytes) => written(bytes),
        }
    }
}

impl From<PartitionSize> for String {
    fn from(size: PartitionSize) -> Self {
        match size {
            PartitionSize::Auto => "auto".to_owned(),
            PartitionSize::Rest => "rest".to_owned(),
            PartitionSize::Fixed(bytes) => written(bytes),
        }
    }
}

impl From<Reserve> for String {
    fn from(Reserve(bytes): Reserve) -> Self {
        written(bytes)
    }
}

impl From<Cost> for String {
    fn from(Cost(bytes): Cost) -> Self {
        written(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_they_are_read() {
        for (bytes, text) in [(0, "0"), (1 << 30, "1G"), (3 << 29, "1536M"), (1025, "1025")] {
            assert_eq!(written(Bytes::new(bytes)), text);
            assert_eq!(Bytes::parse(text), Ok(Bytes::new(bytes)));
        }
    }
}
