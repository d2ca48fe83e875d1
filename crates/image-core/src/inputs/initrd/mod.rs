//! The initrd: what stage 1 will find when it looks for a root file system.
//!
//! An initrd is any number of cpio archives after one another, each compressed in its own way or not
//! at all (CPU microcode first, then the main archive, then appended secrets), with NULs between. It is
//! read as the kernel reads it (`init/initramfs.c`), twice where contents matter: [`Initrd::list`] learns
//! all names, [`Initrd::extract`] then takes the few small files that names and links led to. Nothing
//! is held but names and those files; what an initrd may unpack to is bounded by [`Limits`].
//!
//! - [`input`]: the file, with its offset and a look ahead
//! - [`segment`]: which compression, and its decoder; [`lz4_legacy`] is the kernel's own lz4 form
//! - [`cpio`]: the archive's entries
//!
//! Not read: the data of files that are hard links of one another (NixOS makes none).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Read};

use crate::units::{Bytes, GIB, MIB};

pub mod cpio;
pub mod input;
pub mod lz4_legacy;
pub mod segment;

pub use segment::Compression;

/// How many links are followed before it counts as a loop; the kernel's own number.
const LINKS_MAX: usize = 40;

/// Where in an initrd something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Where the segment begins in the file.
    pub segment: u64,
    /// How far into the segment, unpacked.
    pub unpacked: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment at byte {}, unpacked byte {}", self.segment, self.unpacked)
    }
}

/// Why a file is not an initrd.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("cannot read the initrd at byte {offset}")]
    Read {
        /// Where.
        offset: u64,
        /// The system's answer.
        source: io::Error,
    },
    /// A segment begins with bytes of no known kind.
    #[error("byte {offset}: expected a cpio archive, plain or compressed, found bytes {found}")]
    Magic {
        /// Where.
        offset: u64,
        /// The bytes, in hexadecimal.
        found: String,
    },
    /// A segment is compressed in a way that calve cannot read.
    #[error(
        "byte {offset}: the segment is compressed with {compression}, expected {}",
        Compression::names()
    )]
    Unsupported {
        /// Where.
        offset: u64,
        /// The compression's name.
        compression: &'static str,
    },
    /// A plain archive begins where the kernel does not look for one.
    #[error(
        "byte {offset}: an uncompressed archive must begin at a multiple of 4, or the kernel refuses it"
    )]
    Unaligned {
        /// Where.
        offset: u64,
    },
    /// A segment does not unpack.
    #[error("{place}: the {compression} data cannot be unpacked")]
    Unpack {
        /// Where.
        place: Place,
        /// How it is compressed.
        compression: Compression,
        /// What the decoder says.
        source: io::Error,
    },
    /// The data ends inside an archive.
    #[error("{place}: expected {expected}, found the end of the data")]
    End {
        /// Where.
        place: Place,
        /// What should follow.
        expected: &'static str,
    },
    /// An entry's header is none.
    #[error("{place}: expected {expected}, found {found:?}")]
    Header {
        /// Where the header begins.
        place: Place,
        /// What should stand there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// The initrd unpacks to more than the limit.
    #[error("{place}: expected at most {limit} unpacked")]
    Size {
        /// Where the limit was passed.
        place: Place,
        /// The limit.
        limit: Bytes,
    },
    /// The initrd has more entries than the limit.
    #[error("{place}: expected at most {limit} entries")]
    Entries {
        /// Where the limit was passed.
        place: Place,
        /// The limit.
        limit: usize,
    },
    /// The initrd's names take more than the limit.
    #[error("{place}: expected at most {limit} of names and links")]
    Names {
        /// Where the limit was passed.
        place: Place,
        /// The limit.
        limit: Bytes,
    },
    /// A file to be extracted is larger than the limit.
    #[error("{name:?} in the initrd is {size}, expected at most {limit}")]
    File {
        /// Its name.
        name: String,
        /// Its size.
        size: Bytes,
        /// The limit.
        limit: Bytes,
    },
}

/// What an initrd may cost to read; what passes them is refused.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// All segments together, unpacked.
    pub unpacked: Bytes,
    /// Entries of all archives together.
    pub entries: usize,
    /// Names and links' targets of all entries together, which are held.
    pub names: Bytes,
    /// One extracted file.
    pub file: Bytes,
}

