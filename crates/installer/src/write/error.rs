//! What can go wrong between an image and a device.

use std::io;
use std::path::PathBuf;

use calve_image_core::{disk, inspect};

use super::image;
use crate::survey;

/// Why an image was not written, or not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the kernel says of its devices could not be read.
    #[error(transparent)]
    Survey(#[from] survey::Error),
    /// The device could not be opened.
    #[error("{} cannot be opened for writing", path.display())]
    Open {
        /// Which device.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The kernel says that somebody uses the device.
    #[error("{} is in use: the kernel gives it to nobody else", path.display())]
    Busy {
        /// Which device.
        path: PathBuf,
    },
    /// The device is not the one that was looked at.
    #[error("{} is another device now: expected {expected}, found {found}", path.display())]
    Changed {
        /// How it is called.
        path: PathBuf,
        /// What was there.
        expected: String,
        /// What is there now.
        found: String,
    },
    /// The image could not be read.
    #[error(transparent)]
    Image(#[from] image::Error),
    /// What is still compressed turned out to be larger than the device.
    #[error("the image is larger than the device: it goes on after byte {size}")]
    TooLarge {
        /// The device's size.
        size: u64,
    },
    /// The device did not take some bytes.
    #[error("the device does not take what belongs to byte {at}")]
    Write {
        /// The first of them.
        at: u64,
        /// The system's answer.
        source: io::Error,
    },
    /// The device did not say that everything is stored.
    #[error("the device does not say that everything is stored")]
    Flush {
        /// The system's answer.
        source: io::Error,
    },
    /// The device did not give some bytes back.
    #[error("the device does not give back what it holds at byte {at}")]
    Read {
        /// The first of them.
        at: u64,
        /// The system's answer.
        source: io::Error,
    },
    /// The device gave back other bytes.
    #[error("byte {at} of the device: expected {expected:#04x}, found {found:#04x}")]
    Differs {
        /// The first byte that is wrong.
        at: u64,
        /// What the image has there.
        expected: u8,
        /// What the device has there.
        found: u8,
    },
    /// The partition table on the device could not be understood.
    #[error("the partition table on the device cannot be read back")]
    Table(#[from] inspect::Error),
    /// The partition table on the device could not be moved.
    #[error("the backup of the partition table cannot be moved to the end of the device")]
    Move(#[from] disk::gpt_moved::Error),
    /// Somebody said stop.
    #[error("stopped")]
    Cancelled,
}
