//! A passphrase tried on the keyslots, and the payload in the clear.

use zeroize::Zeroizing;

use super::{Error, Header, Payload, digest, keyslot, unsupported};
use crate::disk::luks2::Passphrase;
use crate::disk::luks2::hash::Hash;
use crate::disk::luks2::metadata::{Digest, Pbkdf2, Slot};
use crate::inspect::{self, Medium};
use crate::units::{Bytes, KIB};
use crate::xts::{KEY_SIZE, Tweaks, Xts};

/// How much ciphertext is held at once.
const BATCH: Bytes = Bytes::new(256 * KIB.get());
/// How long a keyslot's split key is; whole sectors.
const MATERIAL: usize = 4000 * KEY_SIZE;

/// A volume's payload, in the clear.
pub struct Opened<'m> {
    medium: &'m dyn Medium,
    cipher: Xts,
    payload: Payload,
    start: Bytes,
    keyslot: u32,
}

impl std::fmt::Debug for Opened<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened")
            .field("payload", &self.payload)
            .field("keyslot", &self.keyslot)
            .finish_non_exhaustive()
    }
}

impl Header {
    /// Opens the volume: tries a passphrase on all keyslots, preferred ones first.
    ///
    /// # Errors
    /// [`Error::WrongPassphrase`] where every keyslot was tried, [`Error::Keyslot`] where one could not be;
    /// what is not supported here.
    pub fn open<'m>(
        &self,
        medium: &'m dyn Medium,
        passphrase: &Passphrase,
    ) -> Result<Opened<'m>, Error> {
        let payload = self.payload()?;
        let mut slots: Vec<(u32, &Slot)> = self.slots().collect();
        // 2 is "prefer", 1 "normal", 0 "ignore": asked for by somebody who has only this one.
        slots.sort_by_key(|(_, slot)| std::cmp::Reverse(slot.priority.unwrap_or(1)));
        if slots.is_empty() {
            return Err(Error::NoKeyslots);
        }
        let mut untried = None;
        for (number, slot) in &slots {
            match self.try_slot(medium, *number, slot, passphrase) {
                Ok(Some(cipher)) => {
                    let (start, keyslot) = (self.start + payload.offset, *number);
                    return Ok(Opened { medium, cipher, payload, start, keyslot });
                }
                Ok(None) => {}
                Err(Error::Medium(error)) => return Err(error.into()),
                Err(source) => {
                    let source = Box::new(source);
                    untried.get_or_insert(Error::Keyslot { number: *number, source });
                }
            }
        }
        Err(untried.unwrap_or(Error::WrongPassphrase { tried: slots.len() }))
    }

    /// Tries one keyslot; none where the passphrase is not its.
    fn try_slot(
        &self,
        medium: &dyn Medium,
        number: u32,
        slot: &Slot,
        passphrase: &Passphrase,
    ) -> Result<Option<Xts>, Error> {
        let hash = supported(slot)?;
        let at = self.area(slot)?;
        let digest = self.digest(number)?;
        let mut material = Zeroizing::new(vec![0; MATERIAL]);
        medium.read(self.start + at, &mut material)?;
        let key = keyslot::unlock(material, hash, &slot.kdf, passphrase)?;
        let is_key = digest::is_of(digest, &key)
            .ok_or_else(|| unsupported("a digest by", "sha256 or sha512", digest.hash.clone()))?;
        Ok(if is_key { Xts::new(&key) } else { None })
    }

    /// Where a keyslot's area lies: behind both copies of the header, before the end.
    fn area(&self, slot: &Slot) -> Result<Bytes, Error> {
        let (offset, size) = (Bytes::new(slot.area.offset.0), Bytes::new(slot.area.size.0));
        let headers = Bytes::new(self.copy.header.hdr_size) * 2;
        if offset < headers || size < Bytes::from_len(MATERIAL) || offset + size > self.size {
            return Err(Error::Contradiction {
                expected: format!("a keyslot of {MATERIAL} bytes between header and payload"),
                found: format!("{} bytes at {}", size.get(), offset.get()),
            });
        }
        Ok(offset)
    }

    /// What a keyslot's key is held against.
    fn digest(&self, number: u32) -> Result<&Pbkdf2, Error> {
        let (segment, _) = self.segment()?;
        let names = |list: &[crate::disk::luks2::decimal::Decimal], number: u32| {
            list.iter().any(|named| named.0 == u64::from(number))
        };
        let digests = self.copy.metadata.digests.values();
        let found = digests.into_iter().find_map(|digest| match digest {
            Digest::Pbkdf2(digest) => {
                let is_its = names(&digest.keyslots, number) && names(&digest.segments, segment);
                is_its.then_some(digest)
            }
            Digest::Other => None,
        });
        found.ok_or_else(|| Error::Contradiction {
            expected: format!("a digest of keyslot {number} and segment {segment}"),
            found: "none".to_owned(),
        })
    }
}

