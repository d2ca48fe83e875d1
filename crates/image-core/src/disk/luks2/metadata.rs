//! The JSON behind the binary header: keyslots, tokens, segments, digests, configuration.
//!
//! Written and read with the same types. Writing fills in all that `cryptsetup` checks, in its
//! order; reading passes over members and kinds that it does not know, and takes nothing that it
//! knows in another form. What the numbers mean is checked by who uses them.
//!
//! Follows the specification, section 3.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::decimal::{Blob, Decimal, Extent};

/// All metadata of a volume; members are known by their number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) keyslots: BTreeMap<u32, Keyslot>,
    pub(crate) tokens: BTreeMap<u32, Token>,
    pub(crate) segments: BTreeMap<u32, Segment>,
    pub(crate) digests: BTreeMap<u32, Digest>,
    pub(crate) config: Config,
}

/// Where a copy of the volume key lies, and what opens it (3.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Keyslot {
    /// The volume key under a passphrase.
    Luks2(Slot),
    /// Something else: a re-encryption under way, say.
    #[serde(other)]
    Other,
}

/// The volume key under a passphrase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Slot {
    /// The volume key's length in bytes.
    pub(crate) key_size: u32,
    pub(crate) af: Af,
    pub(crate) area: Area,
    pub(crate) kdf: KeyDerivation,
    /// 0: only when it is asked for; 1 or none: normal; 2: first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) priority: Option<u32>,
}

/// How the key is spread (3.2.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Af {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) stripes: u32,
    pub(crate) hash: String,
}

/// Where the spread key lies, encrypted with the derived key (3.2.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Area {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) offset: Decimal,
    pub(crate) size: Decimal,
    pub(crate) encryption: String,
    /// The derived key's length in bytes.
    pub(crate) key_size: u32,
}

/// How a passphrase becomes the derived key (3.2.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum KeyDerivation {
    Argon2i(Argon2),
    Argon2id(Argon2),
    Pbkdf2 {
        hash: String,
        iterations: u32,
        salt: Blob,
    },
    #[serde(other)]
    Other,
}

/// What both functions of the family are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Argon2 {
    /// Passes over the memory.
    pub(crate) time: u32,
    /// KiB.
    pub(crate) memory: u32,
    /// Lanes.
    pub(crate) cpus: u32,
    pub(crate) salt: Blob,
}

/// Who could open a keyslot without a passphrase, or what the keyslot is for (3.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Token {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) keyslots: Vec<Decimal>,
}

/// What lies where on the device (3.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Segment {
    Crypt(Crypt),
    #[serde(other)]
    Other,
}

/// An encrypted segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Crypt {
    pub(crate) offset: Decimal,
    pub(crate) size: Extent,
    /// What is added to the sector's number, in units of 512 bytes.
    pub(crate) iv_tweak: Decimal,
    pub(crate) encryption: String,
    pub(crate) sector_size: u32,
    /// What else protects the sectors; never written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) integrity: Option<serde_json::Value>,
}

/// How a key is known to be that of a segment (3.5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Digest {
    Pbkdf2(Pbkdf2),
    #[serde(other)]
    Other,
}

/// A digest by PBKDF2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pbkdf2 {
    pub(crate) keyslots: Vec<Decimal>,
    pub(crate) segments: Vec<Decimal>,
    pub(crate) hash: String,
    pub(crate) iterations: u32,
    pub(crate) salt: Blob,
    pub(crate) digest: Blob,
}

/// Sizes, and what a reader must know (3.6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Config {
    pub(crate) json_size: Decimal,
    pub(crate) keyslots_size: Decimal,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) flags: Vec<String>,
    #[serde(default, skip_serializing_if = "Requirements::is_empty")]
    pub(crate) requirements: Requirements,
}

/// What a reader must understand before it touches the volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Requirements {
    #[serde(default)]
    pub(crate) mandatory: Vec<String>,
}

impl Requirements {
    fn is_empty(&self) -> bool {
        self.mandatory.is_empty()
    }
}
