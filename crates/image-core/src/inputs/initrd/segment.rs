//! The segments of an initrd: told apart by their first bytes, unpacked one after the other.
//!
//! A compressed segment may itself hold several archives with NULs between. Follows the kernel's
//! `init/initramfs.c` (`unpack_to_rootfs`) and Documentation/driver-api/early-userspace.

use std::fmt;
use std::io::{self, Read};

use super::cpio::{self, Entry};
use super::input::Input;
use super::{Error, Limits, Place, Segment, lz4_legacy};
use crate::units::Bytes;

/// What unpacking xz may take; `xz -9` needs 65 MiB.
const XZ_MEMORY: u64 = 128 << 20;

/// The largest zstd window that is unpacked, as a power of two; `zstd -19` uses 23, `--ultra` 27.
const ZSTD_WINDOW_LOG: u32 = 27;

/// How a segment is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// `gzip`.
    Gzip,
    /// `xz`.
    Xz,
    /// `zstd`.
    Zstd,
    /// `lz4 -l`, the only lz4 form that the kernel reads.
    Lz4Legacy,
    /// `lz4`.
    Lz4,
}

impl Compression {
    const ALL: [Self; 6] =
        [Self::None, Self::Gzip, Self::Xz, Self::Zstd, Self::Lz4Legacy, Self::Lz4];

    /// The first bytes of a segment; two forms of cpio for `None`.
    fn of(magic: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|compression| {
            let expected: &[u8] = match compression {
                // Both newc (070701) and the one with checksums (070702).
                Self::None => b"07070",
                Self::Gzip => &[0x1f, 0x8b],
                Self::Xz => b"\xfd7zXZ\0",
                Self::Zstd => &[0x28, 0xb5, 0x2f, 0xfd],
                Self::Lz4Legacy => &lz4_legacy::MAGIC,
                Self::Lz4 => &[0x04, 0x22, 0x4d, 0x18],
            };
            magic.starts_with(expected)
        })
    }

    /// All names, for a person.
    pub(super) fn names() -> String {
        Self::ALL.map(|compression| compression.to_string()).join(", ")
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "uncompressed",
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Lz4Legacy => "legacy lz4",
            Self::Lz4 => "lz4",
        })
    }
}

/// Compressions that the kernel knows and calve does not.
const UNSUPPORTED: [(&[u8], &str); 3] =
    [(b"BZh", "bzip2"), (b"\x5d\0\0", "lzma"), (b"\x89LZO", "lzo")];

/// What is asked to look at each entry; its data may be read or left.
pub(super) type Visit<'v> = dyn FnMut(&Entry, &mut Stream<'_>) -> Result<(), Error> + 'v;

/// Reads all segments.
pub(super) fn read(
    initrd: impl Read,
    limits: &Limits,
    visit: &mut Visit<'_>,
) -> Result<Vec<Segment>, Error> {
    let mut input = Input::new(initrd);
    let mut spent = Spent { unpacked: 0, entries: 0, names: Bytes::ZERO };
    let mut segments = Vec::new();
    loop {
        let more = input.skip_nuls();
        let offset = input.offset();
        if !more.map_err(|source| Error::Read { offset, source })? {
            return Ok(segments);
        }
        let compression = identify(&mut input, offset)?;
        let before = spent.entries;
        segment(&mut input, compression, limits, &mut spent, visit)?;
        segments.push(Segment { offset, compression, entries: spent.entries - before });
    }
}

fn identify<R: Read>(input: &mut Input<R>, offset: u64) -> Result<Compression, Error> {
    let magic = input.peek(6).map_err(|source| Error::Read { offset, source })?;
    let Some(compression) = Compression::of(magic) else {
        let known = UNSUPPORTED.into_iter().find(|(start, _)| magic.starts_with(start));
        return Err(match known {
            Some((_, compression)) => Error::Unsupported { offset, compression },
            None => {
                let found = magic.iter().map(|byte| format!("{byte:02x}")).collect();
                Error::Magic { offset, found }
            }
        });
    };
    if compression == Compression::None && !offset.is_multiple_of(4) {
        return Err(Error::Unaligned { offset });
    }
    Ok(compression)
}

