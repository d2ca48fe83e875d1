//! An LZ4 block without a frame, as the LZ4 Block Format has it.

use lz4_flex::block;

/// The library does not tell its version; a test holds this against Cargo.lock.
pub(super) const LIBRARY: &str = "lz4_flex 0.11.6";

/// Appends a block.
pub(super) fn encode(data: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let start = out.len();
    out.resize(start + block::get_maximum_output_size(data.len()), 0);
    let size = block::compress_into(data, &mut out[start..]).map_err(|e| e.to_string())?;
    out.truncate(start + size);
    Ok(())
}

/// squashfs-tools' `struct lz4_comp_opts`, which kernels want in any case.
pub(super) fn options() -> Vec<u8> {
    /// `LZ4_LEGACY`: the block format, the only one there is.
    const VERSION: u32 = 1;
    /// Not `LZ4_HC`.
    const FLAGS: u32 = 0;
    [VERSION.to_le_bytes(), FLAGS.to_le_bytes()].concat()
}
