//! How a passphrase becomes a key: slowly, at a cost that the profile fixes.
//!
//! `cryptsetup` measures the machine that it runs on. An image is opened elsewhere, by a machine
//! that may have a tenth of the memory, so nothing is measured here: what the plan shows is what
//! opening will cost. Limits are those of `cryptsetup`, because a keyslot that it would not make
//! cannot be changed with it either.
//!
//! Follows RFC 9106 (Argon2) and RFC 8018 (PBKDF2), with the parameters' names of the
//! specification, section 3.2.3.

use std::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::{Zeroize, Zeroizing};

use super::Error;
use super::decimal::Blob;
use super::hash::Hash;
use super::metadata::{self, KeyDerivation};
use super::passphrase::Passphrase;
use crate::units::{Bytes, GIB, KIB, MIB};

/// `cryptsetup`'s limits, and the most that a header may ask of its reader.
const LEAST_MEMORY: Bytes = Bytes::new(32 * KIB.get());
const MOST_MEMORY: Bytes = Bytes::new(4 * GIB.get());
const LEAST_PASSES: u32 = 4;
const MOST_LANES: u32 = 4;
const LEAST_ITERATIONS: u32 = 1000;
/// `cryptsetup` reads costs as signed numbers.
const MOST_COST: u32 = i32::MAX.unsigned_abs();

/// How passphrases become keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kdf {
    /// Argon2id: expensive in memory, so that special hardware gains little.
    Argon2id {
        /// How much memory it takes: 32 KiB to 4 GiB, and whoever opens the volume must have it.
        memory: Bytes,
        /// How often it goes over the memory; at least 4.
        passes: u32,
        /// How many processors may work on it: 1 to 4.
        lanes: u32,
    },
    /// PBKDF2 with HMAC-SHA-256: hardly any memory, for tiny machines and for GRUB.
    Pbkdf2 {
        /// How many times it hashes; at least 1,000.
        iterations: u32,
    },
}

impl Default for Kdf {
    /// 256 MiB, which a small virtual machine has in its initrd.
    fn default() -> Self {
        Self::Argon2id { memory: Bytes::new(256 * MIB.get()), passes: 4, lanes: 4 }
    }
}

impl fmt::Display for Kdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argon2id { memory, passes, lanes } => {
                let s = if *lanes == 1 { "" } else { "s" };
                write!(f, "argon2id, {memory}, {passes} passes, {lanes} lane{s}")
            }
            Self::Pbkdf2 { iterations } => write!(f, "pbkdf2-sha256, {iterations} iterations"),
        }
    }
}

impl Kdf {
    /// Returns how much memory one derivation takes, here and on the machine that opens the volume.
    pub fn memory(&self) -> Bytes {
        match self {
            Self::Argon2id { memory, .. } => *memory,
            Self::Pbkdf2 { .. } => Bytes::ZERO,
        }
    }

    /// Checks the costs.
    ///
    /// # Errors
    /// Costs that `cryptsetup` would not take.
    pub fn check(&self) -> Result<(), Error> {
        match *self {
            Self::Argon2id { memory, passes, lanes } => {
                let cost = |what, found: u32, least: u32, most: u32| {
                    within("argon2id", what, found.into(), least.into(), most.into())
                };
                let kib = |bytes: Bytes| bytes.get() / KIB.get();
                let (least, most) = (kib(LEAST_MEMORY), kib(MOST_MEMORY));
                if !memory.is_multiple_of(KIB) {
                    return Err(Error::OddMemory { found: memory });
                }
                within("argon2id", "KiB of memory", kib(memory), least, most)?;
                cost("passes", passes, LEAST_PASSES, MOST_COST)?;
                cost("lanes", lanes, 1, MOST_LANES)
            }
            Self::Pbkdf2 { iterations } => {
                let (least, most) = (LEAST_ITERATIONS.into(), MOST_COST.into());
                within("PBKDF2", "iterations", iterations.into(), least, most)
            }
        }
    }

    /// What the metadata say of a keyslot with this salt.
    pub(super) fn with_salt(&self, salt: Vec<u8>) -> KeyDerivation {
        let salt = Blob(salt);
        match *self {
            Self::Argon2id { memory, passes: time, lanes: cpus } => {
                // At most 4 GiB, which is 2^22 KiB.
                let memory = u32::try_from(memory.get() / KIB.get()).unwrap_or(u32::MAX);
                KeyDerivation::Argon2id(metadata::Argon2 { time, memory, cpus, salt })
            }
            Self::Pbkdf2 { iterations } => {
                KeyDerivation::Pbkdf2 { hash: Hash::Sha256.name().to_owned(), iterations, salt }
            }
        }
    }
}

