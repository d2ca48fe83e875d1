//! What opens a keyslot: any bytes, as `cryptsetup --key-file` takes them.

use std::fmt;

use zeroize::Zeroizing;

use super::Error;
use crate::units::{Bytes, MIB};

/// `cryptsetup`'s default limit of key files; longer ones it reads in part.
const LONGEST: Bytes = Bytes::new(8 * MIB.get());

/// The bytes of a passphrase; wiped with their owner, never shown.
pub struct Passphrase {
    bytes: Zeroizing<Vec<u8>>,
    origin: Origin,
}

/// Where a passphrase comes from, which decides what its keyslot costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Somebody chose it: it may be weak.
    Given,
    /// A [`super::RecoveryKey`]: 256 random bits.
    Recovery,
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

impl Passphrase {
    /// Takes the bytes of a passphrase as they are: a line end at their end belongs to them.
    ///
    /// # Errors
    /// None at all, or more than `cryptsetup` reads.
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Result<Self, Error> {
        let found = Bytes::of(&bytes);
        if found.is_zero() {
            return Err(Error::EmptyPassphrase);
        }
        if found > LONGEST {
            return Err(Error::LongPassphrase { found, most: LONGEST });
        }
        Ok(Self { bytes, origin: Origin::Given })
    }

    /// Takes a recovery key's text.
    pub(super) fn recovery(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self { bytes, origin: Origin::Recovery }
    }

    pub(super) fn origin(&self) -> Origin {
        self.origin
    }

    /// The bytes, for whoever derives a key of them.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_and_silence() {
        let new = |len| Passphrase::new(Zeroizing::new(vec![b'x'; len]));
        assert_eq!(new(0).unwrap_err(), Error::EmptyPassphrase);
        assert!(matches!(new((8 << 20) + 1), Err(Error::LongPassphrase { .. })));
        assert!(new(8 << 20).is_ok());
        assert_eq!(format!("{:?}", new(3).unwrap()), "Passphrase(..)");
    }
}
