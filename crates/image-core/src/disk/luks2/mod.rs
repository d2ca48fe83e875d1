//! LUKS2: an encrypted volume around another one, made without root, device-mapper or a second pass.
//!
//! Nobody else makes one in a file in one pass: `cryptsetup` wants a device to write through, or
//! encrypts in place what was written in the clear. Here the volume is a plan around a plan: the
//! header and the keyslots are secrets, the payload is sealed on its way to the image.
//! [`Luks2::plan`] is pure and knows lengths only. [`Luks2::forge`] is the effect: it asks the
//! operating system for a volume key and salts, derives the keyslots, and hands everything to the
//! loop's [`Keys`]. So two builds never share a key, and a dry run derives nothing.
//!
//! - [`kdf`]: how a passphrase becomes a key: its costs, which are fixed and never measured
//! - [`passphrase`]: what opens a keyslot; [`recovery`]: one that is made for the user
//! - `header`: the binary header; `metadata`: the JSON behind it; `decimal`: its numbers and bytes
//! - `keyslot`: the volume key under a passphrase; `split`: spread, so that it can be destroyed
//! - `digest`: how a key is known to be the right one; `hash`: the hash functions that are known
//! - `inner`: what would not mount inside; `random`: the operating system's random source
//! - `forge`: header and keyslots made
//!
//! Shape: 16 MiB of header as `cryptsetup luksFormat` makes it by default (two copies of 16 KiB,
//! then the keyslots), one segment of `aes-xts-plain64` with a 512-bit key that ends where the
//! partition does. Not written: LUKS1, detached headers, integrity, other ciphers, tokens other
//! than the recovery key's. `inspect::luks2` reads what this and `cryptsetup` write.
//!
//! Follows the LUKS2 On-Disk Format Specification 1.1.0.

pub(crate) mod decimal;
pub(crate) mod digest;
mod error;
mod forge;
pub(crate) mod hash;
pub(crate) mod header;
mod inner;
pub mod kdf;
pub(crate) mod keyslot;
pub(crate) mod metadata;
pub mod passphrase;
mod random;
pub mod recovery;
pub(crate) mod split;

use std::sync::Arc;

use uuid::Uuid;

pub use error::Error;
pub use kdf::Kdf;
pub use passphrase::Passphrase;
pub use recovery::RecoveryKey;

use crate::plan::{Cipher, KeyId, Label, Plan, PlanBuilder, Sealed, SecretId};
use crate::region::Keys;
use crate::units::{Bytes, MIB, SectorSize};

/// Where the payload starts: cryptsetup's default for devices that are large enough.
const HEADER: Bytes = Bytes::new(16 << 20);
/// One copy of the header with its metadata: cryptsetup's default.
const COPY: Bytes = Bytes::new(16 << 10);
/// A keyslot's area: 4,000 stripes of the volume key, rounded up to 4,096 bytes.
const KEYSLOT: Bytes = Bytes::new(258_048);
/// `LUKS2_KEYSLOTS_MAX` of cryptsetup.
const MOST_KEYSLOTS: usize = 32;
/// Label and subsystem are 48 bytes with their NUL (specification, 2.1).
const LONGEST_LABEL: usize = 47;

/// An encrypted volume, described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Luks2 {
    /// The unit of encryption. The volume's block device has sectors of this size, so the
    /// partition must be a whole number of them.
    pub sector: SectorSize,
    /// The volume's id, as `/dev/disk/by-uuid` shows it.
    pub uuid: Uuid,
    /// Its label; at most 47 bytes.
    pub label: Option<String>,
    /// Its second label, which says whose volume it is; at most 47 bytes.
    pub subsystem: Option<String>,
    /// How passphrases become keys.
    pub kdf: Kdf,
    /// How many passphrases open it, a recovery key included.
    pub keyslots: usize,
    /// Whether gaps of the inner plan are written too, as ciphertext. If not, who has the disk
    /// sees which blocks were never used.
    pub noise: bool,
}

impl Luks2 {
    /// How much a volume is larger than what it holds, and where that starts.
    pub const HEADER: Bytes = HEADER;
    /// The most keyslots that a volume has.
    pub const MOST_KEYSLOTS: usize = MOST_KEYSLOTS;

    /// Checks whatever can be checked before there is an inner plan.
    ///
    /// # Errors
    /// Labels that do not fit, keyslots or costs that `cryptsetup` would not take.
    pub fn check(&self) -> Result<(), Error> {
        check_label("label", self.label.as_deref())?;
        check_label("subsystem", self.subsystem.as_deref())?;
        if self.keyslots == 0 || self.keyslots > MOST_KEYSLOTS {
            return Err(Error::Keyslots { found: self.keyslots, most: MOST_KEYSLOTS });
        }
        self.kdf.check()
    }

