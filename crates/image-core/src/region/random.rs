//! Files and devices: regions written at any offset, by several workers at once.
//!
//! The two differ in what bytes hold that nobody writes. A fresh file reads as zeros there, so gaps
//! and zeros are left as holes. A device still holds what somebody wrote years ago: zeros that a
//! reader relies on are written, and gaps, which no reader looks at, are not touched.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::{FileType, SeekFrom};

use super::Error;
use crate::units::Bytes;

/// A region that takes bytes at any offset. `&self`, because workers share it.
pub trait Random: Sync {
    /// Makes room for an image, once, before anything is written.
    ///
    /// # Errors
    /// [`Error::Prepare`] or [`Error::TooSmall`].
    fn prepare(&self, size: Bytes) -> Result<(), Error>;

    /// Writes some bytes at an offset and tells how many it took.
    ///
    /// # Errors
    /// The system's answer.
    fn write_at(&self, data: &[u8], offset: Bytes) -> io::Result<usize>;

    /// Reads some bytes at an offset and tells how many came.
    ///
    /// # Errors
    /// The system's answer.
    fn read_at(&self, buffer: &mut [u8], offset: Bytes) -> io::Result<usize>;

    /// Tells what bytes hold that nobody writes.
    fn unwritten(&self) -> Unwritten;

    /// Gives the file that the kernel may copy into, where there is one.
    fn copy_target(&self) -> Option<&File> {
        None
    }
}

/// What the bytes of a region hold that nobody writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwritten {
    /// Zeros, like the holes of a fresh file.
    Zeros,
    /// Whatever was there before, like on a disk.
    Old,
}

/// An empty regular file, open for reading and writing.
#[derive(Clone, Copy, Debug)]
pub struct FreshFile<'f>(&'f File);

impl<'f> FreshFile<'f> {
    /// Wraps a file; that it is empty and regular is checked when room is made.
    pub fn new(file: &'f File) -> Self {
        Self(file)
    }
}

impl Random for FreshFile<'_> {
    fn prepare(&self, size: Bytes) -> Result<(), Error> {
        let error = |source| Error::Prepare { size: size.get(), source };
        let metadata = self.0.metadata().map_err(error)?;
        if !metadata.is_file() || metadata.len() != 0 {
            let (kind, len) = (metadata.file_type(), metadata.len());
            let found = format!("expected an empty regular file, found {kind:?} of {len} bytes");
            return Err(error(io::Error::new(io::ErrorKind::InvalidInput, found)));
        }
        self.0.set_len(size.get()).map_err(error)
    }

    fn write_at(&self, data: &[u8], offset: Bytes) -> io::Result<usize> {
        self.0.write_at(data, offset.get())
    }

    fn read_at(&self, buffer: &mut [u8], offset: Bytes) -> io::Result<usize> {
        self.0.read_at(buffer, offset.get())
    }

    fn unwritten(&self) -> Unwritten {
        Unwritten::Zeros
    }

    fn copy_target(&self) -> Option<&File> {
        Some(self.0)
    }
}

/// A block device, or a file that stands for one: its size is fixed and it is not empty.
///
/// Whether it may be overwritten was decided before; flushing it is the caller's business.
#[derive(Clone, Copy, Debug)]
pub struct Device<'f>(&'f File);

impl<'f> Device<'f> {
    /// Wraps a device, open for reading and writing.
    pub fn new(file: &'f File) -> Self {
        Self(file)
    }
}

impl Random for Device<'_> {
    fn prepare(&self, size: Bytes) -> Result<(), Error> {
        let error = |source: io::Error| Error::Prepare { size: size.get(), source };
        let stat = rustix::fs::fstat(self.0).map_err(|errno| error(errno.into()))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::BlockDevice | FileType::RegularFile => {}
            kind @ (FileType::Directory
            | FileType::CharacterDevice
            | FileType::Fifo
            | FileType::Socket
            | FileType::Symlink
            | FileType::Unknown) => {
                let found = format!("expected a block device, found {kind:?}");
                return Err(error(io::Error::new(io::ErrorKind::InvalidInput, found)));
            }
        }
        // The size of a block device is where its end is; st_size says nothing.
        let found = rustix::fs::seek(self.0, SeekFrom::End(0));
        let found = found.map_err(|errno| error(errno.into()))?;
        if Bytes::new(found) < size {
            return Err(Error::TooSmall { needed: size.get(), found });
        }
        Ok(())
    }

    fn write_at(&self, data: &[u8], offset: Bytes) -> io::Result<usize> {
        self.0.write_at(data, offset.get())
    }

    fn read_at(&self, buffer: &mut [u8], offset: Bytes) -> io::Result<usize> {
        self.0.read_at(buffer, offset.get())
    }

    fn unwritten(&self) -> Unwritten {
        Unwritten::Old
    }
}
