//! The picture of a distribution in the start menu and in Windows Terminal.
//!
//! Follows Microsoft's description of the ICO format ("Icons", Win32): a header of six bytes, then a
//! directory of sixteen bytes for each picture with its size and place.

use crate::units::{Bytes, KIB, MIB};

/// Where it lies: below the directory that Microsoft's own example and validator name.
pub const PATH: &str = "/usr/lib/wsl/nixos.ico";

/// What the document allows.
pub const DOCUMENTED_MAX: Bytes = Bytes::new(10 * MIB.get());

/// What WSL reads (`UtilReadFileRaw` in its `main.cpp`): it goes without a larger icon.
pub const READ_MAX: Bytes = Bytes::new(1024 * KIB.get());

/// The header: reserved, type 1, the number of pictures.
const HEADER: usize = 6;
const DIRECTORY_ENTRY: usize = 16;

/// An icon that Windows can show.
#[derive(Clone, PartialEq, Eq)]
pub struct Icon(Vec<u8>);

/// A file that is no icon.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IconError {
    /// It begins like no icon.
    #[error("expected an icon of Windows (.ico), found a file that does not begin like one")]
    Magic,
    /// A picture would lie beyond its end.
    #[error("picture {number} of the icon would end at byte {end}, but the file has {size} bytes")]
    Cut {
        /// Which picture, from 1.
        number: usize,
        /// Where it would end.
        end: u64,
        /// The file's size.
        size: u64,
    },
    /// It is larger than the document allows.
    #[error("the icon is {found}, expected at most {DOCUMENTED_MAX}")]
    Size {
        /// Its size.
        found: Bytes,
    },
}

impl std::fmt::Debug for Icon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Icon({})", Bytes::of(&self.0))
    }
}

impl Icon {
    /// Takes the bytes of an icon.
    ///
    /// # Errors
    /// Bytes that are no icon, or too many.
    pub fn of(bytes: impl Into<Vec<u8>>) -> Result<Self, IconError> {
        let bytes = bytes.into();
        let size = Bytes::of(&bytes);
        if size > DOCUMENTED_MAX {
            return Err(IconError::Size { found: size });
        }
        check(&bytes)?;
        Ok(Self(bytes))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Checks that all pictures lie within the file.
pub(super) fn check(bytes: &[u8]) -> Result<(), IconError> {
    let count = match bytes.get(..HEADER) {
        Some(&[0, 0, 1, 0, low, high]) => usize::from(u16::from_le_bytes([low, high])),
        Some(_) | None => return Err(IconError::Magic),
    };
    let directory = bytes.get(HEADER..HEADER + count * DIRECTORY_ENTRY).ok_or(IconError::Magic)?;
    if count == 0 {
        return Err(IconError::Magic);
    }
    let size = Bytes::of(bytes).get();
    for (entry, number) in directory.chunks_exact(DIRECTORY_ENTRY).zip(1..) {
        let field = |at: usize| {
            let mut value = [0; 4];
            value.copy_from_slice(&entry[at..at + 4]);
            u64::from(u32::from_le_bytes(value))
        };
        // dwBytesInRes and dwImageOffset.
        let end = field(8) + field(12);
        if end > size {
            return Err(IconError::Cut { number, end, size });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One picture of so many bytes, said to begin at `offset`.
    pub(crate) fn ico(size: u32, offset: u32) -> Vec<u8> {
        let mut bytes = vec![0, 0, 1, 0, 1, 0, 16, 16, 0, 0, 1, 0, 32, 0];
        bytes.extend(size.to_le_bytes());
        bytes.extend(offset.to_le_bytes());
        bytes.extend(std::iter::repeat_n(0xAA, usize::try_from(size).unwrap()));
        bytes
    }

    #[test]
    fn pictures_lie_within_the_file() {
        assert!(Icon::of(ico(40, 22)).is_ok());
        let cut = Icon::of(ico(40, 23)).unwrap_err();
        assert_eq!(cut, IconError::Cut { number: 1, end: 63, size: 62 });
        for bytes in [&b""[..], b"\x89PNG\r\n\x1a\n", &[0, 0, 1, 0, 0, 0], &[0, 0, 1, 0, 2, 0, 1]] {
            assert_eq!(Icon::of(bytes), Err(IconError::Magic));
        }
        let found = Icon::of(ico(11 << 20, 22)).unwrap_err();
        assert!(matches!(found, IconError::Size { .. }), "{found}");
    }
}
