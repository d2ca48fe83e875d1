//! The SSH host key of a machine, as somebody hands it over: found, read, held against what is
//! expected, and stored.
//!
//! - [`block`]: an OpenSSH private key in whatever surrounds it
//! - [`public`]: the public half, by which a key is known
//! - [`private`]: the private half, and the proof that it belongs to its public one
//! - [`store`]: the key's place on the machine
//!
//! An image is public, a host key is not: the image names the public half, and the private one comes to
//! the machine at its first boot, by hand. So this is lenient about what surrounds a key and strict about the
//! key. Private bytes are wiped when their owner goes; no error, no `Debug` text holds any.
//!
//! Follows OpenSSH's `PROTOCOL.key` and RFC 4253, 5656, 8709. Not the `ssh-key` crate, whose current
//! release brings second copies of half of our cryptography; not passphrases, certificates, or keys
//! in hardware: sshd cannot use them as a host key without help.

pub mod block;
pub mod private;
pub mod public;
pub mod store;
#[cfg(test)]
mod tests;
mod wire;

use calve_image_core::base64;
pub use private::PrivateKey;
pub use public::{Algorithm, PublicKey};
pub use store::Store;

/// Most bytes that a text with a key in it may have; an RSA key of 16384 bits has 13 KiB.
pub const LARGEST: usize = 64 << 10;

/// Why a text is not the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no key in it.
    #[error("there is no OpenSSH private key in it: expected a line {}", block::BEGIN)]
    Nothing,
    /// There is something else.
    #[error("it is {found}: expected an OpenSSH private key, {}", block::BEGIN)]
    Other {
        /// What it is.
        found: &'static str,
    },
    /// There is a block of another form.
    #[error("it is a block of type {label:?}: expected an OpenSSH private key, {}", block::BEGIN)]
    Pem {
        /// What it calls itself.
        label: String,
    },
    /// There is one, but nobody could use it.
    #[error(transparent)]
    Unusable(#[from] private::Error),
    /// It is the key, but in a file that sshd could not read.
    #[error("it is the key, but amid other text: expected nothing else in its file")]
    Surrounded,
    /// There are keys, but none is the expected one.
    #[error("it is another key: expected {expected}, found {found}")]
    Wrong {
        /// The fingerprint of the expected key.
        expected: String,
        /// The fingerprints of those found.
        found: String,
    },
}

/// Finds a private key in a text: the expected one, or without an expectation the first.
///
/// # Errors
/// Why it is not there; of several keys that do not fit, all are named.
pub fn find(text: &[u8], expected: Option<&PublicKey>) -> Result<PrivateKey, Error> {
    let mut others = Vec::new();
    let mut unusable = None;
    for block in block::blocks(text) {
        match block.and_then(|block| PrivateKey::read(&block)) {
            Ok(key) if expected.is_none_or(|expected| expected.is_same(key.public())) => {
                return Ok(key);
            }
            Ok(key) => others.push(key.public().to_string()),
            Err(error) => unusable = unusable.or(Some(error)),
        }
    }
    match (expected, unusable) {
        (Some(expected), _) if !others.is_empty() => {
            Err(Error::Wrong { expected: expected.to_string(), found: others.join(" and ") })
        }
        (_, Some(error)) => Err(error.into()),
        (_, None) => Err(block::other(text)),
    }
}
