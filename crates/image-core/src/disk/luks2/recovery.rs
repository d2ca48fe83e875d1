//! A passphrase that is made for the user, in the form of systemd's recovery keys.
//!
//! 256 random bits as 64 letters that lie at the same place on most keyboards, in groups of eight.
//! `systemd-cryptenroll --recovery-key` makes the same, and the text with its dashes is what
//! unlocks the keyslot there and here. A keyslot of 256 random bits needs no slow derivation.
//!
//! Follows systemd's documentation of `systemd-cryptenroll` and of its recovery keys (modhex, the
//! alphabet of Yubico's keyboards).

use std::fmt;

use zeroize::Zeroizing;

use super::Error;
use super::passphrase::Passphrase;
use super::random;

/// The letters of sixteen digits; each is on the same key of nearly all Latin keyboards.
const MODHEX: &[u8; 16] = b"cbdefghijklnrtuv";
/// How many random bytes a key has.
const SIZE: usize = 32;
/// How many of them make a group of letters.
const GROUP: usize = 4;

/// A recovery key: 256 random bits, wiped with their owner.
pub struct RecoveryKey(Zeroizing<Vec<u8>>);

impl fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryKey(..)")
    }
}

impl RecoveryKey {
    /// Makes a new one.
    ///
    /// # Errors
    /// The operating system gives no random bytes.
    pub fn generate() -> Result<Self, Error> {
        Ok(Self(random::secret(SIZE)?))
    }

    /// Returns what the user keeps: eight groups of eight letters, with dashes between.
    pub fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(SIZE * 2 + SIZE / GROUP));
        for group in self.0.chunks(GROUP) {
            if !text.is_empty() {
                text.push('-');
            }
            for byte in group {
                text.push(letter(byte >> 4));
                text.push(letter(byte & 0xF));
            }
        }
        text
    }

    /// Returns the text as a passphrase. Its keyslot costs little and has a `systemd-recovery`
    /// token, so that `systemd-cryptenroll` lists it as what it is.
    pub fn as_passphrase(&self) -> Passphrase {
        Passphrase::recovery(Zeroizing::new(self.text().as_bytes().to_vec()))
    }
}

fn letter(digit: u8) -> char {
    MODHEX.get(usize::from(digit)).copied().map_or('c', char::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_systemds() {
        let bytes = (0..32u8).map(|i| i.wrapping_mul(0x11)).collect();
        let key = RecoveryKey(Zeroizing::new(bytes));
        let expected = "ccbbddee-ffgghhii-jjkkllnn-rrttuuvv-\
                        cbbcddeeffgg";
        assert_eq!(key.text().len(), 71);
        assert!(key.text().starts_with(&expected[..36]), "{}", *key.text());
        assert_eq!(key.as_passphrase().bytes(), key.text().as_bytes());
        assert_eq!(format!("{key:?}"), "RecoveryKey(..)");
        let groups: Vec<usize> = key.text().split('-').map(str::len).collect();
        assert_eq!(groups, [8; 8]);
    }

    #[test]
    fn no_two_are_alike() {
        let (one, other) = (RecoveryKey::generate().unwrap(), RecoveryKey::generate().unwrap());
        assert_ne!(one.text(), other.text());
    }
}
