//! The hash functions that volumes name: SHA-256, which is what we write, and SHA-512.
//!
//! `cryptsetup` knows more; volumes that use them are said to be unsupported. SHA-1, which LUKS1
//! had, is left out on purpose.

use sha2::{Digest, Sha256, Sha512};
use zeroize::Zeroize;

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha512,
}

impl Hash {
    /// Finds a function by the name that metadata have for it.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "sha256" => Some(Self::Sha256),
            "sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// How long its digests are.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// Hashes parts that follow each other into the first bytes of `out`, which is no longer than
    /// a digest.
    pub(crate) fn digest(self, parts: &[&[u8]], out: &mut [u8]) {
        match self {
            Self::Sha256 => digest::<Sha256>(parts, out),
            Self::Sha512 => digest::<Sha512>(parts, out),
        }
    }

    /// PBKDF2 with this function in HMAC (RFC 8018, 5.2).
    pub(crate) fn pbkdf2(self, password: &[u8], salt: &[u8], iterations: u32, out: &mut [u8]) {
        match self {
            Self::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, out),
            Self::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, iterations, out),
        }
    }
}

fn digest<D: Digest>(parts: &[&[u8]], out: &mut [u8]) {
    let mut hasher = D::new();
    parts.iter().for_each(|part| hasher.update(part));
    let mut digest = hasher.finalize();
    let len = out.len().min(digest.len());
    out[..len].copy_from_slice(&digest[..len]);
    digest.as_mut_slice().zeroize();
}
