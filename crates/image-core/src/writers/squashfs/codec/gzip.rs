//! A zlib stream, as RFC 1950 has it: what squashfs calls gzip.

use std::ops::RangeInclusive;

use flate2::{Compress, Compression, FlushCompress, Status};

use crate::units::Bytes;

pub(super) const LEVELS: RangeInclusive<u8> = 1..=9;

/// The library does not tell its version; a test holds this against Cargo.lock.
pub(super) const LIBRARY: &str = "zlib-rs 0.6.8";

/// Appends a stream.
pub(super) fn encode(level: u8, data: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let mut encoder = Compress::new(Compression::new(level.into()), true);
    // Fixed codes, which level 1 uses, take 9 bits for a byte at worst.
    out.reserve(data.len() + data.len() / 4 + 4096);
    match encoder.compress_vec(data, out, FlushCompress::Finish) {
        Ok(Status::StreamEnd) => Ok(()),
        Ok(Status::Ok | Status::BufError) => {
            let (read, size) = (encoder.total_in(), Bytes::of(data).get());
            Err(format!("the block did not end ({read} of {size} bytes read)"))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// squashfs-tools' `struct gzip_comp_opts`; nothing where all are the defaults.
pub(super) fn options(level: u8) -> Vec<u8> {
    /// `GZIP_DEFAULT_COMPRESSION_LEVEL`
    const LEVEL: u8 = 9;
    /// `GZIP_DEFAULT_WINDOW_SIZE`, in bits
    const WINDOW: u16 = 15;
    /// None named: the library's default.
    const STRATEGIES: u16 = 0;
    if level == LEVEL {
        return Vec::new();
    }
    [&u32::from(level).to_le_bytes()[..], &WINDOW.to_le_bytes(), &STRATEGIES.to_le_bytes()].concat()
}
