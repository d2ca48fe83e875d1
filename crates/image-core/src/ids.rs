//! Identity: every UUID, serial and hash seed of an image, derived from one seed.
//!
//! Two builds of the same thing must carry the same ids, so none comes from a random source. Each
//! is the SHA-256 of the seed and of what the id is for, cut to size and marked as an RFC 9562
//! version 8 UUID ("custom"). Keys are never derived here: see `Keys` in the region.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Derives every id of one image from one seed.
#[derive(Clone, PartialEq, Eq)]
pub struct Ids {
    seed: [u8; 32],
}

impl std::fmt::Debug for Ids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ids({})", self.uuid("debug"))
    }
}

impl Ids {
    /// Makes the ids of an image from what tells it from others: profile, toplevel, `--seed`.
    ///
    /// Parts are length-prefixed before hashing, so `["ab", "c"]` and `["a", "bc"]` differ.
    pub fn from_parts(parts: &[&[u8]]) -> Self {
        Self { seed: digest(b"calve ids v1", parts) }
    }

    /// Makes ids for a part of the image that must not share any with its whole.
    #[must_use]
    pub fn scope(&self, name: &str) -> Self {
        Self { seed: digest(&self.seed, &[b"scope", name.as_bytes()]) }
    }

    /// Derives the UUID for a purpose such as `"disk"` or `"partition root"`.
    pub fn uuid(&self, purpose: &str) -> Uuid {
        let digest = digest(&self.seed, &[b"uuid", purpose.as_bytes()]);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        bytes[6] = bytes[6] & 0x0F | 0x80;
        bytes[8] = bytes[8] & 0x3F | 0x80;
        Uuid::from_bytes(bytes)
    }

    /// Derives a 32-bit serial, as FAT volumes carry; never zero.
    pub fn serial(&self, purpose: &str) -> u32 {
        let digest = digest(&self.seed, &[b"serial", purpose.as_bytes()]);
        u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]]).max(1)
    }
}

fn digest(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [key].iter().chain(parts) {
        hash.update(crate::units::Bytes::of(part).get().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_depend_on_seed_scope_and_purpose_only() {
        let ids = Ids::from_parts(&[b"server", b"toplevel"]);
        assert_eq!(ids.uuid("disk"), Ids::from_parts(&[b"server", b"toplevel"]).uuid("disk"));
        assert_ne!(ids.uuid("disk"), ids.uuid("root"));
        assert_ne!(ids.uuid("disk"), ids.scope("a").uuid("disk"));
        assert_ne!(ids.uuid("disk"), Ids::from_parts(&[b"servert", b"oplevel"]).uuid("disk"));
        assert_eq!(ids.uuid("disk").get_version_num(), 8);
    }
}
