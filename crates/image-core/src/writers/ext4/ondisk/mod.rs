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

/// A value with a fixed place on disk; numbers are little-endian, but for [`Be32`].
pub(super) trait Field: Sized {
    /// How many bytes it takes.
    const SIZE: usize;
    /// All bytes zero.
    const ZERO: Self;
    /// Writes it into exactly its own bytes.
    fn put(&self, place: &mut [u8]);
}

macro_rules! number {
    ($($number:ty),*) => {$(
        impl Field for $number {
            const SIZE: usize = size_of::<Self>();
            const ZERO: Self = 0;
            fn put(&self, place: &mut [u8]) {
                place.copy_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}

number!(u8, u16, u32, u64);

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

impl<T: Field + Copy, const N: usize> Field for [T; N] {
    const SIZE: usize = T::SIZE * N;
    const ZERO: Self = [T::ZERO; N];
    fn put(&self, place: &mut [u8]) {
        for (value, place) in self.iter().zip(place.chunks_exact_mut(T::SIZE)) {
            value.put(place);
        }
    }
}

/// Declares a structure with the offset of each field; a wrong offset or size does not compile.
macro_rules! on_disk {
    (
        $(#[$doc:meta])*
        $name:ident: $size:literal {
            $($(#[$field_doc:meta])* $offset:literal $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub(in crate::writers::ext4) struct $name {
            $($(#[$field_doc])* pub(in crate::writers::ext4) $field: $type,)*
        }

        impl $name {
            /// All bytes zero.
            #[allow(dead_code, reason = "not every structure has fields to leave out")]
            pub(in crate::writers::ext4) const ZERO: Self =
                Self { $($field: <$type as $crate::writers::ext4::ondisk::Field>::ZERO,)* };

            /// How many bytes it takes.
            pub(in crate::writers::ext4) const SIZE: usize = $size;

            /// Returns the bytes.
            pub(in crate::writers::ext4) fn encode(&self) -> [u8; $size] {
                use $crate::writers::ext4::ondisk::Field;
                let mut bytes = [0; $size];
                $(self.$field.put(&mut bytes[$offset..$offset + <$type as Field>::SIZE]);)*
                bytes
            }
        }

        const _: () = {
            let mut end = 0;
            $(
                assert!(end == $offset, stringify!($field));
                end += <$type as $crate::writers::ext4::ondisk::Field>::SIZE;
            )*
            assert!(end == $size && $name::SIZE == $size);
        };
    };
}
pub(super) use on_disk;

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
