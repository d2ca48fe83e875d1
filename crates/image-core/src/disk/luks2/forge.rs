//! Header and keyslots, made: the one part of a build that is never the same twice.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::decimal::{Blob, Decimal, Extent};
use super::header::{self, Header, Which};
use super::metadata::{
    Config, Crypt, Digest, KeyDerivation, Keyslot, Metadata, Requirements, Segment, Token,
};
use super::passphrase::{Origin, Passphrase};
use super::{COPY, Error, HEADER, Luks2, digest, keyslot, keyslot_offset, random};
use crate::units::Bytes;
use crate::xts::KEY_SIZE;

/// How many bytes of salt a keyslot has: `cryptsetup` takes no other number.
const SALT: usize = 32;
/// The first state of a volume.
const FIRST_SEQUENCE: u64 = 1;
/// What a recovery key's keyslot costs: systemd's, since nobody guesses 256 random bits.
const RECOVERY_ITERATIONS: u32 = 1000;
/// The token by which `systemd-cryptenroll` knows a recovery key's keyslot.
const RECOVERY_TOKEN: &str = "systemd-recovery";

/// A volume's secrets, as the plan leaves room for them.
pub(super) struct Forged {
    /// What the payload is sealed with.
    pub(super) key: Zeroizing<Vec<u8>>,
    /// Both copies of the header.
    pub(super) header: Zeroizing<Vec<u8>>,
    /// The keyslots' areas.
    pub(super) keyslots: Vec<Zeroizing<Vec<u8>>>,
}

/// Makes a volume key, and a keyslot for each passphrase.
pub(super) fn forge(luks: &Luks2, passphrases: &[Passphrase]) -> Result<Forged, Error> {
    let key = random::secret(KEY_SIZE)?;
    let mut keyslots = BTreeMap::new();
    let mut areas = Vec::with_capacity(passphrases.len());
    for (number, (slot, passphrase)) in (0..).zip(passphrases.iter().enumerate()) {
        let kdf = derivation(luks, passphrase)?;
        areas.push(keyslot::lock(&key, &kdf, passphrase)?);
        keyslots.insert(number, Keyslot::Luks2(keyslot::describe(keyslot_offset(slot), kdf)));
    }
    let digest = digest::describe(&key, passphrases.len())?;
    let metadata = Metadata {
        keyslots,
        tokens: tokens(passphrases),
        segments: BTreeMap::from([(0, segment(luks))]),
        digests: BTreeMap::from([(0, Digest::Pbkdf2(digest))]),
        config: Config {
            json_size: Decimal((COPY - Bytes::from_len(header::SIZE)).get()),
            keyslots_size: Decimal((HEADER - COPY * 2).get()),
            flags: Vec::new(),
            requirements: Requirements::default(),
        },
    };
    Ok(Forged { key, header: copies(luks, &metadata)?, keyslots: areas })
}

/// How a passphrase's key is derived, with a new salt.
fn derivation(luks: &Luks2, passphrase: &Passphrase) -> Result<KeyDerivation, Error> {
    let salt = random::salt::<SALT>()?.to_vec();
    Ok(match passphrase.origin() {
        Origin::Given => luks.kdf.with_salt(salt),
        Origin::Recovery => KeyDerivation::Pbkdf2 {
            hash: super::hash::Hash::Sha512.name().to_owned(),
            iterations: RECOVERY_ITERATIONS,
            salt: Blob(salt),
        },
    })
}

/// One token for each recovery key.
fn tokens(passphrases: &[Passphrase]) -> BTreeMap<u32, Token> {
    let slots = (0..).zip(passphrases);
    let recovery = slots.filter(|(_, passphrase)| passphrase.origin() == Origin::Recovery);
    let token =
        |(slot, _)| Token { kind: RECOVERY_TOKEN.to_owned(), keyslots: vec![Decimal(slot)] };
    (0..).zip(recovery.map(token)).collect()
}

fn segment(luks: &Luks2) -> Segment {
    Segment::Crypt(Crypt {
        offset: Decimal(HEADER.get()),
        size: Extent::Dynamic,
        iv_tweak: Decimal(0),
        encryption: keyslot::CIPHER.to_owned(),
        sector_size: u32::try_from(luks.sector.bytes().get()).unwrap_or(u32::MAX),
        integrity: None,
    })
}

/// Both copies of the header, one after the other.
fn copies(luks: &Luks2, metadata: &Metadata) -> Result<Zeroizing<Vec<u8>>, Error> {
    let unwritten = |error: serde_json::Error| Error::Unwritten { reason: error.to_string() };
    let json = serde_json::to_vec(metadata).map_err(unwritten)?;
    let mut copies = Zeroizing::new(Vec::new());
    for which in [Which::First, Which::Second] {
        let header = Header {
            hdr_size: COPY.get(),
            seqid: FIRST_SEQUENCE,
            label: luks.label.clone().unwrap_or_default(),
            csum_alg: header::CHECKSUM.to_owned(),
            salt: random::salt()?,
            uuid: luks.uuid.to_string(),
            subsystem: luks.subsystem.clone().unwrap_or_default(),
            hdr_offset: header::offset(which).get(),
            csum: [0; 64],
        };
        copies.extend_from_slice(&header::encode(&header, which, &json)?);
    }
    Ok(copies)
}
