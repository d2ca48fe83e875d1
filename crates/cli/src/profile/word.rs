//! Words in a profile that the library reads: partition types and mount points.

use std::fmt;

use calve_image_core::disk::PartitionKind;
use calve_image_core::tree::TreePath;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a partition is for: a word of the Discoverable Partitions Specification (`esp`, `xbootldr`,
/// `root`, `usr`, `home`, `srv`, `var`, `tmp`, `swap`, `linux`) or a type GUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub(crate) struct Kind(pub(crate) PartitionKind);

impl TryFrom<String> for Kind {
    type Error = <PartitionKind as std::str::FromStr>::Err;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

impl From<Kind> for String {
    fn from(Kind(kind): Kind) -> Self {
        kind.to_string()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a file system is mounted: an absolute path.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub(crate) struct Mount(pub(crate) TreePath);

impl TryFrom<String> for Mount {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if !text.starts_with('/') {
            return Err(format!("expected an absolute path, found {text:?}"));
        }
        TreePath::parse(&text).map(Self).map_err(|error| error.to_string())
    }
}

impl From<Mount> for String {
    fn from(mount: Mount) -> Self {
        mount.to_string()
    }
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