fn segment<R: Read>(
    input: &mut Input<R>,
    compression: Compression,
    limits: &Limits,
    spent: &mut Spent,
    visit: &mut Visit<'_>,
) -> Result<(), Error> {
    let offset = input.offset();
    if compression == Compression::None {
        let mut stream = Stream { reader: input, offset, position: 0, compression, limits, spent };
        cpio::read_archive(&mut stream, visit)?;
        return Ok(());
    }
    let mut decoder = decoder(input, compression).map_err(|source| Error::Unpack {
        place: Place { segment: offset, unpacked: 0 },
        compression,
        source,
    })?;
    let reader = decoder.as_mut();
    let mut stream = Stream { reader, offset, position: 0, compression, limits, spent };
    // Reads on to the decoder's own end, so that it checks its checksum.
    while cpio::read_archive(&mut stream, visit)? {}
    Ok(())
}

fn decoder<'a, R: Read>(
    input: &'a mut Input<R>,
    compression: Compression,
) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match compression {
        Compression::None => Box::new(input),
        Compression::Gzip => Box::new(flate2::bufread::GzDecoder::new(input)),
        Compression::Xz => {
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, 0)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream))
        }
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?.single_frame();
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
        Compression::Lz4Legacy => Box::new(lz4_legacy::Decoder::new(input)),
        Compression::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(input)),
    })
}

/// What was read of all segments so far.
struct Spent {
    unpacked: u64,
    entries: usize,
    names: Bytes,
}

/// A segment's bytes, unpacked; knows its place and holds the limits.
pub(super) struct Stream<'a> {
    reader: &'a mut dyn Read,
    offset: u64,
    position: u64,
    compression: Compression,
    limits: &'a Limits,
    spent: &'a mut Spent,
}

impl Stream<'_> {
    /// Where the next byte is.
    pub(super) fn place(&self) -> Place {
        Place { segment: self.offset, unpacked: self.position }
    }

    /// Counts a name or a link's target.
    pub(super) fn count_name(&mut self, name: &[u8]) -> Result<(), Error> {
        self.spent.names += Bytes::of(name);
        if self.spent.names > self.limits.names {
            return Err(Error::Names { place: self.place(), limit: self.limits.names });
        }
        Ok(())
    }

    /// Counts one more entry.
    pub(super) fn count_entry(&mut self) -> Result<(), Error> {
        self.spent.entries += 1;
        if self.spent.entries > self.limits.entries {
            return Err(Error::Entries { place: self.place(), limit: self.limits.entries });
        }
        Ok(())
    }

    /// Reads some bytes; 0 at the end.
    fn some(&mut self, target: &mut [u8]) -> Result<usize, Error> {
        let count = loop {
            match self.reader.read(target) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    let place = self.place();
                    return Err(Error::Unpack { place, compression: self.compression, source });
                }
                Ok(count) => break u64::try_from(count).unwrap_or(u64::MAX),
            }
        };
        self.position += count;
        self.spent.unpacked += count;
        if self.spent.unpacked > self.limits.unpacked.get() {
            return Err(Error::Size { place: self.place(), limit: self.limits.unpacked });
        }
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// Fills the target; `expected` says what for.
    pub(super) fn exact(&mut self, target: &mut [u8], expected: &'static str) -> Result<(), Error> {
        let mut filled = 0;
        while filled < target.len() {
            match self.some(&mut target[filled..])? {
                0 => return Err(Error::End { place: self.place(), expected }),
                count => filled += count,
            }
        }
        Ok(())
    }

    /// Passes over bytes up to a position.
    pub(super) fn skip_to(&mut self, position: u64, expected: &'static str) -> Result<(), Error> {
        let mut scratch = [0; 16 << 10];
        while self.position < position {
            let left = usize::try_from(position - self.position).unwrap_or(usize::MAX);
            let most = left.min(scratch.len());
            if self.some(&mut scratch[..most])? == 0 {
                return Err(Error::End { place: self.place(), expected });
            }
        }
        Ok(())
    }

    /// Passes over NULs and gives the first byte that is none.
    pub(super) fn first_after_nuls(&mut self) -> Result<Option<u8>, Error> {
        let mut byte = [0];
        loop {
            match self.some(&mut byte)? {
                0 => return Ok(None),
                _ if byte[0] != 0 => return Ok(Some(byte[0])),
                _ => {}
            }
        }
    }
}
