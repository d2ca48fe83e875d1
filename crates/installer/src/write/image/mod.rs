//! What is to be written: its kind, its size, and its bytes in order.
//!
//! - [`about`]: what an image says of itself in its first MiB; whatever says nothing is no image
//! - `packing`: how the file holds the image: as it is, in qcow2, or compressed
//! - `reader`: the bytes in order
//!
//! A raw or qcow2 image is as long as it is. How long a compressed one is nobody knows before it is
//! unpacked, so there its own table is believed at first, and held against what came in the end.

pub mod about;
mod packing;
mod reader;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use calve_image_core::inspect::{self, Disk};
use calve_image_core::units::{Bytes, SectorSize};

pub use about::{About, Kind};
pub use packing::Packing;
pub use reader::{Filled, Reader};

use super::HEAD;

/// Why an image cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be opened or read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It is no file.
    #[error("{} is a {found}: expected an image file", path.display())]
    NotAFile {
        /// Which path.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// It could not be unpacked.
    #[error("{} cannot be unpacked as {packing}", path.display())]
    Unpack {
        /// Which file.
        path: PathBuf,
        /// How it is packed.
        packing: Packing,
        /// What the decoder says.
        source: io::Error,
    },
    /// It is a qcow2 image of a kind that is not read here, or its table is damaged.
    #[error("{} cannot be understood", path.display())]
    Inspect {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: inspect::Error,
    },
    /// It is none.
    #[error(
        "{} is no disk image: expected a GPT, an MBR, an ISO 9660 or another file system, found {found}",
        path.display()
    )]
    Unknown {
        /// Which file.
        path: PathBuf,
        /// Its first bytes.
        found: String,
    },
    /// Its end is missing.
    #[error(
        "{} is cut short: {claim} says {expected} bytes, found {found}",
        path.display()
    )]
    Truncated {
        /// Which file.
        path: PathBuf,
        /// Who says how long it is.
        claim: &'static str,
        /// How long it should be.
        expected: u64,
        /// How long it is.
        found: u64,
    },
}

/// An image, open.
#[derive(Debug)]
pub struct Image {
    path: PathBuf,
    file: File,
    packing: Packing,
    /// The size, where it is known before everything is unpacked.
    size: Option<Bytes>,
    about: About,
}

impl Image {
    /// Opens an image and reads what it says of itself.
    ///
    /// # Errors
    /// It is none, or not all of one.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let read = |source| Error::Read { path: path.to_owned(), source };
        let metadata = std::fs::metadata(path).map_err(read)?;
        if metadata.is_dir() {
            return Err(Error::NotAFile { path: path.to_owned(), found: "directory" });
        }
        let file = File::open(path).map_err(read)?;
        let inspect = |source| Error::Inspect { path: path.to_owned(), source };
        let packing = Packing::of(&file).map_err(read)?;
        let size = match packing {
            Packing::Raw | Packing::Qcow2 => Some(Disk::open(&file).map_err(inspect)?.size()),
            Packing::Zstd | Packing::Xz | Packing::Gzip => None,
        };
        let mut image =
            Self { path: path.to_owned(), file, packing, size, about: About::nothing() };
        let mut head = vec![0; HEAD.to_len().unwrap_or_default()];
        let filled = image.reader()?.fill(&mut head)?;
        head.truncate(filled.size.to_len().unwrap_or_default());
        image.about = About::of(&head)
            .map_err(inspect)?
            .ok_or_else(|| Error::Unknown { path: path.to_owned(), found: found(&head) })?;
        match size {
            Some(size) => image.check_end(size).map(|()| image),
            None => Ok(image),
        }
    }

    /// Holds the size against what the image says.
    fn check_end(&self, size: Bytes) -> Result<(), Error> {
        let About { claim, claimed, .. } = &self.about;
        if *claimed <= size {
            return Ok(());
        }
        let (path, expected, found) = (self.path.clone(), claimed.get(), size.get());
        Err(Error::Truncated { path, claim, expected, found })
    }

    /// Returns its file's name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tells how the file holds it.
    pub fn packing(&self) -> Packing {
        self.packing
    }

    /// Tells what it is.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Returns its size, where that is known before it is unpacked.
    pub fn size(&self) -> Option<Bytes> {
        self.size
    }

    /// Returns what it needs at least.
    pub fn least_size(&self) -> Bytes {
        self.size.unwrap_or(self.about.claimed)
    }

    /// Tells in which sectors its table counts.
    pub fn sector_size(&self) -> Option<SectorSize> {
        self.about.sector_size
    }

    /// Begins to read it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn reader(&self) -> Result<Reader<'_>, Error> {
        Reader::new(self)
    }
}

/// The first bytes of what is no image.
fn found(head: &[u8]) -> String {
    match head {
        [] => "an empty file".to_owned(),
        _ if head.iter().all(|byte| *byte == 0) => "zeros".to_owned(),
        _ => {
            let bytes: Vec<String> =
                head.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            format!("bytes {}", bytes.join(" "))
        }
    }
}
