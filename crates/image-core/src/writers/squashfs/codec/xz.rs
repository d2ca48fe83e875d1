//! An xz stream of one block: what archives have many of.
//!
//! The check is CRC32, and a dictionary holds the data and no more: that is what the kernel asks for.

use std::ops::RangeInclusive;

use crate::pack::{self, Block};
use crate::units::{Bytes, MIB};

pub(super) const PRESETS: RangeInclusive<u8> = 0..=9;

/// Returns the archives' codec, which does the work.
pub(super) fn archived(preset: u8) -> pack::Codec {
    pack::Codec::Xz(preset)
}

/// Returns what liblzma takes with a dictionary of at most 1 MiB.
pub(super) fn memory(preset: u8) -> Bytes {
    let mib = match preset {
        0 => 3,
        1..=3 => 9,
        4.. => 16,
    };
    MIB * mib
}

/// Appends a stream.
pub(super) fn encode(preset: u8, data: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let codec = archived(preset);
    out.extend(codec.before());
    let start = out.len();
    let mut encoder = codec.encoder().map_err(|error| error.found)?;
    let tag = encoder.encode(data, out).map_err(|error| error.found)?;
    let size = Bytes::from_len(out.len() - start);
    let block = Block { start: Bytes::ZERO, size, unpacked: Bytes::of(data), tag };
    out.extend(codec.after(std::iter::once(&block)));
    Ok(())
}
