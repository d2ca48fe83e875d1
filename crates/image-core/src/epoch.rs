//! The build's only timestamp.
//!
//! An image that asked the clock would differ from build to build, so every time it holds is
//! either a store path's (always 1) or this one. The convention is SOURCE_DATE_EPOCH
//! (reproducible-builds.org); reading that variable is the caller's business.

/// Seconds since 1970-01-01 UTC; one value for everything an image dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u32);

impl Epoch {
    /// The time Nix gives every file in its store (`mtimeStore` in Nix' `local-store.cc`).
    pub const STORE: Self = Self(1);

    /// Takes seconds since 1970; 32 bits, because FAT ends in 2107 and cpio at 2^32.
    pub const fn new(seconds: u32) -> Self {
        Self(seconds)
    }

    /// Returns seconds since 1970.
    pub const fn seconds(self) -> u32 {
        self.0
    }
}

impl Default for Epoch {
    /// The store's own time, so that generated files look like the rest.
    fn default() -> Self {
        Self::STORE
    }
}
