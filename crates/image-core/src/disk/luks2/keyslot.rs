//! The volume key under a passphrase: split, then encrypted with the derived key.
//!
//! An area is encrypted in sectors of 512 bytes that are counted from its own start, whatever the
//! payload's sectors are. Follows the specification, section 4.1, and `luks2` keyslots of 3.2.

use zeroize::Zeroizing;

use super::hash::Hash;
use super::kdf::{self, DeriveError};
use super::metadata::{Af, Area, KeyDerivation, Slot};
use super::passphrase::Passphrase;
use super::{Error, KEYSLOT, split};
use crate::units::{Bytes, SectorSize};
use crate::xts::{KEY_SIZE, Tweaks, Xts};

/// The cipher of areas and of the payload.
pub(crate) const CIPHER: &str = "aes-xts-plain64";
/// What the specification calls the only way to split.
pub(crate) const SPLITTER: &str = "luks1";
/// What areas are.
pub(crate) const AREA: &str = "raw";
/// LUKS1's number, and the only one that `cryptsetup` writes.
pub(crate) const STRIPES: u32 = 4000;
/// The unit in which areas are encrypted.
const SECTOR: SectorSize = SectorSize::B512;

/// Describes a keyslot whose area starts at `offset`.
pub(super) fn describe(offset: Bytes, kdf: KeyDerivation) -> Slot {
    use super::decimal::Decimal;
    let key_size = u32::try_from(KEY_SIZE).unwrap_or(u32::MAX);
    Slot {
        key_size,
        af: Af {
            kind: SPLITTER.to_owned(),
            stripes: STRIPES,
            hash: Hash::Sha256.name().to_owned(),
        },
        area: Area {
            kind: AREA.to_owned(),
            offset: Decimal(offset.get()),
            size: Decimal(KEYSLOT.get()),
            encryption: CIPHER.to_owned(),
            key_size,
        },
        kdf,
        priority: None,
    }
}

/// Makes the area of a keyslot; what the split key leaves of it is zeros.
pub(super) fn lock(
    key: &[u8],
    kdf: &KeyDerivation,
    passphrase: &Passphrase,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let stripes = usize::try_from(STRIPES).unwrap_or_default();
    let mut material = split::split(key, stripes, Hash::Sha256)?;
    let cipher = cipher(kdf, passphrase)?;
    cipher.seal(SECTOR, Bytes::ZERO, &mut material, &mut Tweaks::default());
    let mut area = Zeroizing::new(vec![0; KEYSLOT.to_len().unwrap_or_default()]);
    area.iter_mut().zip(material.iter()).for_each(|(to, from)| *to = *from);
    Ok(area)
}

/// Undoes [`lock`]: whatever comes out, the digest tells whether it is the key. The material is a
/// whole number of sectors, and at least one key long.
pub(crate) fn unlock(
    mut material: Zeroizing<Vec<u8>>,
    hash: Hash,
    kdf: &KeyDerivation,
    passphrase: &Passphrase,
) -> Result<Zeroizing<Vec<u8>>, DeriveError> {
    let cipher = cipher(kdf, passphrase)?;
    cipher.unseal(SECTOR, Bytes::ZERO, &mut material, &mut Tweaks::default());
    Ok(split::merge(&material, KEY_SIZE, hash))
}

fn cipher(kdf: &KeyDerivation, passphrase: &Passphrase) -> Result<Xts, DeriveError> {
    let derived = kdf::derive(kdf, passphrase, KEY_SIZE)?;
    let length =
        || DeriveError::Parameters { kdf: CIPHER, reason: "a key of another length".into() };
    Xts::new(&derived).ok_or_else(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::luks2::Kdf;

    #[test]
    fn unlocking_undoes_locking_and_nothing_else_does() {
        let passphrase = |text: &str| Passphrase::new(Zeroizing::new(text.into())).unwrap();
        let kdf = Kdf::Pbkdf2 { iterations: 1000 }.with_salt(vec![1; 32]);
        let key = [0x5A; KEY_SIZE];
        let area = lock(&key, &kdf, &passphrase("right")).unwrap();
        assert_eq!(Bytes::of(&area), KEYSLOT);
        let used = usize::try_from(STRIPES).unwrap() * KEY_SIZE;
        assert!(area[used..].iter().all(|byte| *byte == 0));
        let material = || Zeroizing::new(area[..used].to_vec());
        let unlocked = |word| unlock(material(), Hash::Sha256, &kdf, &passphrase(word)).unwrap();
        assert_eq!(*unlocked("right"), key);
        assert_ne!(*unlocked("wrong"), key);
    }
}
