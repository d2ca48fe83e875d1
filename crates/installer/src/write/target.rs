//! The device as the copy sees it: positioned reads and writes, zeros, and a word that all is stored.
//!
//! A [`BlockDevice`] is opened exclusively, so that the kernel refuses what somebody uses, and
//! directly: what was written is on its way to the device and not in memory, which makes progress
//! honest, keeps the page cache for others, and lets reading back mean the device. It is locked as
//! systemd asks of programs that write devices (`Locking Block Device Access`): udev looks at it again when it is
//! closed, and reads the partition table.
//!
//! Zeros are written where the device guarantees to give them back, and only there by unmapping: the
//! kernel's `fallocate` on a block device (`block/fops.c`) makes holes with `BLKDEV_ZERO_NOFALLBACK`,
//! which is refused where an unmapped sector might hold anything, and zeroes ranges with
//! `BLKDEV_ZERO_NOUNMAP`, which the kernel does by writing where the device cannot.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use calve_image_core::units::{Bytes, MIB};
use rustix::fs::{FallocateFlags, FlockOperation, Mode, OFlags, SeekFrom};
use rustix::io::Errno;

use super::Error;
use super::buffer::Buffer;
use crate::survey::DeviceNumber;

/// How often, and how many times, a lock is asked for: udev holds one while it looks at a device.
const LOCK: (Duration, u32) = (Duration::from_millis(100), 50);

/// Zeros to write where the kernel has no better way.
const ZEROS: Bytes = MIB;

/// A device to write. Offsets and lengths are multiples of its sector.
pub trait Target: Sync {
    /// Returns the size of the device.
    fn size(&self) -> Bytes;

    /// Returns the size of its sectors.
    fn sector(&self) -> Bytes;

    /// Writes bytes at an offset, all of them.
    ///
    /// # Errors
    /// The system's answer.
    fn write(&self, data: &[u8], at: Bytes) -> io::Result<()>;

    /// Makes bytes read as zeros.
    ///
    /// # Errors
    /// The system's answer.
    fn zero(&self, at: Bytes, size: Bytes) -> io::Result<()>;

    /// Reads bytes at an offset, from the device itself.
    ///
    /// # Errors
    /// The system's answer.
    fn read(&self, buffer: &mut [u8], at: Bytes) -> io::Result<()>;

    /// Waits until everything is stored.
    ///
    /// # Errors
    /// The system's answer.
    fn flush(&self) -> io::Result<()>;
}

/// A block device that nobody else uses, until this is dropped.
#[derive(Debug)]
pub struct BlockDevice {
    file: File,
    path: PathBuf,
    size: Bytes,
    sector: Bytes,
    /// The best way to make zeros that has not failed yet: an index of [`WAYS`].
    way: AtomicU8,
}

/// The ways to make zeros that the kernel has, the fastest first.
const WAYS: [FallocateFlags; 2] = [
    FallocateFlags::PUNCH_HOLE.union(FallocateFlags::KEEP_SIZE),
    FallocateFlags::ZERO_RANGE.union(FallocateFlags::KEEP_SIZE),
];

impl BlockDevice {
    /// Opens a device for nobody else.
    ///
    /// # Errors
    /// [`Error::Busy`] where somebody uses it, else [`Error::Open`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let error = |errno: Errno| Error::Open { path: path.to_owned(), source: errno.into() };
        let flags = OFlags::RDWR | OFlags::EXCL | OFlags::DIRECT | OFlags::CLOEXEC;
        let file = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::BUSY) => return Err(Error::Busy { path: path.to_owned() }),
            Err(errno) => return Err(error(errno)),
        };
        lock(&file, path)?;
        let size = rustix::fs::seek(&file, SeekFrom::End(0)).map_err(error)?;
        let sector = rustix::fs::ioctl_blksszget(&file).map_err(error)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            size: Bytes::new(size),
            sector: Bytes::new(sector.into()),
            way: AtomicU8::new(0),
        })
    }

    /// Tells which device was opened.
    ///
    /// # Errors
    /// The system's answer.
    pub fn number(&self) -> Result<DeviceNumber, Error> {
        let stat = rustix::fs::fstat(&self.file);
        let stat =
            stat.map_err(|errno| Error::Open { path: self.path.clone(), source: errno.into() })?;
        Ok(DeviceNumber::from_raw(stat.st_rdev))
    }

    fn zero_by(&self, way: FallocateFlags, at: Bytes, size: Bytes) -> io::Result<bool> {
        match rustix::fs::fallocate(&self.file, way, at.get(), size.get()) {
            Ok(()) => Ok(true),
            Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS | Errno::REMOTEIO) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    fn zero_by_writing(&self, at: Bytes, size: Bytes) -> io::Result<()> {
        let zeros = Buffer::new(ZEROS);
        let mut done = Bytes::ZERO;
        while done < size {
            let part = ZEROS.min(size - done);
            let data = zeros.bytes().get(..part.to_len().unwrap_or_default()).unwrap_or_default();
            self.write(data, at + done)?;
            done += part;
        }
        Ok(())
    }
}

/// Keeps udev away until the file is closed.
fn lock(file: &File, path: &Path) -> Result<(), Error> {
    let (pause, times) = LOCK;
    for _ in 0..times {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(Errno::WOULDBLOCK | Errno::INTR) => thread::sleep(pause),
            Err(errno) => {
                return Err(Error::Open { path: path.to_owned(), source: errno.into() });
            }
        }
    }
    Err(Error::Busy { path: path.to_owned() })
}

impl Target for BlockDevice {
    fn size(&self) -> Bytes {
        self.size
    }

    fn sector(&self) -> Bytes {
        self.sector
    }

    fn write(&self, data: &[u8], at: Bytes) -> io::Result<()> {
        self.file.write_all_at(data, at.get())
    }

    fn zero(&self, at: Bytes, size: Bytes) -> io::Result<()> {
        loop {
            let tried = self.way.load(Ordering::Relaxed);
            let Some(way) = WAYS.get(usize::from(tried)) else {
                return self.zero_by_writing(at, size);
            };
            if self.zero_by(*way, at, size)? {
                return Ok(());
            }
            // What the device cannot do once it cannot do later.
            self.way.store(tried + 1, Ordering::Relaxed);
        }
    }

    fn read(&self, buffer: &mut [u8], at: Bytes) -> io::Result<()> {
        self.file.read_exact_at(buffer, at.get())
    }

    fn flush(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}
