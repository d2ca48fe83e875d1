//! An encrypted volume in a profile, and swap areas: contents that hold no files of their own.

use calve_image_core::disk::luks2;
use calve_image_core::units::{Bytes, MIB};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::size::{Cost, Text};
use super::{Content, SectorSize};

/// A LUKS2 volume: aes-xts-plain64 with a key of 512 bits.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Luks {
    /// What it is opened as, below `/dev/mapper`. Left out, it is what the system opens it as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// The label of its header. Left out, it is the one that the system looks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<String>,
    /// How many bytes are encrypted as one: 512, which every disk can hold, or 4096.
    #[serde(default)]
    pub(crate) sector_size: SectorSize,
    /// How a passphrase becomes a key, and what each guess at it costs.
    #[serde(default)]
    pub(crate) kdf: Kdf,
    /// What space looks like that nothing uses.
    #[serde(default)]
    pub(crate) fill: Space,
    /// What is in it: a file system or swap.
    pub(crate) content: Box<Content>,
}

/// How a passphrase becomes a key: exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub(crate) enum Kdf {
    /// Argon2id: each guess takes memory, too.
    Argon2id(Argon2id),
    /// PBKDF2 with SHA-256: for firmware and machines without memory.
    Pbkdf2(Pbkdf2),
}

/// What a guess costs with Argon2id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Argon2id {
    /// Memory, which stage 1 of the system must have, too.
    #[schemars(with = "Text")]
    pub(crate) memory: Cost,
    /// How often the memory is passed over.
    pub(crate) passes: u32,
    /// How many parts of it are worked on at once.
    pub(crate) lanes: u32,
}

/// What a guess costs with PBKDF2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Pbkdf2 {
    /// How often the hash is applied.
    pub(crate) iterations: u32,
}

/// What space looks like that nothing uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Space {
    /// It is not written: fast and small, and whoever has the disk sees how much is used.
    #[default]
    Holes,
    /// It is written as encrypted zeros, which nobody can tell from data.
    Noise,
}

/// A swap area.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Swap {
    /// The label. Left out, it is the one that the system looks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<String>,
}

/// Room for swap that the system encrypts with a new key at each start; nothing can be said of it.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RandomSwap {}

impl Default for Argon2id {
    fn default() -> Self {
        match luks2::Kdf::default() {
            luks2::Kdf::Argon2id { memory, passes, lanes } => {
                Self { memory: Cost(memory), passes, lanes }
            }
            luks2::Kdf::Pbkdf2 { .. } => {
                Self { memory: Cost(Bytes::new(256 * MIB.get())), passes: 4, lanes: 4 }
            }
        }
    }
}

impl Default for Kdf {
    fn default() -> Self {
        Self::Argon2id(Argon2id::default())
    }
}

impl Kdf {
    /// In the library's words.
    pub(crate) fn costs(self) -> luks2::Kdf {
        match self {
            Self::Argon2id(Argon2id { memory: Cost(memory), passes, lanes }) => {
                luks2::Kdf::Argon2id { memory, passes, lanes }
            }
            Self::Pbkdf2(Pbkdf2 { iterations }) => luks2::Kdf::Pbkdf2 { iterations },
        }
    }
}
