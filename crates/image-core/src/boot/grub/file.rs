//! A file of GRUB's folder in memory, and the little-endian numbers in it.
//!
//! Every access is bounded: what a file says about itself is not believed.

use super::Error;
use crate::inputs::store::HostStore;
use crate::inputs::store_path::StoreFile;
use crate::units::{Bytes, MIB};

/// Far more than any file of GRUB; the largest modules are about 400 KiB.
const LIMIT: Bytes = Bytes::new(4 * MIB.get());

/// The folder of one platform in the store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Folder<'a> {
    pub(super) store: &'a HostStore,
    pub(super) place: &'a StoreFile,
}

impl Folder<'_> {
    /// Where a file of the folder is.
    pub(super) fn file(&self, name: &str) -> Result<StoreFile, Error> {
        Ok(self.place.path().join(&format!("{}/{name}", self.place.inner()))?)
    }

    /// Reads a file of the folder.
    pub(super) fn read(&self, name: &str) -> Result<File, Error> {
        let place = self.file(name)?;
        let bytes = self.store.read(&place, LIMIT)?;
        Ok(File { place, bytes })
    }

    /// Reads a file that has one size everywhere.
    pub(super) fn read_sized(&self, name: &str, expected: usize) -> Result<File, Error> {
        let file = self.read(name)?;
        if file.bytes.len() == expected {
            return Ok(file);
        }
        Err(file.malformed(format!("has {} bytes, expected {expected}", file.bytes.len())))
    }

    /// Refuses a part that is larger than its room.
    pub(super) fn room(&self, what: &'static str, found: usize, limit: usize) -> Result<(), Error> {
        if found <= limit {
            return Ok(());
        }
        let (found, limit) = (Bytes::from_len(found), Bytes::from_len(limit));
        Err(Error::Room { what, folder: self.place.clone(), found, limit })
    }
}

/// A file and where it came from.
#[derive(Debug)]
pub(super) struct File {
    pub(super) place: StoreFile,
    pub(super) bytes: Vec<u8>,
}

impl File {
    /// Says what is wrong with the file, as a predicate.
    pub(super) fn malformed(&self, problem: String) -> Error {
        Error::Malformed { file: self.place.clone(), problem }
    }

    /// A range of the file.
    pub(super) fn range(&self, at: usize, size: usize) -> Result<&[u8], Error> {
        let range = at.checked_add(size).and_then(|end| self.bytes.get(at..end));
        range.ok_or_else(|| {
            let problem = format!("has {} bytes, expected {size} at {at}", self.bytes.len());
            self.malformed(problem)
        })
    }

    fn field<const N: usize>(&self, at: usize) -> Result<[u8; N], Error> {
        let mut field = [0; N];
        field.copy_from_slice(self.range(at, N)?);
        Ok(field)
    }

    /// A 16-bit number.
    pub(super) fn u16(&self, at: usize) -> Result<u16, Error> {
        self.field(at).map(u16::from_le_bytes)
    }

    /// A 32-bit number.
    pub(super) fn u32(&self, at: usize) -> Result<u32, Error> {
        self.field(at).map(u32::from_le_bytes)
    }

    /// A 64-bit number.
    pub(super) fn u64(&self, at: usize) -> Result<u64, Error> {
        self.field(at).map(u64::from_le_bytes)
    }

    /// A signed 64-bit number.
    pub(super) fn i64(&self, at: usize) -> Result<i64, Error> {
        self.field(at).map(i64::from_le_bytes)
    }

    /// A 32-bit number that counts bytes or entries.
    pub(super) fn len32(&self, at: usize) -> Result<usize, Error> {
        self.u32(at).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
    }

    /// A 64-bit number that counts bytes or entries.
    pub(super) fn len64(&self, at: usize) -> Result<usize, Error> {
        self.u64(at).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
    }

    /// Overwrites a 32-bit number.
    pub(super) fn set_u32(&mut self, at: usize, number: u32) -> Result<(), Error> {
        self.range(at, 4)?;
        self.bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        Ok(())
    }
}