    /// Plans the volume around what it holds; `id` names its key and its secrets, and is used
    /// once in an image.
    ///
    /// # Errors
    /// What [`Luks2::check`] says, an inner plan that ends within a sector, and one that could not
    /// be mounted from a device of such sectors.
    pub fn plan(&self, id: &KeyId, inner: Plan) -> Result<Plan, Error> {
        self.check()?;
        inner::check(&inner, self.sector)?;
        let size = HEADER + inner.size();
        let sealed = Sealed {
            inner: self.cover(inner)?,
            cipher: Cipher::AesXtsPlain64 { sector: self.sector },
            key: id.clone(),
        };
        let mut volume = PlanBuilder::new();
        volume.secret(Bytes::ZERO, COPY * 2, Label::new("header"), header_secret(id));
        for (number, slot) in (0..).zip(0..self.keyslots) {
            let label = Label::numbered("keyslot", number);
            volume.secret(keyslot_offset(slot), KEYSLOT, label, keyslot_secret(id, slot));
        }
        // Never a gap: an older volume's keyslot would stay there, and open this disk's past.
        let end = keyslot_offset(self.keyslots);
        volume.zeros(end, HEADER - end, Label::new("unused keyslots"));
        volume.sealed(HEADER, Label::new("payload"), sealed)?;
        Ok(volume.finish(size)?)
    }

    /// Makes a volume key, header and keyslots, one for each passphrase and in their order, and
    /// gives them to `keys` under the names of [`Luks2::plan`].
    ///
    /// Keyslots are derived one after the other, so that it takes the memory of one:
    /// [`Kdf::memory`].
    ///
    /// # Errors
    /// What [`Luks2::check`] says, another number of passphrases than was planned, and an operating
    /// system that has neither randomness nor memory to give.
    pub fn forge(
        &self,
        id: &KeyId,
        passphrases: &[Passphrase],
        keys: &mut Keys,
    ) -> Result<(), Error> {
        self.check()?;
        if passphrases.len() != self.keyslots {
            return Err(Error::Passphrases { expected: self.keyslots, found: passphrases.len() });
        }
        let forged = forge::forge(self, passphrases)?;
        keys.insert_key(id.clone(), forged.key);
        keys.insert_secret(header_secret(id), forged.header);
        for (slot, area) in forged.keyslots.into_iter().enumerate() {
            keys.insert_secret(keyslot_secret(id, slot), area);
        }
        Ok(())
    }

    /// The inner plan with zeros, which become ciphertext, where it has gaps: in its first and last
    /// MiB, where older signatures would be found, or everywhere.
    fn cover(&self, inner: Plan) -> Result<Plan, Error> {
        let size = inner.size();
        let (label, edges) = if self.noise {
            (Label::new("noise"), [(Bytes::ZERO, size), (size, size)])
        } else {
            let first = MIB.min(size);
            let edges = [(Bytes::ZERO, first), ((size - MIB).max(first), size)];
            (Label::new("edge of volume"), edges)
        };
        let gaps: Vec<_> = edges.iter().flat_map(|edge| gaps(&inner, *edge)).collect();
        let mut covered = PlanBuilder::reopen(inner);
        for (from, to) in gaps {
            covered.zeros(from, to - from, label);
        }
        Ok(covered.finish(size)?)
    }
}

/// The gaps of a plan between two offsets.
fn gaps(plan: &Plan, (start, end): (Bytes, Bytes)) -> Vec<(Bytes, Bytes)> {
    let pieces = &plan.pieces()[plan.piece_after(start)..];
    let mut gaps = Vec::new();
    let mut at = start;
    for piece in pieces.iter().take_while(|piece| piece.offset < end) {
        gaps.push((at, piece.offset.max(at)));
        at = piece.end();
    }
    gaps.push((at, end.max(at)));
    gaps
}

/// Where a keyslot's area lies.
fn keyslot_offset(slot: usize) -> Bytes {
    COPY * 2 + KEYSLOT * Bytes::from_len(slot).get()
}

fn header_secret(id: &KeyId) -> SecretId {
    SecretId(Arc::from(format!("{}/luks header", id.0)))
}

fn keyslot_secret(id: &KeyId, slot: usize) -> SecretId {
    SecretId(Arc::from(format!("{}/luks keyslot {slot}", id.0)))
}

fn check_label(what: &'static str, label: Option<&str>) -> Result<(), Error> {
    let label = label.unwrap_or_default();
    if label.len() > LONGEST_LABEL {
        return Err(Error::LongLabel { what, found: label.len(), most: LONGEST_LABEL });
    }
    // udev makes a link of it, and nobody can type what is not printed.
    match label.chars().find(|char| char.is_control()) {
        Some(found) => Err(Error::Label { what, found }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