fn within(
    kdf: &'static str,
    what: &'static str,
    found: u64,
    least: u64,
    most: u64,
) -> Result<(), Error> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    Err(Error::Cost { what, kdf, least, most, found })
}

/// Why a keyslot's key cannot be derived, here or at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeriveError {
    /// It takes more memory than any header may ask for, or than there is.
    #[error("a keyslot takes {needed} of memory to open: expected at most {most}")]
    TooMuchMemory {
        /// What it takes.
        needed: Bytes,
        /// What it may take.
        most: Bytes,
    },
    /// The operating system does not give so much memory.
    #[error("a keyslot takes {needed} of memory to open, which the system does not give")]
    NoMemory {
        /// What it takes.
        needed: Bytes,
    },
    /// The function, or its parameters, are none that are known.
    #[error("a keyslot of {found}: expected argon2id, argon2i or pbkdf2 with sha256 or sha512")]
    Unknown {
        /// What it is.
        found: String,
    },
    /// The parameters contradict the function.
    #[error("a keyslot with parameters that {kdf} cannot have: {reason}")]
    Parameters {
        /// The function.
        kdf: &'static str,
        /// What it says.
        reason: String,
    },
    /// The workers could not be started.
    #[error("cannot start {lanes} workers to derive a key: {reason}")]
    Workers {
        /// How many.
        lanes: u32,
        /// Why not.
        reason: String,
    },
}

/// Derives `size` bytes from a passphrase as the metadata say.
pub(crate) fn derive(
    how: &KeyDerivation,
    passphrase: &Passphrase,
    size: usize,
) -> Result<Zeroizing<Vec<u8>>, DeriveError> {
    let mut key = Zeroizing::new(vec![0; size]);
    match how {
        KeyDerivation::Argon2id(params) => {
            argon2(Algorithm::Argon2id, params, passphrase, &mut key)?;
        }
        KeyDerivation::Argon2i(params) => {
            argon2(Algorithm::Argon2i, params, passphrase, &mut key)?;
        }
        KeyDerivation::Pbkdf2 { hash, iterations, salt } => {
            let hash = Hash::named(hash)
                .ok_or_else(|| DeriveError::Unknown { found: format!("pbkdf2 with {hash}") })?;
            hash.pbkdf2(passphrase.bytes(), &salt.0, *iterations, &mut key);
        }
        KeyDerivation::Other => {
            return Err(DeriveError::Unknown { found: "another function".to_owned() });
        }
    }
    Ok(key)
}

fn argon2(
    algorithm: Algorithm,
    params: &metadata::Argon2,
    passphrase: &Passphrase,
    key: &mut [u8],
) -> Result<(), DeriveError> {
    let kdf = algorithm.as_str();
    let wrong = |error: argon2::Error| DeriveError::Parameters { kdf, reason: error.to_string() };
    let metadata::Argon2 { time, memory, cpus: lanes, salt } = params;
    let needed = KIB * u64::from(*memory);
    if needed > MOST_MEMORY {
        return Err(DeriveError::TooMuchMemory { needed, most: MOST_MEMORY });
    }
    if *lanes > MOST_LANES {
        let reason = format!("{lanes} lanes, expected at most {MOST_LANES}");
        return Err(DeriveError::Parameters { kdf, reason });
    }
    let params = Params::new(*memory, *time, *lanes, Some(key.len())).map_err(wrong)?;
    let mut room = Room::new(params.block_count(), needed)?;
    let argon2 = Argon2::new(algorithm, Version::V0x13, params);
    // One thread a lane, as cryptsetup has it, and never the global pool.
    let workers = rayon::ThreadPoolBuilder::new()
        .num_threads(usize::try_from(*lanes).unwrap_or(1))
        .build()
        .map_err(|error| DeriveError::Workers { lanes: *lanes, reason: error.to_string() })?;
    workers
        .install(|| {
            argon2.hash_password_into_with_memory(passphrase.bytes(), &salt.0, key, &mut room.0)
        })
        .map_err(wrong)
}

/// The memory of one derivation, wiped when it is over: whoever reads it needs no passphrase.
struct Room(Vec<Block>);

