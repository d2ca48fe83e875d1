//! An entry found: whether it is whole.
//!
//! Disks and memory flip bits, file systems lose the ends of files in a power cut, people copy
//! directories about. So nothing in the file is believed: an entry is whole if its trailer fits the
//! file, the key is the one that was asked for, and the check sums of its index and of all its
//! blocks are right. Otherwise it is damaged, which is no error: it is made anew.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::io::Errno;

use super::ondisk::{Index, MAGIC, Trailer, VERSION};
use super::{Error, Key};
use crate::pack::Block;
use crate::tree::HostFile;
use crate::tree::source::SourceError;
use crate::units::Bytes;

/// How much is read at once.
const CHUNK: usize = 256 << 10;

/// What reading an entry told.
#[derive(Debug)]
pub(super) enum Reading {
    /// Every byte is right.
    Whole(Vec<Block>),
    /// It cannot be used.
    Damaged(Damage),
}

/// What is wrong with an entry.
#[derive(Debug, thiserror::Error)]
pub(super) enum Damage {
    #[error("{0} does not fit what its trailer says")]
    Size(Bytes),
    #[error("it does not end as an entry does")]
    Magic,
    #[error("expected version {VERSION}, found {0}")]
    Version(u32),
    #[error("its index is not what was written")]
    Index,
    #[error("it is the entry of another key, {}", .0.name())]
    Key(Key),
    #[error("block {0} is not what was written")]
    Block(usize),
    #[error("{0} changed while it was read")]
    Changed(&'static str),
    #[error("it cannot be read: {0}")]
    Unreadable(io::Error),
}

/// Why a reading ended early.
enum Stop {
    Damage(Damage),
    Error(Error),
}

impl From<Damage> for Stop {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

impl From<SourceError> for Stop {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Io { source, .. } if is_damage(&source) => {
                Self::Damage(Damage::Unreadable(source))
            }
            SourceError::Io { .. } => Self::Error(error.into()),
            SourceError::Changed { what, .. } => Self::Damage(Damage::Changed(what)),
        }
    }
}

/// Tells answers that will stay the same from those of a busy machine, which are errors: a whole
/// entry is not given up because there are too many open files.
fn is_damage(error: &io::Error) -> bool {
    let is_bad_sector = error.raw_os_error() == Some(Errno::IO.raw_os_error());
    // Forbidden: made by root in somebody's home. Not found: somebody else found it damaged first.
    let kinds =
        [io::ErrorKind::PermissionDenied, io::ErrorKind::NotFound, io::ErrorKind::UnexpectedEof];
    is_bad_sector || kinds.contains(&error.kind())
}

/// Reads all of an entry.
///
/// # Errors
/// The system's answer, where that says nothing about the entry.
pub(super) fn read(host: &HostFile, key: Key) -> Result<Reading, Error> {
    match check(host, key) {
        Ok(blocks) => Ok(Reading::Whole(blocks)),
        Err(Stop::Damage(damage)) => Ok(Reading::Damaged(damage)),
        Err(Stop::Error(error)) => Err(error),
    }
}

fn check(host: &HostFile, key: Key) -> Result<Vec<Block>, Stop> {
    let entry = Opened { file: host.open()?, host };
    let index = entry.index()?;
    if index.key != key {
        return Err(Damage::Key(index.key).into());
    }
    let mut buffer = vec![0; CHUNK];
    for (number, record) in index.records.iter().enumerate() {
        if entry.crc32c(record.block.start, record.block.size, &mut buffer)? != record.crc32c {
            return Err(Damage::Block(number).into());
        }
    }
    host.check(&entry.file)?;
    Ok(index.records.into_iter().map(|record| record.block).collect())
}

/// An entry's file.
struct Opened<'h> {
    file: File,
    host: &'h HostFile,
}

impl Opened<'_> {
    /// Reads the index.
    fn index(&self) -> Result<Index, Stop> {
        let size = self.host.identity().size;
        let trailer_size = Bytes::from_len(Trailer::SIZE);
        let trailer_start = size.checked_sub(trailer_size).ok_or(Damage::Size(size))?;
        let mut trailer = [0; Trailer::SIZE];
        self.fill(trailer_start, &mut trailer)?;
        let trailer = Trailer::decode(&trailer);
        if trailer.magic != MAGIC {
            return Err(Damage::Magic.into());
        }
        if trailer.version != VERSION {
            return Err(Damage::Version(trailer.version).into());
        }
        if trailer.index_start + trailer.index_size() != trailer_start {
            return Err(Damage::Size(size).into());
        }
        // No more than the file's own size, which was just compared.
        let mut index = vec![0; trailer.index_size().to_len().ok_or(Damage::Size(size))?];
        self.fill(trailer.index_start, &mut index)?;
        let crc32c = crc32c::crc32c(&index);
        let index = Index::decode(&index).filter(|_| crc32c == trailer.index_crc32c);
        Ok(index.ok_or(Damage::Index)?)
    }

    fn crc32c(&self, start: Bytes, size: Bytes, buffer: &mut [u8]) -> Result<u32, Stop> {
        let mut crc32c = 0;
        let (mut at, end) = (start, start + size);
        while at < end {
            let len = (end - at).to_len().unwrap_or(usize::MAX).min(buffer.len());
            let part = &mut buffer[..len];
            self.fill(at, part)?;
            crc32c = crc32c::crc32c_append(crc32c, part);
            at += Bytes::from_len(len);
        }
        Ok(crc32c)
    }

    fn fill(&self, at: Bytes, out: &mut [u8]) -> Result<(), Stop> {
        self.file.read_exact_at(out, at.get()).map_err(|source| {
            let path = self.host.path();
            SourceError::Io { action: "read", path, source }.into()
        })
    }
}
