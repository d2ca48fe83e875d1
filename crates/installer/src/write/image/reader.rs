//! An image's bytes in order, with word of where they are zeros.
//!
//! Holes of sparse files are found without reading them. Bytes that were read are looked at, too: most
//! of a fresh disk is zeros, however its file holds them.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use calve_image_core::inspect::{Disk, Medium};
use calve_image_core::units::Bytes;
use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::{Error, Image, Packing};

/// A page of zeros, to hold others against.
const PAGE: [u8; 4096] = [0; 4096];

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    /// How much; less than there was room for is the last, and nothing the end.
    pub size: Bytes,
    /// Whether it is zeros, all of it.
    pub is_zero: bool,
}

/// Reads an image from its first byte to its last.
#[derive(Debug)]
pub struct Reader<'i> {
    image: &'i Image,
    at: Bytes,
    bytes: Source<'i>,
}

/// Where the bytes come from.
enum Source<'i> {
    /// A file, or what holds a disk in it.
    Disk(Disk<'i>),
    /// A decoder, and whether it has come to its end.
    Decoder(Box<dyn Read + Send + 'i>),
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disk(_) => "Disk",
            Self::Decoder(_) => "Decoder",
        })
    }
}

impl<'i> Reader<'i> {
    pub(super) fn new(image: &'i Image) -> Result<Self, Error> {
        let file = FromStart { file: &image.file, at: 0 };
        let decoder = |decoder: Box<dyn Read + Send + 'i>| Source::Decoder(decoder);
        let bytes = match image.packing {
            Packing::Raw | Packing::Qcow2 => {
                let inspect = |source| Error::Inspect { path: image.path.clone(), source };
                Source::Disk(Disk::open(&image.file).map_err(inspect)?)
            }
            Packing::Zstd => {
                let decoded = zstd::Decoder::new(file).map_err(|source| unpack(image, source))?;
                decoder(Box::new(decoded))
            }
            Packing::Xz => decoder(Box::new(liblzma::read::XzDecoder::new_multi_decoder(file))),
            Packing::Gzip => decoder(Box::new(flate2::read::MultiGzDecoder::new(file))),
        };
        Ok(Self { image, at: Bytes::ZERO, bytes })
    }

    /// Fills a buffer with what comes next; what it does not fill becomes zeros.
    ///
    /// # Errors
    /// The image cannot be read or unpacked, or ends before it should.
    pub fn fill(&mut self, buffer: &mut [u8]) -> Result<Filled, Error> {
        let filled = match &mut self.bytes {
            Source::Disk(disk) => {
                let left = disk.size() - self.at;
                let size = Bytes::of(buffer).min(left);
                let wanted = size.to_len().unwrap_or_default();
                let is_hole =
                    self.image.packing == Packing::Raw && is_hole(&self.image.file, self.at, size);
                let (data, rest) = buffer.split_at_mut(wanted.min(buffer.len()));
                rest.fill(0);
                if is_hole {
                    data.fill(0);
                } else {
                    let read = disk.read(self.at, data);
                    read.map_err(|source| Error::Inspect {
                        path: self.image.path.clone(),
                        source,
                    })?;
                }
                Filled { size, is_zero: is_hole || is_zero(data) }
            }
            Source::Decoder(decoder) => {
                let size = read_all(decoder, buffer).map_err(|error| unpack(self.image, error))?;
                let (data, rest) = buffer.split_at_mut(size);
                rest.fill(0);
                let is_zero = is_zero(data);
                Filled { size: Bytes::of(data), is_zero }
            }
        };
        self.at += filled.size;
        if filled.size < Bytes::of(buffer) && self.image.size.is_none() {
            self.image.check_end(self.at)?;
        }
        Ok(filled)
    }
}

fn unpack(image: &Image, source: io::Error) -> Error {
    Error::Unpack { path: image.path.clone(), packing: image.packing, source }
}

/// Whether a range of a file is a hole, all of it.
fn is_hole(file: &File, at: Bytes, size: Bytes) -> bool {
    match rustix::fs::seek(file, SeekFrom::Data(at.get())) {
        Ok(data) => Bytes::new(data) >= at + size,
        // Only a hole is left.
        Err(Errno::NXIO) => true,
        // Devices and some file systems know no holes.
        Err(_) => false,
    }
}

fn is_zero(data: &[u8]) -> bool {
    data.chunks(PAGE.len()).all(|chunk| PAGE.get(..chunk.len()) == Some(chunk))
}

/// Reads until the buffer is full or nothing comes any more.
fn read_all(from: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// A file read from its start, whoever else reads it.
struct FromStart<'f> {
    file: &'f File,
    at: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at = self.at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        Ok(count)
    }
}
