//! zstd frames, as RFC 8878 has them: a file of many frames is what their contents make together.
//!
//! Each frame tells the size of its contents and ends in their check sum. Level 19 is the last: those
//! above want windows larger than the 8 MiB that every decoder is asked to have (section 3.1.1.1.2).

use std::io::Cursor;
use std::ops::RangeInclusive;

use zstd::zstd_safe::{self, CCtx, CParameter};

use crate::pack::Block;
use crate::units::{Bytes, MIB};

pub(super) const LEVELS: RangeInclusive<u8> = 1..=19;

pub(crate) fn library() -> String {
    format!("zstd {}", zstd_safe::version_string())
}

/// Returns the size of a context for 16 MiB: a test holds these against the library.
pub(super) fn memory(level: u8) -> Bytes {
    let mib = match level {
        ..=8 => 6,
        9..=11 => 21,
        12..=15 => 65,
        16..=18 => 50,
        19.. => 82,
    };
    MIB * mib
}

/// Appends a frame, with a check sum of the contents or without.
pub(crate) fn encode(
    level: u8,
    check_sum: bool,
    data: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let said = |code| zstd_safe::get_error_name(code).to_owned();
    // A context that is used again keeps its tables and salts its hashes with what it saw. That this
    // does not show in the output has been wrong before (facebook/zstd#1241); a new one has seen nothing.
    let mut context = CCtx::try_create().ok_or("no memory for a context")?;
    context.set_parameter(CParameter::CompressionLevel(level.into())).map_err(said)?;
    context.set_parameter(CParameter::ChecksumFlag(check_sum)).map_err(said)?;
    // Room that nobody fills with zeros first: for the fast levels that would be time that shows.
    out.reserve(zstd_safe::compress_bound(data.len()));
    let mut end = Cursor::new(out);
    end.set_position(Bytes::of(end.get_ref()).get());
    context.compress2(&mut end, data).map_err(said)?;
    Ok(())
}

/// Returns nothing, but where there is no frame, one without contents: an empty file is no zstd file.
pub(super) fn after<'b>(mut blocks: impl Iterator<Item = &'b Block>) -> Vec<u8> {
    // Magic number; descriptor: the contents' size in one byte, which is 0; last block, raw, of no bytes.
    const EMPTY: [u8; 9] = [0x28, 0xB5, 0x2F, 0xFD, 0x20, 0, 1, 0, 0];
    blocks.next().map_or_else(|| EMPTY.to_vec(), |_| Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_what_a_context_takes() {
        let data = vec![7; 16 << 20];
        // The most demanding level of each arm, and the others' neighbours.
        for level in [1, 8, 9, 11, 12, 15, 16, 18, 19] {
            let mut context = CCtx::create();
            context.set_parameter(CParameter::CompressionLevel(level.into())).unwrap();
            let mut out = vec![0; zstd_safe::compress_bound(data.len())];
            context.compress2(&mut out[..], &data).unwrap();
            let (taken, told) = (Bytes::from_len(context.sizeof()), memory(level));
            assert!(taken <= told, "level {level}: {taken} > {told}");
            if [8, 11, 15, 18, 19].contains(&level) {
                assert!(told.saturating_sub(taken) < MIB, "level {level}: {taken}, told {told}");
            }
        }
    }

    #[test]
    fn windows_are_what_every_decoder_has() {
        // RFC 8878, section 3.1.1.1.2. The descriptor of a frame whose contents are larger than its window
        // is followed by the window's: exponent and mantissa of (8 + mantissa) << (7 + exponent).
        let mut frame = Vec::new();
        encode(*LEVELS.end(), true, &vec![7; 16 << 20], &mut frame).unwrap();
        let (descriptor, window) = (frame[4], frame[5]);
        assert_eq!(descriptor & 0x20, 0, "the window is the contents");
        assert!((8 + u64::from(window & 7)) << (7 + (window >> 3)) <= 8 << 20);
    }
}
