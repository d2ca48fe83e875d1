//! Passwords hashed as `crypt` does it with `$6$`: SHA-512 five thousand times over.
//!
//! The salt is an argument: `update-users-groups.pl` takes a random one, but an image that is built
//! twice must be the same twice. A salt that is known protects a password less against tables; but the
//! password itself stands in the store for all to read, which is the greater worry by far.
//!
//! Follows Ulrich Drepper, "Unix crypt using SHA-256 and SHA-512", version 0.6; its step numbers are in
//! the comments.

use sha2::{Digest, Sha512};

/// Longer passwords are refused by `crypt` of libxcrypt (`CRYPT_MAX_PASSPHRASE_SIZE`).
pub const PASSWORD_MAX: usize = 512;

/// How long a salt may be.
pub const SALT_MAX: usize = 16;

/// The default number of rounds, which a hash need not name.
const ROUNDS: u32 = 5000;

/// The digits of the text form, six bits each.
const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Which byte follows which in the text form: 21 triples, each from the thirds of the digest in turn.
const THIRD: usize = 21;

/// A salt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salt(String);

impl Salt {
    /// Makes a salt of up to sixteen bytes, six bits of each.
    pub fn of(bytes: [u8; SALT_MAX]) -> Self {
        Self(bytes.into_iter().map(|byte| digit(u32::from(byte))).collect())
    }

    /// Takes a salt as it is written; what is beyond sixteen characters counts for nothing.
    #[cfg(test)]
    pub(super) fn written(text: &str) -> Self {
        Self(text.chars().take(SALT_MAX).collect())
    }
}

/// Hashes a password; the result is what stands in `/etc/shadow`.
pub fn hash(password: &[u8], salt: &Salt) -> String {
    let digest = digest(password, salt.0.as_bytes());
    format!("$6${}${}", salt.0, text(&digest))
}

fn digest(key: &[u8], salt: &[u8]) -> [u8; 64] {
    // 4 to 8.
    let b = sha512(&[key, salt, key]);
    // 1 to 3 and 9 to 12.
    let mut a = Sha512::new();
    a.update(key);
    a.update(salt);
    a.update(repeated(&b, key.len()));
    let mut bits = key.len();
    while bits > 0 {
        a.update(if bits & 1 == 1 { &b[..] } else { key });
        bits >>= 1;
    }
    let a: [u8; 64] = a.finalize().into();
    // 13 to 20.
    let mut dp = Sha512::new();
    (0..key.len()).for_each(|_| dp.update(key));
    let p = repeated(&dp.finalize(), key.len());
    let mut ds = Sha512::new();
    (0..16 + u32::from(a[0])).for_each(|_| ds.update(salt));
    let s = repeated(&ds.finalize(), salt.len());
    // 21.
    (0..ROUNDS).fold(a, |last, round| {
        let odd = round % 2 == 1;
        let mut c = Sha512::new();
        c.update(if odd { &p[..] } else { &last });
        if round % 3 != 0 {
            c.update(&s);
        }
        if round % 7 != 0 {
            c.update(&p);
        }
        c.update(if odd { &last } else { &p[..] });
        c.finalize().into()
    })
}

fn sha512(parts: &[&[u8]]) -> [u8; 64] {
    let mut hash = Sha512::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// A digest written again and again until it has a length.
fn repeated(digest: &[u8], length: usize) -> Vec<u8> {
    digest.iter().copied().cycle().take(length).collect()
}

/// 22: groups of three bytes from the low bits up; where a group begins moves through the thirds.
fn text(digest: &[u8; 64]) -> String {
    let mut text = String::new();
    for row in 0..THIRD {
        let column = |third: usize| u32::from(digest[row + THIRD * ((row + third) % 3)]);
        let group = column(0) << 16 | column(1) << 8 | column(2);
        text.extend((0..4).map(|place| digit(group >> (6 * place))));
    }
    let last = u32::from(digest[63]);
    text.extend([digit(last), digit(last >> 6)]);
    text
}

fn digit(bits: u32) -> char {
    let index = usize::try_from(bits & 0x3F).unwrap_or(0);
    char::from(DIGITS[index])
}