impl Default for Limits {
    /// Ten times what the largest real initrds (netboot, with a whole system inside) need.
    fn default() -> Self {
        let names = Bytes::new(128 * MIB.get());
        Self { unpacked: Bytes::new(16 * GIB.get()), entries: 1_000_000, names, file: MIB }
    }
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A file, with its size.
    File(Bytes),
    /// A link, with its target.
    Symlink(Vec<u8>),
    /// A device, pipe or socket.
    Special,
}

/// One segment of an initrd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Where it begins in the file.
    pub offset: u64,
    /// How it is compressed.
    pub compression: Compression,
    /// Its entries, trailers not counted.
    pub entries: usize,
}

/// All names in an initrd. Names have no leading slash; a later entry replaces an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initrd {
    segments: Vec<Segment>,
    entries: BTreeMap<Vec<u8>, Kind>,
}

impl Initrd {
    /// Reads all names.
    pub fn list(initrd: impl Read, limits: &Limits) -> Result<Self, Error> {
        let mut entries = BTreeMap::new();
        let segments = segment::read(initrd, limits, &mut |entry, _data| {
            entries.insert(entry.name.clone(), entry.kind.clone());
            Ok(())
        })?;
        Ok(Self { segments, entries })
    }

    /// Reads the contents of some files; names are as [`Initrd::resolve`] gives them.
    pub fn extract(
        initrd: impl Read,
        names: &BTreeSet<Vec<u8>>,
        limits: &Limits,
    ) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Error> {
        let mut contents = BTreeMap::new();
        segment::read(initrd, limits, &mut |entry, data| {
            if let Kind::File(size) = entry.kind
                && names.contains(&entry.name)
            {
                let length = size.to_len().filter(|_| size <= limits.file).ok_or_else(|| {
                    let name = String::from_utf8_lossy(&entry.name).into_owned();
                    Error::File { name, size, limit: limits.file }
                })?;
                let mut content = vec![0; length];
                data.exact(&mut content, "a file's data")?;
                contents.insert(entry.name.clone(), content);
            }
            Ok(())
        })?;
        Ok(contents)
    }

    /// The segments, in the order of the file.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// All entries, sorted by name.
    pub fn entries(&self) -> impl Iterator<Item = (&[u8], &Kind)> {
        self.entries.iter().map(|(name, kind)| (name.as_slice(), kind))
    }

    /// The size of a file; `None` where the name is none. Links are not followed.
    pub fn size(&self, name: &[u8]) -> Option<Bytes> {
        match self.entries.get(name)? {
            Kind::File(size) => Some(*size),
            Kind::Directory | Kind::Symlink(_) | Kind::Special => None,
        }
    }

    /// Follows links to where a path leads; `None` where nothing is there.
    pub fn resolve(&self, path: &[u8]) -> Option<Vec<u8>> {
        let mut left: Vec<Vec<u8>> = components(path).rev().map(<[u8]>::to_vec).collect();
        let mut name: Vec<u8> = Vec::new();
        let mut links = 0;
        while let Some(part) = left.pop() {
            if part == b".." {
                let parent = name.iter().rposition(|b| *b == b'/').unwrap_or(0);
                name.truncate(parent);
                continue;
            }
            let parent = name.len();
            if parent > 0 {
                name.push(b'/');
            }
            name.extend_from_slice(&part);
            if let Some(Kind::Symlink(target)) = self.entries.get(&name) {
                links += 1;
                if links > LINKS_MAX {
                    return None;
                }
                name.truncate(if target.starts_with(b"/") { 0 } else { parent });
                left.extend(components(target).rev().map(<[u8]>::to_vec));
            }
        }
        self.entries.contains_key(&name).then_some(name)
    }

    /// The names of all kernel modules, without suffixes and with `_` for `-`, as the kernel names them.
    pub fn modules(&self) -> BTreeSet<String> {
        self.entries
            .iter()
            .filter(|(_, kind)| matches!(kind, Kind::File(_)))
            .filter_map(|(name, _)| module_name(&String::from_utf8_lossy(name)))
            .collect()
    }
}

/// The components of a path, those that change nothing left out.
fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|b| *b == b'/').filter(|part| !matches!(*part, b"" | b"."))
}

/// The kernel's name of the module in a file, `kernel/fs/nls/nls_iso8859-1.ko.xz`.
pub fn module_name(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let name = [".ko", ".ko.xz", ".ko.zst", ".ko.gz"]
        .into_iter()
        .find_map(|suffix| file.strip_suffix(suffix))?;
    Some(name.replace('-', "_"))
}

#[cfg(test)]
pub(crate) mod tests;
