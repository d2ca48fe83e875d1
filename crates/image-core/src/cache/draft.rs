//! An entry in the making: a file under a name that nobody looks up.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::OFlags;

use super::ondisk::{Index, MAGIC, Record, Trailer, VERSION};
use super::{Entry, Error, Hold, Key};
use crate::pack::Block;
use crate::tree::HostFile;
use crate::units::Bytes;

/// An entry in the making; dropping it leaves nothing.
#[derive(Debug)]
pub struct Draft {
    file: File,
    name: Name,
    /// Where the next block goes.
    end: AtomicU64,
    records: Mutex<Vec<Option<Record>>>,
}

/// The draft's name, which goes with it. Names are never used twice, so removing one that was
/// renamed away does nothing.
#[derive(Debug)]
struct Name {
    hold: Arc<Hold>,
    path: String,
}

impl Drop for Name {
    fn drop(&mut self) {
        // What stays is removed by the next trimming.
        let _ = self.hold.place.remove(&self.path);
    }
}

impl Draft {
    pub(super) fn new(hold: Arc<Hold>, blocks: usize) -> Result<Self, Error> {
        let path = hold.lease.draft_path();
        let file = hold.place.open(&path, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)?;
        Ok(Self {
            file: file.into(),
            name: Name { hold, path },
            end: AtomicU64::new(0),
            records: Mutex::new(vec![None; blocks]),
        })
    }

    /// Adds a block; blocks come in any order, from several workers at once.
    ///
    /// # Errors
    /// The system's answer: most often that the file system is full. A block that was added already or was not
    /// announced is refused.
    pub fn add(&self, index: usize, data: &[u8], unpacked: Bytes, tag: u64) -> Result<(), Error> {
        let size = Bytes::of(data);
        let crc32c = crc32c::crc32c(data);
        let start = Bytes::new(self.end.fetch_add(size.get(), Ordering::Relaxed));
        self.write(data, start)?;
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let blocks = records.len();
        match records.get_mut(index) {
            Some(slot @ None) => {
                *slot = Some(Record { block: Block { start, size, unpacked, tag }, crc32c });
                Ok(())
            }
            Some(Some(_)) => Err(Error::Block { index, blocks, found: "was added twice" }),
            None => Err(Error::Block { index, blocks, found: "was not announced" }),
        }
    }

    /// Stores the entry under its key. Somebody else may have been faster: theirs is as good.
    ///
    /// # Errors
    /// The system's answer; a block that was announced and not added.
    pub fn commit(self, key: Key) -> Result<Entry, Error> {
        let index = Index { key, records: self.records()? };
        self.finish(&index)?;
        let Name { hold, path } = &self.name;
        loop {
            let lock = hold.place.lock()?;
            if hold.place.entry(key)?.is_none() {
                hold.used(key, &lock)?;
                let file = hold.place.name_entry(path, key, &lock)?;
                return Ok(Entry { file, blocks: blocks(index.records) });
            }
            drop(lock);
            if let Some(theirs) = hold.get(key)? {
                return Ok(theirs);
            }
        }
    }

    /// Keeps the blocks for this build alone: the entry has no name and goes with its last user.
    ///
    /// # Errors
    /// The system's answer; a block that was announced and not added.
    pub fn keep(self) -> Result<Entry, Error> {
        let blocks = blocks(self.records()?);
        let Self { file, name, .. } = self;
        let called = name.hold.place.path().join(&name.path);
        // Losing its last name changes a file, so that comes first.
        name.hold.place.remove(&name.path)?;
        Ok(Entry { file: Arc::new(HostFile::held(file, called)?), blocks })
    }

    /// Returns the blocks, all of which must be there.
    fn records(&self) -> Result<Vec<Record>, Error> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let blocks = records.len();
        let there = |(index, record): (usize, &Option<Record>)| {
            record.ok_or(Error::Block { index, blocks, found: "was not added" })
        };
        records.iter().enumerate().map(there).collect()
    }

    /// Writes what makes a file of blocks an entry.
    fn finish(&self, index: &Index) -> Result<(), Error> {
        let index_start = Bytes::new(self.end.load(Ordering::Relaxed));
        let count = index.records.len();
        let too_many = Error::Block { index: count, blocks: count, found: "is one too many" };
        let mut bytes = index.encode();
        let trailer = Trailer {
            index_start,
            blocks: u32::try_from(count).map_err(|_| too_many)?,
            index_crc32c: crc32c::crc32c(&bytes),
            version: VERSION,
            magic: MAGIC,
        };
        bytes.extend(trailer.encode());
        self.write(&bytes, index_start)
    }

    fn write(&self, data: &[u8], at: Bytes) -> Result<(), Error> {
        let written = self.file.write_all_at(data, at.get());
        written.map_err(|source| self.name.hold.place.io("write", &self.name.path, source))
    }
}

fn blocks(records: Vec<Record>) -> Vec<Block> {
    records.into_iter().map(|record| record.block).collect()
}
