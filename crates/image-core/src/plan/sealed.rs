//! A plan that is encrypted on its way out.
//!
//! LUKS is a plan around a plan: the header is bytes and secrets, the payload is this. The plan
//! names the cipher and the key; the key itself is given to the loop and never stored here. Gaps
//! of the inner plan that span whole cipher sectors stay gaps, everything else is ciphertext.

use std::sync::Arc;

use super::Plan;
use crate::units::SectorSize;

/// An inner plan and how it is encrypted.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// What is encrypted; its size is a whole number of the cipher's sectors.
    pub inner: Plan,
    /// How.
    pub cipher: Cipher,
    /// With which key.
    pub key: KeyId,
}

/// How sectors are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cipher {
    /// `aes-xts-plain64` with a 512-bit key, as dm-crypt names it. The tweak of a sector is the
    /// number of 512-byte units before it, whatever the sector size, which is LUKS2's convention
    /// (dm-crypt without `iv_large_sectors`).
    AesXtsPlain64 {
        /// The unit of encryption.
        sector: SectorSize,
    },
}

/// Names a key; the caller of the loop has it in its `Keys`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub Arc<str>);
