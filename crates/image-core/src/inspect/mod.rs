//! What is on a disk image that exists: its partitions and the file systems in them.
//!
//! This is the way back from the bytes to the words of a layout, for people who want to see what an
//! image holds and for programs that must know before they start it. It reads a few sectors of raw
//! and qcow2 images and trusts none of them: sizes are bounded, checksums are checked. It repairs
//! nothing.
//!
//! - `qcow2`: finds the disk's bytes in a qcow2 image
//! - `gpt`, [`mbr`]: read the partition table
//! - `volume`: recognises file systems by their first bytes; [`superblock`]: whether they are whole
//! - [`luks2`]: opens encrypted volumes
//! - [`iso9660`]: finds files on an ISO, and what firmware starts from it
//! - [`squashfs`]: reads a live image's store
//! - [`verify`]: whether all of that store is what was registered
//!
//! All read a [`Medium`], so that a device, or the beginning of what is still compressed, is understood
//! by the same code as an image's file.

mod gpt;
pub mod iso9660;
pub mod luks2;
pub mod mbr;
mod qcow2;
pub mod squashfs;
pub mod superblock;
pub mod verify;
mod volume;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::Serialize;
use uuid::Uuid;

pub use gpt::{Table, read as table};
pub use volume::{Volume, recognise as volume};

use crate::units::{Bytes, SectorSize};

/// Why an image cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("the image cannot be read at {at}")]
    Read {
        /// Where, in bytes of the file.
        at: u64,
        /// What the system says.
        source: io::Error,
    },
    /// The file is a qcow2 image of a kind that is not read here.
    #[error("the qcow2 image has {found}, which is not supported")]
    Qcow2 {
        /// What it has.
        found: String,
    },
    /// There is no GPT.
    #[error("expected a GPT at byte 512 or 4096 of the disk, found none")]
    NoTable,
    /// A directory of an ISO makes no sense.
    #[error("the ISO's directory at byte {at} is damaged: {found}")]
    DamagedIso {
        /// Where, in bytes of the image.
        at: u64,
        /// What is there.
        found: String,
    },
    /// The GPT's bytes contradict each other.
    #[error("the GPT is damaged: expected {expected}, found {found}")]
    DamagedTable {
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
}

/// How an image file holds the disk's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// As they are.
    Raw,
    /// In QEMU's copy-on-write format.
    Qcow2,
}

/// A disk image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// How the file holds the disk.
    pub format: Format,
    /// The size of the disk.
    pub size: Bytes,
    /// What the partition table calls a sector.
    pub sector_size: SectorSize,
    /// The id of the disk.
    pub uuid: Uuid,
    /// The partitions, in the order of the table.
    pub partitions: Vec<Partition>,
}

/// A partition of a disk image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number, from 1.
    pub number: u32,
    /// Its name in the table.
    pub name: String,
    /// The GUID that says what it is for.
    pub kind: Uuid,
    /// Its own id.
    pub uuid: Uuid,
    /// Where it begins.
    pub start: Bytes,
    /// How large it is.
    pub size: Bytes,
    /// The file system in it, if it is one that is known.
    pub volume: Option<Volume>,
}

/// What is on an ISO.
#[derive(Debug, Clone)]
pub struct Live {
    /// The file system.
    pub iso: iso9660::Iso,
    /// The store's image: where it lies on the ISO, and what its superblock says.
    pub store: Option<(String, squashfs::Superblock)>,
}

/// Reads what is on an ISO; none where the image is none.
///
/// # Errors
/// What makes no sense, and where.
pub fn live(file: &File) -> Result<Option<Live>, squashfs::Error> {
    let disk = Disk::open(file)?;
    let Some(iso) = iso9660::Iso::open(&disk)? else { return Ok(None) };
    let store = store_image(&disk, &iso)?.map(|(record, squashfs)| {
        let name = String::from_utf8_lossy(&record.name);
        (format!("/{name}"), squashfs.superblock().clone())
    });
    Ok(Some(Live { iso, store }))
}

