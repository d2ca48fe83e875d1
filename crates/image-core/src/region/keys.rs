//! Key material and secrets, handed to the loop and to nothing else.
//!
//! A plan names keys and secrets and knows their lengths; the bytes are here. They are wiped when
//! their owner goes, they never show in a `Debug` text, and they cannot be made from
//! [`crate::ids::Ids`]: identity is derived and public, keys come from the operating system or from
//! the user, so there is no conversion and must never be one.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

use super::Error;
use crate::plan::{Cipher, Content, KeyId, Plan, SecretId};
use crate::units::Bytes;
use crate::xts::Xts;

/// The bytes behind the keys and secrets that a plan names.
#[derive(Default)]
pub struct Keys {
    keys: BTreeMap<KeyId, Zeroizing<Vec<u8>>>,
    secrets: BTreeMap<SecretId, Zeroizing<Vec<u8>>>,
}

impl fmt::Debug for Keys {
    /// Prints neither bytes nor names nor how many there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

impl Keys {
    /// Holds nothing: enough for a plan without secrets.
    pub fn none() -> Self {
        Self::default()
    }

    /// Tells whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.secrets.is_empty()
    }

    /// Gives the key of a sealed plan; a later one of the same name replaces it.
    pub fn insert_key(&mut self, id: KeyId, key: Zeroizing<Vec<u8>>) {
        self.keys.insert(id, key);
    }

    /// Gives the bytes of a secret; later ones of the same name replace them.
    pub fn insert_secret(&mut self, id: SecretId, bytes: Zeroizing<Vec<u8>>) {
        self.secrets.insert(id, bytes);
    }
}

/// Keys held against a plan: every name is there, every length right, every cipher ready.
pub(super) struct Unlocked<'k> {
    secrets: &'k BTreeMap<SecretId, Zeroizing<Vec<u8>>>,
    ciphers: BTreeMap<KeyId, Xts>,
}

impl<'k> Unlocked<'k> {
    /// Checks all keys and secrets that a plan needs, before anything is written.
    pub(super) fn new(plan: &Plan, keys: &'k Keys) -> Result<Self, Error> {
        let mut needed = BTreeMap::new();
        let mut unlocked = Self { secrets: &keys.secrets, ciphers: BTreeMap::new() };
        unlocked.check(plan, keys, &mut needed)?;
        for (id, expected) in needed {
            let secret = keys.secrets.get(id);
            let secret = secret.ok_or_else(|| Error::MissingSecret { id: id.0.to_string() })?;
            if Bytes::of(secret) != expected {
                return Err(Error::SecretLength {
                    id: id.0.to_string(),
                    expected: expected.get(),
                    found: secret.len(),
                });
            }
        }
        Ok(unlocked)
    }

    fn check<'p>(
        &mut self,
        plan: &'p Plan,
        keys: &Keys,
        needed: &mut BTreeMap<&'p SecretId, Bytes>,
    ) -> Result<(), Error> {
        for piece in plan.pieces() {
            match &piece.content {
                Content::Bytes(_) | Content::Zeros | Content::Host { .. } => {}
                Content::Secret { id, start } => {
                    let length = needed.entry(id).or_default();
                    *length = (*length).max(*start + piece.len);
                }
                Content::Sealed { sealed, .. } => {
                    let Cipher::AesXtsPlain64 { .. } = sealed.cipher;
                    if !self.ciphers.contains_key(&sealed.key) {
                        let id = || sealed.key.0.to_string();
                        let key = keys.keys.get(&sealed.key);
                        let key = key.ok_or_else(|| Error::MissingKey { id: id() })?;
                        let cipher = Xts::new(key)
                            .ok_or_else(|| Error::KeyLength { id: id(), found: key.len() })?;
                        self.ciphers.insert(sealed.key.clone(), cipher);
                    }
                    self.check(&sealed.inner, keys, needed)?;
                }
            }
        }
        Ok(())
    }

    /// Returns the bytes of a secret, which [`Unlocked::new`] proved to be there.
    pub(super) fn secret(&self, id: &SecretId) -> Result<&[u8], Error> {
        let secret = self.secrets.get(id).map(|secret| secret.as_slice());
        secret.ok_or_else(|| Error::MissingSecret { id: id.0.to_string() })
    }

    /// Returns the cipher of a key, which [`Unlocked::new`] proved to be there.
    pub(super) fn cipher(&self, id: &KeyId) -> Result<&Xts, Error> {
        self.ciphers.get(id).ok_or_else(|| Error::MissingKey { id: id.0.to_string() })
    }
}
