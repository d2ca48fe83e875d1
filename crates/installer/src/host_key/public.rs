//! The public half of a host key: one line of a `.pub` file.

use std::fmt;

use sha2::{Digest, Sha256};

use super::base64;
use super::wire::Wire;

/// The sorts of host key that sshd makes and takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519.
    Ed25519,
    /// RSA of any size.
    Rsa,
    /// ECDSA on NIST's curve of 256 bits.
    EcdsaP256,
    /// ECDSA on NIST's curve of 384 bits.
    EcdsaP384,
    /// ECDSA on NIST's curve of 521 bits.
    EcdsaP521,
}

impl Algorithm {
    /// All of them, for messages and tests.
    pub const ALL: [Self; 5] =
        [Self::Ed25519, Self::Rsa, Self::EcdsaP256, Self::EcdsaP384, Self::EcdsaP521];

    /// Returns the word that a `.pub` file begins with.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ed25519 => "ssh-ed25519",
            Self::Rsa => "ssh-rsa",
            Self::EcdsaP256 => "ecdsa-sha2-nistp256",
            Self::EcdsaP384 => "ecdsa-sha2-nistp384",
            Self::EcdsaP521 => "ecdsa-sha2-nistp521",
        }
    }

    /// Returns the name that sshd gives to the private key's file.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ssh_host_ed25519_key",
            Self::Rsa => "ssh_host_rsa_key",
            Self::EcdsaP256 | Self::EcdsaP384 | Self::EcdsaP521 => "ssh_host_ecdsa_key",
        }
    }

    /// Returns the name of the curve and the bytes of a point on it.
    pub(super) const fn curve(self) -> Option<(&'static str, usize)> {
        match self {
            Self::Ed25519 | Self::Rsa => None,
            Self::EcdsaP256 => Some(("nistp256", 65)),
            Self::EcdsaP384 => Some(("nistp384", 97)),
            Self::EcdsaP521 => Some(("nistp521", 133)),
        }
    }

    pub(super) fn of(word: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.word().as_bytes() == word)
    }
}

/// Why a text is no public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is the other half.
    #[error("it holds a private key: expected the public half, a file that ends in .pub")]
    Private,
    /// Another number of lines with a key than one.
    #[error("it holds {found} keys: expected 1")]
    Count {
        /// How many there are.
        found: usize,
    },
    /// A key of a sort that is none for hosts.
    #[error("it holds a key of type {found:?}: expected {}", words())]
    Algorithm {
        /// The word that names the sort.
        found: String,
    },
    /// The line names a sort of key, but holds none.
    #[error("its {algorithm} key is broken")]
    Broken {
        /// The sort that the line names.
        algorithm: &'static str,
    },
}

/// All words, for messages.
pub(super) fn words() -> String {
    Algorithm::ALL.map(Algorithm::word).join(", ")
}

/// A public key and what its owner calls it. Printed as OpenSSH does: its fingerprint.
#[derive(Clone, Debug)]
pub struct PublicKey {
    algorithm: Algorithm,
    blob: Vec<u8>,
    comment: String,
}

impl PublicKey {
    /// Reads the text of a `.pub` file: one key; empty lines and comments beside it count for nothing.
    ///
    /// # Errors
    /// What it holds instead.
    pub fn read(text: &[u8]) -> Result<Self, Error> {
        let text = String::from_utf8_lossy(text);
        if text.contains("PRIVATE KEY") {
            return Err(Error::Private);
        }
        let lines = text.lines().map(str::trim);
        let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let (Some(line), None) = (lines.next(), lines.next()) else {
            let found = text.lines().filter(|line| !line.trim().is_empty()).count();
            return Err(Error::Count { found });
        };
        let (word, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        let algorithm = Algorithm::of(word.as_bytes()).ok_or_else(|| {
            let found = word.chars().take(40).collect();
            Error::Algorithm { found }
        })?;
        let rest = rest.trim_start();
        let (data, comment) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        let key = base64::decode(data.as_bytes())
            .and_then(|blob| Self::new(&blob, comment.as_bytes()))
            .filter(|key| key.algorithm == algorithm);
        key.ok_or(Error::Broken { algorithm: algorithm.word() })
    }

    /// Takes the bytes of a key apart far enough to know that they are one.
    pub(super) fn new(blob: &[u8], comment: &[u8]) -> Option<Self> {
        let mut wire = Wire(blob);
        let algorithm = Algorithm::of(wire.string()?)?;
        let is_whole = match algorithm.curve() {
            None if algorithm == Algorithm::Ed25519 => wire.string()?.len() == 32,
            None => !wire.string()?.is_empty() && !wire.string()?.is_empty(),
            Some((curve, point)) => {
                wire.string()? == curve.as_bytes() && wire.string()?.len() == point
            }
        };
        let comment = String::from_utf8_lossy(comment);
        let comment = comment.trim().chars().filter(|letter| !letter.is_control()).collect();
        (is_whole && wire.is_over()).then(|| Self { algorithm, blob: blob.to_vec(), comment })
    }

    /// Takes the bytes of an Ed25519 key that was made here.
    pub(super) fn ed25519(blob: Vec<u8>, comment: &str) -> Self {
        Self { algorithm: Algorithm::Ed25519, blob, comment: comment.to_owned() }
    }

    /// Returns what sort of key it is.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Tells whether two keys are one, whatever they are called.
    pub fn is_same(&self, other: &Self) -> bool {
        self.blob == other.blob
    }

    /// Returns the line of its `.pub` file, without its end.
    pub fn line(&self) -> String {
        let data = base64::encode(&self.blob);
        let line = format!("{} {}", self.algorithm.word(), String::from_utf8_lossy(&data));
        if self.comment.is_empty() { line } else { format!("{line} {}", self.comment) }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = base64::encode(&Sha256::digest(&self.blob));
        let digest = String::from_utf8_lossy(&digest);
        write!(f, "SHA256:{}", digest.trim_end_matches('='))
    }
}
