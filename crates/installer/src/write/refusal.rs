//! Why a device must not be written, or not with this image.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use calve_image_core::units::{Bytes, SectorSize};

use super::Image;
use crate::survey::uses::{self, InUse};
use crate::survey::{Device, DeviceNumber, Error, Host};

/// A reason to leave a device alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is a partition, and a disk is meant by default.
    #[error("{name} is a partition of {disk}: expected a whole disk")]
    Partition {
        /// The partition.
        name: String,
        /// The disk.
        disk: String,
    },
    /// There is nothing in it.
    #[error("{name} holds no medium")]
    NoMedium {
        /// The device.
        name: String,
    },
    /// It is a CD or DVD drive.
    #[error("{name} is an optical drive: discs are burnt, not written")]
    Optical {
        /// The device.
        name: String,
    },
    /// Its zones are written in order, which images know nothing of.
    #[error("{name} is a zoned disk: it cannot be written at any place")]
    Zoned {
        /// The device.
        name: String,
    },
    /// It may not be written.
    #[error("{name} is write-protected")]
    ReadOnly {
        /// The device.
        name: String,
    },
    /// Somebody uses it.
    #[error("{0}")]
    InUse(InUse),
    /// It is too small.
    #[error("the image has {needed} ({} bytes), {name} only {size}: {} bytes are missing",
        needed.get(), (*needed - *size).get())]
    TooSmall {
        /// The device.
        name: String,
        /// The image's size.
        needed: Bytes,
        /// The device's size.
        size: Bytes,
    },
    /// The image's table counts in other sectors.
    #[error("the image counts in sectors of {expected} bytes, {name} in sectors of {found}")]
    Sector {
        /// The device.
        name: String,
        /// What the image counts in.
        expected: u64,
        /// What the device counts in.
        found: u64,
    },
}

/// A path that leads to no block device.
#[derive(Debug, thiserror::Error)]
pub enum NoDevice {
    /// It leads nowhere.
    #[error("{path} does not exist")]
    Missing {
        /// The path.
        path: String,
    },
    /// It leads to something else.
    #[error("{path} is a {found}: expected a block device")]
    Other {
        /// The path.
        path: String,
        /// What it leads to.
        found: &'static str,
    },
    /// It cannot be looked at.
    #[error("{path} cannot be looked at")]
    Unreadable {
        /// The path.
        path: String,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// Finds the number of the device that a path leads to, through whatever links.
///
/// # Errors
/// It leads to none.
pub fn number(path: &Path) -> Result<DeviceNumber, NoDevice> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(source) => {
            let path = path.display().to_string();
            let is_missing = source.kind() == std::io::ErrorKind::NotFound;
            return Err(if is_missing {
                NoDevice::Missing { path }
            } else {
                NoDevice::Unreadable { path, source }
            });
        }
    };
    let kind = metadata.file_type();
    if kind.is_block_device() {
        return Ok(DeviceNumber::from_raw(metadata.rdev()));
    }
    let found = match () {
        () if kind.is_file() => "regular file",
        () if kind.is_dir() => "directory",
        () if kind.is_char_device() => "character device",
        () => "pipe or socket",
    };
    Err(NoDevice::Other { path: path.display().to_string(), found })
}

/// What the user allows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allowed {
    /// A partition instead of a disk.
    pub partition: bool,
}

/// Finds all reasons not to write an image to a device.
///
/// # Errors
/// What the kernel says cannot be read.
pub fn refusals(
    host: &Host,
    device: &Device,
    image: &Image,
    allowed: Allowed,
) -> Result<Vec<Refusal>, Error> {
    let mut refusals = about(host, device, allowed)?;
    let needed = image.least_size();
    let name = || device.name.clone();
    if !device.size.is_zero() && needed > device.size {
        refusals.push(Refusal::TooSmall { name: name(), needed, size: device.size });
    }
    if let Some(expected) = image.sector_size().map(SectorSize::bytes)
        && expected != device.sector
    {
        let (expected, found) = (expected.get(), device.sector.get());
        refusals.push(Refusal::Sector { name: name(), expected, found });
    }
    Ok(refusals)
}

/// Finds all reasons not to write anything to a device.
///
/// # Errors
/// What the kernel says cannot be read.
pub fn about(host: &Host, device: &Device, allowed: Allowed) -> Result<Vec<Refusal>, Error> {
    let name = || device.name.clone();
    let mut refusals = Vec::new();
    if let Some(disk) = device.disk.clone().filter(|_| !allowed.partition) {
        refusals.push(Refusal::Partition { name: name(), disk });
    }
    for (is_so, refusal) in [
        (device.size.is_zero(), Refusal::NoMedium { name: name() }),
        (device.is_optical, Refusal::Optical { name: name() }),
        (device.is_zoned, Refusal::Zoned { name: name() }),
        (device.is_read_only, Refusal::ReadOnly { name: name() }),
    ] {
        if is_so {
            refusals.push(refusal);
        }
    }
    refusals.extend(uses::uses(host, device)?.into_iter().map(Refusal::InUse));
    Ok(refusals)
}
