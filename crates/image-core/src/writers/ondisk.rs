//! How a structure of a disk is declared, so that the compiler checks offsets and sizes.
//!
//! A format's own `ondisk` module declares structures with [`on_disk`] in the order of the document it
//! follows, and holds nothing but them: what a field means for its reader is said there.

/// A value with a fixed place on disk; numbers are little-endian.
pub(in crate::writers) trait Field: Sized {
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

number!(u8, u16, i16, u32, u64);

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
        pub(in crate::writers) struct $name {
            $($(#[$field_doc])* pub(in crate::writers) $field: $type,)*
        }

        impl $name {
            /// All bytes zero.
            #[allow(dead_code, reason = "not every structure has fields to leave out")]
            pub(in crate::writers) const ZERO: Self =
                Self { $($field: <$type as $crate::writers::ondisk::Field>::ZERO,)* };

            /// How many bytes it takes.
            pub(in crate::writers) const SIZE: usize = $size;

            /// Returns the bytes.
            pub(in crate::writers) fn encode(&self) -> [u8; $size] {
                use $crate::writers::ondisk::Field;
                let mut bytes = [0; $size];
                $(self.$field.put(&mut bytes[$offset..$offset + <$type as Field>::SIZE]);)*
                bytes
            }
        }

        const _: () = {
            let mut end = 0;
            $(
                assert!(end == $offset, stringify!($field));
                end += <$type as $crate::writers::ondisk::Field>::SIZE;
            )*
            assert!(end == $size && $name::SIZE == $size);
        };
    };
}
pub(in crate::writers) use on_disk;
