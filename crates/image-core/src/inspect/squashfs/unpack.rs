//! One block, by the image's compressor; never larger than the format allows.

use std::io::Read;

use super::Error;

/// What unpacking xz may take: the dictionary is at most a block of 1 MiB.
const XZ_MEMORY: u64 = 64 << 20;

/// How blocks are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compressor {
    Gzip,
    Xz,
    Lz4,
    Zstd,
}

impl Compressor {
    /// Reads the superblock's number (`squashfs_fs.h`, `ZLIB_COMPRESSION` …).
    pub(super) fn of(id: u16) -> Result<Self, Error> {
        match id {
            1 => Ok(Self::Gzip),
            4 => Ok(Self::Xz),
            5 => Ok(Self::Lz4),
            6 => Ok(Self::Zstd),
            2 => Err(Error::Unsupported { found: "lzma compression".to_owned() }),
            3 => Err(Error::Unsupported { found: "lzo compression".to_owned() }),
            other => Err(Error::Unsupported { found: format!("compression {other}") }),
        }
    }

    /// Names it as `mksquashfs` does.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// Tells whether damage to a block shows when it is unpacked: zlib and xz have check sums, zstd
    /// has one where the writer asked for it (RFC 8878, 3.1.1.1.1).
    pub(super) fn guards(self, packed: &[u8]) -> bool {
        match self {
            Self::Gzip | Self::Xz => true,
            Self::Lz4 => false,
            Self::Zstd => packed.get(4).is_some_and(|descriptor| descriptor & 4 != 0),
        }
    }

    /// Unpacks a block of at most `most` bytes; what is wrong with it in the library's words.
    pub(super) fn unpack(self, packed: &[u8], most: usize) -> Result<Vec<u8>, String> {
        match self {
            Self::Gzip => read(flate2::read::ZlibDecoder::new(packed), most),
            Self::Xz => {
                let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, 0);
                let stream = stream.map_err(|error| error.to_string())?;
                read(liblzma::read::XzDecoder::new_stream(packed, stream), most)
            }
            Self::Lz4 => {
                let mut out = vec![0; most];
                let size = lz4_flex::block::decompress_into(packed, &mut out);
                out.truncate(size.map_err(|error| error.to_string())?);
                Ok(out)
            }
            Self::Zstd => zstd::bulk::decompress(packed, most).map_err(|error| error.to_string()),
        }
    }
}

fn read(reader: impl Read, most: usize) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(limit).read_to_end(&mut out).map_err(|error| error.to_string())?;
    if out.len() > most {
        return Err(format!("it unpacks to more than {most} bytes"));
    }
    Ok(out)
}
