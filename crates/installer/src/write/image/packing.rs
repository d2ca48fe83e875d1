//! How a file holds an image, told by its first bytes.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// How a file holds an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// As it is.
    Raw,
    /// In QEMU's copy-on-write format.
    Qcow2,
    /// As zstd frames (RFC 8878).
    Zstd,
    /// As xz streams (the .xz file format 1.2.1).
    Xz,
    /// As gzip members (RFC 1952).
    Gzip,
}

impl Packing {
    /// Reads the first bytes of a file.
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let mut head = [0; 6];
        let mut done = 0;
        while let Some(rest) = head.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, u64::try_from(done).unwrap_or_default()) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(match head {
            [b'Q', b'F', b'I', 0xFB, ..] => Self::Qcow2,
            [0x28, 0xB5, 0x2F, 0xFD, ..] => Self::Zstd,
            [0xFD, b'7', b'z', b'X', b'Z', 0] => Self::Xz,
            [0x1F, 0x8B, 8, ..] => Self::Gzip,
            _ => Self::Raw,
        })
    }
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Gzip => "gzip",
        })
    }
}
