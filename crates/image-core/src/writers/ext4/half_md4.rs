//! The directory hash: three short rounds of MD4 over the name, 32 bytes at a time, as
//! `fs/ext4/hash.c` has them (directory.rst, "Hash Tree Directories"; the rounds are RFC 1320's).
//!
//! Bytes of names count as signed numbers on every machine: the superblock says so.

use uuid::Uuid;

/// Hashes names of one file system.
#[derive(Clone, Copy, Debug)]
pub(super) struct NameHash {
    start: [u32; 4],
}

/// A name's hash: `major` decides the block, `minor` orders names whose `major` is equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hashed {
    /// Always even: the lowest bit marks a run of equal hashes that goes on in the next block.
    pub(super) major: u32,
    /// The second word.
    pub(super) minor: u32,
}

/// `EXT4_HTREE_EOF_32BIT << 1`: means "end of directory", so no name may hash to it.
const END_OF_DIRECTORY: u32 = 0xFFFF_FFFE;

impl NameHash {
    /// Takes the seed of the superblock; a seed of zeros means MD4's own start.
    pub(super) fn new(seed: Uuid) -> Self {
        let word = |at: usize| {
            let bytes = seed.as_bytes();
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let start = if seed.is_nil() {
            [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476]
        } else {
            [word(0), word(4), word(8), word(12)]
        };
        Self { start }
    }

    /// Hashes a name.
    pub(super) fn hash(self, name: &[u8]) -> Hashed {
        let mut state = self.start;
        let mut rest = name;
        while !rest.is_empty() {
            transform(&mut state, &words(rest));
            rest = rest.get(32..).unwrap_or_default();
        }
        let major = match state[1] & !1 {
            END_OF_DIRECTORY => END_OF_DIRECTORY - 2,
            major => major,
        };
        Hashed { major, minor: state[2] }
    }
}

/// Takes up to 32 bytes as eight words, padded with the number of bytes that were left.
fn words(rest: &[u8]) -> [u32; 8] {
    let left = u32::try_from(rest.len()).unwrap_or(u32::MAX);
    let pad = left | left << 8;
    let pad = pad | pad << 16;
    let mut words = [pad; 8];
    for (word, bytes) in words.iter_mut().zip(rest.chunks(4)) {
        for byte in bytes {
            let signed = i32::from(i8::from_ne_bytes([*byte]));
            *word = u32::from_ne_bytes(signed.to_ne_bytes()).wrapping_add(*word << 8);
        }
    }
    words
}

fn transform(state: &mut [u32; 4], input: &[u32; 8]) {
    const ORDERS: [[usize; 8]; 3] =
        [[0, 1, 2, 3, 4, 5, 6, 7], [1, 3, 5, 7, 0, 2, 4, 6], [3, 7, 2, 6, 1, 5, 0, 4]];
    const SHIFTS: [[u32; 4]; 3] = [[3, 7, 11, 19], [3, 5, 9, 13], [3, 9, 11, 15]];
    const ADDED: [u32; 3] = [0, 0x5A82_7999, 0x6ED9_EBA1];
    let [mut a, mut b, mut c, mut d] = *state;
    for round in 0..3 {
        for step in 0..8 {
            let mixed = match round {
                0 => d ^ (b & (c ^ d)),
                1 => (b & c).wrapping_add((b ^ c) & d),
                _ => b ^ c ^ d,
            };
            let sum = a
                .wrapping_add(mixed)
                .wrapping_add(input[ORDERS[round][step]])
                .wrapping_add(ADDED[round]);
            (a, b, c, d) = (d, sum.rotate_left(SHIFTS[round][step % 4]), b, c);
        }
    }
    for (word, mixed) in state.iter_mut().zip([a, b, c, d]) {
        *word = word.wrapping_add(mixed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From `debugfs -R 'dx_hash -h half_md4 -s 00112233-4455-6677-8899-aabbccddeeff NAME'`.
    #[test]
    fn hashes_are_those_of_debugfs() {
        let seed = Uuid::from_u128(0x0011_2233_4455_6677_8899_AABB_CCDD_EEFF);
        let hash = |name: &str| {
            let Hashed { major, minor } = NameHash::new(seed).hash(name.as_bytes());
            (major, minor)
        };
        assert_eq!(hash("x"), (0x84b7_b7da, 0xa152_16e1));
        assert_eq!(hash("some-name"), (0xe215_2d5c, 0x8ba4_9b9c));
        assert_eq!(hash("gr\u{fc}\u{df}e"), (0x4693_29ac, 0xc04a_a7eb));
        assert_eq!(hash("abcdefghijklmnopqrstuvwxyz012345"), (0xfb45_178c, 0x1315_a217));
        assert_eq!(hash(&"n".repeat(255)), (0xd036_5ba6, 0xe8a3_98c8));
    }

    /// The same without `-s`.
    #[test]
    fn no_seed_is_md4_s_own() {
        let Hashed { major, minor } = NameHash::new(Uuid::nil()).hash(b"some-name");
        assert_eq!((major, minor), (0x50f6_f6a8, 0x613e_c735));
    }
}
