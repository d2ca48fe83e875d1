//! Metadata and kind of one entry.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::source::Source;
use crate::epoch::Epoch;

/// One thing in a tree: everything about it but its path.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Owner, mode, time, extended attributes.
    pub meta: Meta,
    /// What it is.
    pub kind: Kind,
}

/// Permission bits with set-user-ID, set-group-ID and sticky: the low twelve bits of `st_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mode(u16);

impl Mode {
    /// Directories and programs that all may use: `rwxr-xr-x`.
    pub const D755: Self = Self(0o755);
    /// Files that all may read: `rw-r--r--`.
    pub const F644: Self = Self(0o644);
    /// Directories and programs of the store: `r-xr-xr-x`.
    pub const STORE_EXECUTABLE: Self = Self(0o555);
    /// Other files of the store: `r--r--r--`.
    pub const STORE_FILE: Self = Self(0o444);

    /// Takes the low twelve bits of a mode; the rest says what kind it is and counts for nothing.
    pub const fn new(bits: u16) -> Self {
        Self(bits & 0o7777)
    }

    /// Returns the twelve bits.
    pub const fn bits(self) -> u16 {
        self.0
    }
}

/// Everything about an entry but its kind and bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Permissions.
    pub mode: Mode,
    /// Numeric owner inside the image.
    pub uid: u32,
    /// Numeric group inside the image.
    pub gid: u32,
    /// Time of last change; writers use it for the other times too.
    pub mtime: Epoch,
    /// Extended attributes.
    pub xattrs: Xattrs,
}

impl Meta {
    /// Describes something owned by root, dated `mtime`, without extended attributes.
    pub const fn root(mode: Mode, mtime: Epoch) -> Self {
        Self { mode, uid: 0, gid: 0, mtime, xattrs: Xattrs::NONE }
    }
}

/// Extended attributes by full name (`security.capability`), sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Xattrs(Option<Arc<BTreeMap<Vec<u8>, Vec<u8>>>>);

impl Xattrs {
    /// No attributes; costs nothing.
    pub const NONE: Self = Self(None);

    /// Holds these attributes.
    pub fn new(attributes: BTreeMap<Vec<u8>, Vec<u8>>) -> Self {
        Self((!attributes.is_empty()).then(|| Arc::new(attributes)))
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Walks name and value, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0
            .iter()
            .flat_map(|map| map.iter())
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
    }
}

/// What an entry is. Hard links and sockets are left out on purpose (DESIGN.md).
#[derive(Clone, Debug)]
pub enum Kind {
    /// Holds other entries.
    Directory,
    /// Holds bytes.
    File(Source),
    /// Names another path, as these bytes.
    Symlink(Box<[u8]>),
    /// A device node.
    Device(Device),
    /// A named pipe.
    Fifo,
}

/// A device node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// A block device rather than a character device.
    pub block: bool,
    /// Which driver.
    pub major: u32,
    /// Which device of that driver.
    pub minor: u32,
}

impl Entry {
    /// Describes a directory.
    pub const fn directory(meta: Meta) -> Self {
        Self { meta, kind: Kind::Directory }
    }

    /// Describes a file.
    pub const fn file(meta: Meta, source: Source) -> Self {
        Self { meta, kind: Kind::File(source) }
    }

    /// Describes a symbolic link, owned by root with the mode every link has.
    pub fn symlink(target: impl AsRef<[u8]>, mtime: Epoch) -> Self {
        let meta = Meta::root(Mode::new(0o777), mtime);
        Self { meta, kind: Kind::Symlink(target.as_ref().into()) }
    }
}
