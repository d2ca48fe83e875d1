//! What a BIOS starts: from a CD drive through El Torito, from a stick through the hybrid MBR.
//!
//! ```text
//!   0     cdboot.img           2048  loaded by a CD's BIOS; reads the whole file by its boot information table
//!   2048  diskboot.img          512  loaded by boot_hybrid.img; reads the rest:
//!           508 sectors of the core     500 where it begins (who lays the ISO out knows)
//!   2560  lzma_decompress.img        8 compressed size   12 size   16 redundancy (0: none)   24 boot device
//!         lzma (kernel, payload)     LZMA1 without a header: lc 3, lp 0, pb 2, 64 KiB
//! ```
//!
//! The core lies in the 448 KiB of low memory that every BIOS leaves; unpacked it goes above 1 MiB, and
//! the kernel is copied down to its link address. Redundancy is for sectors that DRM programs overwrite
//! behind an MBR, which an ISO does not have.
//!
//! Follows GRUB's `include/grub/offsets.h`, `boot/i386/pc/{cdboot,diskboot,startup_raw}.S` and
//! `util/mkimage.c`.

use std::io::{self, Write};

use liblzma::stream::{Filters, LzmaOptions, Stream};
use liblzma::write::XzEncoder;

use super::elf::Elf;
use super::file::Folder;
use super::payload::{Payload, Word};
use super::{BiosImage, Error};

/// `GRUB_KERNEL_I386_PC_LINK_ADDR`: where the kernel begins.
const LINK: usize = 0x9000;
/// Where the decompressor begins.
const DECOMPRESSOR: usize = 0x8200;
/// The core, counted from [`LINK`], ends below this.
const CORE_END: usize = 0x78000;
/// The kernel and its zeroed data end below this.
const KERNEL_END: usize = 0x68000;

const SECTOR: usize = 512;
/// A sector of a CD, and El Torito's first load.
const CD_SECTOR: usize = 2048;
/// In `diskboot.img`: the number of sectors of the core, then the segment they are loaded to.
const BLOCKS: usize = 508;
/// The segment of [`DECOMPRESSOR`].
const BLOCKS_SEGMENT: u16 = 0x820;
/// In `lzma_decompress.img`.
const COMPRESSED_SIZE: usize = 8;
/// In `lzma_decompress.img`.
const SIZE: usize = 12;

/// The decompressor knows no other window.
const WINDOW: u32 = 1 << 16;

/// Puts the image together.
pub(super) fn image(folder: Folder<'_>, payload: Payload<'_>) -> Result<BiosImage, Error> {
    let core = core(folder, payload)?;
    let mut diskboot = folder.read_sized("diskboot.img", SECTOR)?;
    let segment = diskboot.u16(BLOCKS + 2)?;
    if segment != BLOCKS_SEGMENT {
        let problem = format!("loads to segment {segment:#x}, expected {BLOCKS_SEGMENT:#x}");
        return Err(diskboot.malformed(problem));
    }
    // Bounded by `CORE_END`, so that the number fits.
    let sectors = u16::try_from(core.len().div_ceil(SECTOR)).unwrap_or(u16::MAX);
    diskboot.bytes[BLOCKS..BLOCKS + 2].copy_from_slice(&sectors.to_le_bytes());
    let mut eltorito = folder.read_sized("cdboot.img", CD_SECTOR)?.bytes;
    eltorito.append(&mut diskboot.bytes);
    eltorito.extend(core);
    let hybrid_mbr = folder.read_sized("boot_hybrid.img", SECTOR)?.bytes;
    Ok(BiosImage { eltorito, hybrid_mbr })
}

/// The decompressor and what it unpacks.
fn core(folder: Folder<'_>, payload: Payload<'_>) -> Result<Vec<u8>, Error> {
    let mut memory = kernel(folder)?;
    memory.extend(payload.encode(folder, Word::Four)?);
    let packed = compress(&memory)
        .map_err(|source| Error::Compress { folder: folder.place.clone(), source })?;
    let mut core = folder.read("lzma_decompress.img")?;
    folder.room("lzma_decompress.img", core.bytes.len(), LINK - DECOMPRESSOR)?;
    folder.room("the core image", core.bytes.len() + packed.len(), CORE_END - LINK)?;
    for (at, size) in [(COMPRESSED_SIZE, packed.len()), (SIZE, memory.len())] {
        core.set_u32(at, u32::try_from(size).unwrap_or(u32::MAX))?;
    }
    core.bytes.extend(packed);
    Ok(core.bytes)
}

/// The kernel's memory from its link address to the end of its data.
fn kernel(folder: Folder<'_>) -> Result<Vec<u8>, Error> {
    let elf = Elf::read(folder.read("kernel.img")?)?;
    let mut image = Vec::new();
    for section in elf.sections.iter().filter(|it| it.is_loaded() && it.is_program()) {
        let start = section.address.checked_sub(LINK);
        let end = section.address.saturating_add(section.size);
        let (Some(start), true) = (start, end <= KERNEL_END) else {
            let problem = format!(
                "has a section at {:#x} to {end:#x}, expected {LINK:#x} to {KERNEL_END:#x}",
                section.address
            );
            return Err(elf.file.malformed(problem));
        };
        if section.is_zeros() {
            continue;
        }
        let bytes = elf.file.range(section.offset, section.size)?;
        image.resize(image.len().max(start + bytes.len()), 0);
        image[start..start + bytes.len()].copy_from_slice(bytes);
    }
    if image.is_empty() {
        return Err(elf.file.malformed("has no code".to_owned()));
    }
    Ok(image)
}

/// A bare LZMA1 stream. Its end marker is never looked at: the decompressor stops at the known size.
fn compress(data: &[u8]) -> io::Result<Vec<u8>> {
    let mut options = LzmaOptions::new_preset(9)?;
    options.dict_size(WINDOW).literal_context_bits(3).literal_position_bits(0).position_bits(2);
    let mut filters = Filters::new();
    filters.lzma1(&options);
    let mut encoder = XzEncoder::new_stream(Vec::new(), Stream::new_raw_encoder(&filters)?);
    encoder.write_all(data)?;
    encoder.finish()
}
