//! What is told of an encrypted volume: how, and how dear each guess at its passphrase is.
//!
//! Nothing here depends on a key, so that a dry run tells the same.

use serde::{Serialize, Serializer};

use super::FileSystemReport;
use crate::disk::LuksVolume;
use crate::disk::luks2::Kdf;

/// A LUKS2 volume and what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LuksReport {
    /// What it is opened as, below `/dev/mapper`; `--luks-key` knows it by this name.
    pub name: String,
    /// The label of its header; none: it has none.
    pub label: Option<String>,
    /// The UUID of its header.
    pub uuid: String,
    /// The cipher, in the words of dm-crypt.
    pub cipher: &'static str,
    /// Bits of the volume's key.
    pub key_bits: u32,
    /// Bytes that are encrypted as one.
    pub sector_size: u64,
    /// How a passphrase becomes a key.
    #[serde(serialize_with = "costs")]
    pub kdf: Kdf,
    /// How many passphrases open it.
    pub keyslots: usize,
    /// Whether space that nothing uses is encrypted, too.
    pub noise: bool,
    /// Size of what it holds, in bytes.
    pub size: u64,
    /// The file system or swap area in it.
    pub file_system: Option<FileSystemReport>,
}

/// A key derivation and its costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum KdfReport {
    /// Argon2id.
    Argon2id {
        /// Bytes of memory.
        memory: u64,
        /// How often the memory is passed over.
        passes: u32,
        /// How many parts of it at once.
        lanes: u32,
    },
    /// PBKDF2 with HMAC-SHA256.
    Pbkdf2 {
        /// How often the hash is applied.
        iterations: u32,
    },
}

impl LuksReport {
    /// Reports on a volume that is decided.
    pub fn of(volume: &LuksVolume) -> Self {
        let luks = &volume.luks;
        Self {
            name: volume.key.0.to_string(),
            label: luks.label.clone(),
            uuid: luks.uuid.to_string(),
            cipher: "aes-xts-plain64",
            key_bits: 512,
            sector_size: luks.sector.bytes().get(),
            kdf: luks.kdf,
            keyslots: luks.keyslots,
            noise: luks.noise,
            size: volume.payload.get(),
            file_system: FileSystemReport::of(&volume.content),
        }
    }
}

fn costs<S: Serializer>(kdf: &Kdf, serializer: S) -> Result<S::Ok, S::Error> {
    let report = match *kdf {
        Kdf::Argon2id { memory, passes, lanes } => {
            KdfReport::Argon2id { memory: memory.get(), passes, lanes }
        }
        Kdf::Pbkdf2 { iterations } => KdfReport::Pbkdf2 { iterations },
    };
    report.serialize(serializer)
}