/// Finds the squashfs in an ISO's root directory.
fn store_image<'d>(
    disk: &'d Disk<'d>,
    iso: &iso9660::Iso,
) -> Result<Option<(iso9660::Record, squashfs::Squashfs<'d>)>, squashfs::Error> {
    for record in iso.top(disk)? {
        let len = record.size.min(disk.size.saturating_sub(record.start));
        if let Some(squashfs) = squashfs::Squashfs::open(disk, record.start, len)? {
            return Ok(Some((record, squashfs)));
        }
    }
    Ok(None)
}

/// The bytes of a disk, wherever they are.
pub trait Medium {
    /// Reads from the disk; what lies beyond its end, or was never written, is zeros.
    ///
    /// # Errors
    /// The system's answer, or that the bytes are kept in a way that is not read here.
    fn read(&self, at: Bytes, buffer: &mut [u8]) -> Result<(), Error>;
}

/// Reads what is on a disk image.
///
/// # Errors
/// That there is no table that could be shown, or why the file cannot be read.
pub fn inspect(file: &File) -> Result<Image, Error> {
    let disk = Disk::open(file)?;
    let table = gpt::read(&disk)?;
    let mut partitions = Vec::new();
    for entry in table.entries {
        let volume = volume::recognise(&disk, entry.start)?;
        partitions.push(Partition { volume, ..entry });
    }
    Ok(Image {
        format: disk.format(),
        size: disk.size,
        sector_size: table.sector_size,
        uuid: table.uuid,
        partitions,
    })
}

/// The disk's bytes, however a file holds them.
#[derive(Debug)]
pub struct Disk<'a> {
    file: &'a File,
    size: Bytes,
    map: Option<qcow2::Map>,
}

impl<'a> Disk<'a> {
    /// Learns how a file holds a disk; a block device is the disk itself.
    ///
    /// # Errors
    /// The file cannot be read, or is a qcow2 image of a kind that is not read here.
    pub fn open(file: &'a File) -> Result<Self, Error> {
        match qcow2::Map::read(file)? {
            Some(map) => Ok(Self { file, size: map.size(), map: Some(map) }),
            None => {
                // A block device's metadata has no length.
                let mut end = file;
                let size = io::Seek::seek(&mut end, io::SeekFrom::End(0))
                    .map_err(|source| Error::Read { at: 0, source })?;
                Ok(Self { file, size: Bytes::new(size), map: None })
            }
        }
    }

    /// Returns the size of the disk.
    pub fn size(&self) -> Bytes {
        self.size
    }

    /// Tells how the file holds the disk.
    pub fn format(&self) -> Format {
        if self.map.is_some() { Format::Qcow2 } else { Format::Raw }
    }
}

impl Medium for Disk<'_> {
    fn read(&self, at: Bytes, buffer: &mut [u8]) -> Result<(), Error> {
        buffer.fill(0);
        let Some(map) = &self.map else {
            return read_some(self.file, at.get(), buffer);
        };
        let mut at = at.get();
        let mut rest = buffer;
        while !rest.is_empty() {
            let within = map.within_cluster(at).min(Bytes::from_len(rest.len()).get());
            let (part, left) = rest.split_at_mut(usize::try_from(within).unwrap_or(rest.len()));
            if let Some(host) = map.find(self.file, at)? {
                read_some(self.file, host, part)?;
            }
            at = at.saturating_add(within);
            rest = left;
        }
        Ok(())
    }
}

/// Reads as much as there is.
fn read_some(file: &File, at: u64, buffer: &mut [u8]) -> Result<(), Error> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let from = at.saturating_add(Bytes::from_len(done).get());
        match file.read_at(rest, from) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(Error::Read { at: from, source }),
        }
    }
    Ok(())
}

/// The bytes from `at`, as an array; the caller knows that they are there.
pub(crate) fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    for (to, from) in array.iter_mut().zip(bytes.iter().skip(at)) {
        *to = *from;
    }
    array
}

#[cfg(test)]
mod tests;
