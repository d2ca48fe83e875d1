//! ext4 as bytes: structures in the order of the kernel's documentation, and their encoders.
//!
//! Field names are the documentation's without their prefix (`s_state` is `state`). Every field
//! states its offset, and the compiler checks that offsets, sizes and the whole agree. Checksums
//! are fields like others; computing them is [`super::checksum`]'s business.
//!
//! Follows the kernel's `Documentation/filesystems/ext4/`: super.rst, group_descr.rst, inodes.rst,
//! ifork.rst, directory.rst, attributes.rst, journal.rst.

pub(super) mod dirent;
pub(super) mod extent;
pub(super) mod group_descriptor;
pub(super) mod inode;
pub(super) mod journal;
pub(super) mod superblock;
pub(super) mod xattr;

pub(super) use crate::writers::ondisk::{Field, on_disk};

/// A 32-bit number as the journal stores it: the high byte first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Be32(pub(super) u32);

impl Field for Be32 {
    const SIZE: usize = size_of::<u32>();
    const ZERO: Self = Self(0);
    fn put(&self, place: &mut [u8]) {
        place.copy_from_slice(&self.0.to_be_bytes());
    }
}

/// Splits a number into what a `_lo` and a `_hi` field hold.
pub(super) fn halves(number: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = number.to_le_bytes();
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

/// Splits a 32-bit number into what a 16-bit `_lo` and `_hi` field hold.
pub(super) fn halves16(number: u32) -> (u16, u16) {
    let [a, b, c, d] = number.to_le_bytes();
    (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
}
