//! How a volume key is known to be the right one: by its PBKDF2 with a salt of its own.
//!
//! The key has 512 random bits, so the iterations slow nobody down who guesses: `cryptsetup`'s
//! least are enough. Follows the specification, section 3.5.

use super::Error;
use super::decimal::{Blob, Decimal};
use super::hash::Hash;
use super::metadata::Pbkdf2;
use super::random;

/// `LUKS_MKD_ITERATIONS_MIN` of `cryptsetup`.
const ITERATIONS: u32 = 1000;
/// How many bytes of salt there are.
const SALT: usize = 32;

/// Describes a key that `keyslots` keyslots hold.
pub(super) fn describe(key: &[u8], keyslots: usize) -> Result<Pbkdf2, Error> {
    let salt = random::salt::<SALT>()?;
    let hash = Hash::Sha256;
    let mut digest = vec![0; hash.size()];
    hash.pbkdf2(key, &salt, ITERATIONS, &mut digest);
    Ok(Pbkdf2 {
        keyslots: (0..).take(keyslots).map(Decimal).collect(),
        segments: vec![Decimal(0)],
        hash: hash.name().to_owned(),
        iterations: ITERATIONS,
        salt: Blob(salt.to_vec()),
        digest: Blob(digest),
    })
}

/// Tells whether a key is the one that was described; none where the hash function is not known.
pub(crate) fn is_of(described: &Pbkdf2, key: &[u8]) -> Option<bool> {
    let hash = Hash::named(&described.hash)?;
    let mut digest = vec![0; described.digest.0.len()];
    hash.pbkdf2(key, &described.salt.0, described.iterations, &mut digest);
    // An empty digest would be everybody's.
    Some(!digest.is_empty() && digest == described.digest.0)
}