impl Room {
    fn new(blocks: usize, needed: Bytes) -> Result<Self, DeriveError> {
        let mut room = Vec::new();
        room.try_reserve_exact(blocks).map_err(|_| DeriveError::NoMemory { needed })?;
        room.resize(blocks, Block::default());
        Ok(Self(room))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(Zeroize::zeroize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(bytes: &[u8]) -> Passphrase {
        Passphrase::new(Zeroizing::new(bytes.to_vec())).unwrap()
    }

    #[test]
    fn limits_are_cryptsetups() {
        let argon = |memory, passes, lanes| Kdf::Argon2id { memory, passes, lanes }.check();
        assert_eq!(Kdf::default().check(), Ok(()));
        assert_eq!(argon(KIB * 32, 4, 1), Ok(()));
        assert_eq!(argon(GIB * 4, MOST_COST, 4), Ok(()));
        for (memory, passes, lanes) in [
            (KIB * 31, 4, 1),
            (GIB * 4 + KIB, 4, 1),
            (GIB, 3, 1),
            (GIB, MOST_COST + 1, 1),
            (GIB, 4, 0),
            (GIB, 4, 5),
        ] {
            assert!(matches!(argon(memory, passes, lanes), Err(Error::Cost { .. })));
        }
        assert!(matches!(argon(KIB * 32 + Bytes::new(1), 4, 1), Err(Error::OddMemory { .. })));
        let error = argon(GIB, 4, 5).unwrap_err();
        assert_eq!(error.to_string(), "lanes of argon2id: expected 1 to 4, found 5");
        let pbkdf2 = |iterations| Kdf::Pbkdf2 { iterations }.check();
        assert_eq!((pbkdf2(1000), pbkdf2(MOST_COST)), (Ok(()), Ok(())));
        assert!(pbkdf2(999).is_err() && pbkdf2(u32::MAX).is_err());
    }

    #[test]
    fn costs_are_shown() {
        assert_eq!(Kdf::default().to_string(), "argon2id, 256 MiB, 4 passes, 4 lanes");
        assert_eq!(Kdf::default().memory(), MIB * 256);
        let cheap = Kdf::Pbkdf2 { iterations: 1000 };
        assert_eq!(cheap.to_string(), "pbkdf2-sha256, 1000 iterations");
    }

    /// PBKDF2-HMAC of "password" and "salt", as many implementations publish them. What argon2 makes is
    /// held against cryptsetup in tests/luks.
    #[test]
    fn the_same_as_other_implementations() {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        for (hash, iterations, expected) in [
            ("sha256", 1, "120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b"),
            ("sha256", 4096, "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a"),
            ("sha512", 1, "867f70cf1ade02cff3752599a3a53dc4af34c7a669815ae5d513554e1c8cf252"),
        ] {
            let salt = Blob(b"salt".to_vec());
            let how = KeyDerivation::Pbkdf2 { hash: hash.to_owned(), iterations, salt };
            assert_eq!(hex(&derive(&how, &passphrase(b"password"), 32).unwrap()), expected);
        }
    }

    #[test]
    fn a_hostile_header_is_not_obeyed() {
        let argon = |memory, cpus| {
            let salt = Blob(vec![0; 32]);
            let params = metadata::Argon2 { time: 4, memory, cpus, salt };
            derive(&KeyDerivation::Argon2id(params), &passphrase(b"x"), 64).unwrap_err()
        };
        assert!(matches!(argon(u32::MAX, 4), DeriveError::TooMuchMemory { .. }));
        assert!(matches!(argon(32, u32::MAX), DeriveError::Parameters { .. }));
        assert!(matches!(argon(0, 1), DeriveError::Parameters { .. }));
        assert!(matches!(argon(32, 0), DeriveError::Parameters { .. }));
        let short = metadata::Argon2 { time: 4, memory: 32, cpus: 1, salt: Blob(vec![0; 3]) };
        let error = derive(&KeyDerivation::Argon2i(short), &passphrase(b"x"), 64).unwrap_err();
        assert!(matches!(error, DeriveError::Parameters { .. }), "{error}");
        let salt = Blob(vec![0; 32]);
        let how = KeyDerivation::Pbkdf2 { hash: "sha1".to_owned(), iterations: 1000, salt };
        let error = derive(&how, &passphrase(b"x"), 64).unwrap_err();
        assert!(matches!(error, DeriveError::Unknown { .. }), "{error}");
    }
}