/// Refuses keyslots of another shape; returns the hash function that spread the key.
fn supported(slot: &Slot) -> Result<Hash, Error> {
    let bits = |bytes: u32| format!("{} bits", u64::from(bytes) * 8);
    let is_long = |bytes: u32| usize::try_from(bytes) == Ok(KEY_SIZE);
    if !is_long(slot.key_size) {
        return Err(unsupported("a volume key of", "512 bits", bits(slot.key_size)));
    }
    if slot.area.kind != keyslot::AREA {
        return Err(unsupported("a keyslot area", keyslot::AREA, slot.area.kind.clone()));
    }
    if slot.area.encryption != keyslot::CIPHER {
        let found = slot.area.encryption.clone();
        return Err(unsupported("the keyslot cipher", keyslot::CIPHER, found));
    }
    if !is_long(slot.area.key_size) {
        return Err(unsupported("a keyslot key of", "512 bits", bits(slot.area.key_size)));
    }
    if slot.af.kind != keyslot::SPLITTER || slot.af.stripes != keyslot::STRIPES {
        let found = format!("{} of {}", slot.af.kind, slot.af.stripes);
        return Err(unsupported("a keyslot split by", "luks1 of 4000", found));
    }
    Hash::named(&slot.af.hash)
        .ok_or_else(|| unsupported("a split by", "sha256 or sha512", slot.af.hash.clone()))
}

impl Opened<'_> {
    /// Returns the number of the keyslot that opened.
    pub fn keyslot(&self) -> u32 {
        self.keyslot
    }

    /// Returns the size of the payload.
    pub fn size(&self) -> Bytes {
        self.payload.size
    }

    /// Decrypts whole sectors.
    fn sectors(&self, at: Bytes, data: &mut [u8]) -> Result<(), inspect::Error> {
        self.medium.read(self.start + at, data)?;
        // The tweak counts units of 512 bytes.
        let number = at + Bytes::new(512) * self.payload.tweak;
        self.cipher.unseal(self.payload.sector, number, data, &mut Tweaks::default());
        Ok(())
    }
}

impl Medium for Opened<'_> {
    fn read(&self, at: Bytes, buffer: &mut [u8]) -> Result<(), inspect::Error> {
        buffer.fill(0);
        let sector = self.payload.sector.bytes();
        let end = (at + Bytes::of(buffer)).min(self.payload.size);
        let mut room = Zeroizing::new(Vec::new());
        let mut from = at.align_down(sector);
        while from < end {
            let to = (from + BATCH).min(end.align_up(sector));
            room.resize((to - from).to_len().unwrap_or_default(), 0);
            self.sectors(from, &mut room)?;
            let skip = (at - from).to_len().unwrap_or_default();
            let place = (from - at).to_len().unwrap_or_default();
            let clear = room.get(skip..).unwrap_or_default();
            let rest = buffer.get_mut(place..).unwrap_or_default();
            rest.iter_mut().zip(clear).for_each(|(to, from)| *to = *from);
            from = to;
        }
        Ok(())
    }
}
