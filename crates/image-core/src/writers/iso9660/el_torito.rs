//! What firmware starts from a CD: El Torito's catalog, and what is written into boot images.
//!
//! Follows "El Torito" Bootable CD-ROM Format Specification 1.0 and the UEFI specification 2.10, 13.3.2.1. The
//! catalog is no file of the tree: firmware reaches it by its sector, and nobody else needs it. Every
//! image is of the kind "no emulation".

use std::fmt;
use std::ops::Range;

use super::Error;
use super::descriptor::FIRST;
use super::ondisk::{Lba, SECTOR};
use crate::tree::{Kind, NodeId, Source, Tree, TreePath};
use crate::units::Bytes;

/// What firmware starts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Boot<'a> {
    /// What a BIOS starts.
    pub bios: Option<BiosBoot<'a>>,
    /// The EFI system partition, a file of the tree: what UEFI starts, from a CD and from a stick.
    pub efi: Option<&'a TreePath>,
}

/// What a BIOS loads: the first 2 KiB of a boot loader that must be told where the rest of it lies.
#[derive(Clone, Copy, Debug)]
pub struct BiosBoot<'a> {
    /// A file of the tree, held in memory: `isolinux.bin`, or GRUB's `cdboot.img` and core image.
    pub image: &'a TreePath,
    /// How it is told.
    pub info: BootInfo,
}

/// What is written into a BIOS boot image, so that it finds itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootInfo {
    /// The boot information table at byte 8: where the volume descriptor and the image lie.
    Isolinux,
    /// The same, and at byte 2548 where the rest of GRUB's core image lies, in sectors of a disk.
    Grub2,
}

impl fmt::Display for BootInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Isolinux => "the boot information table",
            Self::Grub2 => "GRUB's boot information",
        })
    }
}

/// Where the BIOS boot image lies, for the boot code of a stick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BiosStart {
    /// Its first byte.
    pub at: Bytes,
    /// Whose it is.
    pub info: BootInfo,
}

/// `Platform ID` of a BIOS on x86.
const BIOS: u8 = 0x00;
/// `Platform ID` of UEFI.
const EFI: u8 = 0xEF;
/// What a BIOS loads: four of a disk's sectors.
const BIOS_SECTORS: u16 = 4;

/// Where the table lies that mkisofs calls `-boot-info-table`.
const TABLE: usize = 8;
/// Where it ends, and its checksum begins to count.
const TABLE_END: usize = 64;
/// Where GRUB's `diskboot.img`, which follows the 2,048 bytes of `cdboot.img`, has the sector of what
/// comes after it: libisofs' `--grub2-boot-info`.
const GRUB2: usize = 2048 + 500;

/// The boot images, found in the tree.
#[derive(Debug)]
pub(super) struct Found {
    /// The BIOS boot image, its bytes, and how it is told its place.
    pub(super) bios: Option<(NodeId, std::sync::Arc<[u8]>, BootInfo)>,
    /// The EFI system partition.
    pub(super) efi: Option<NodeId>,
}

impl Found {
    /// Finds the images.
    pub(super) fn of(tree: &Tree, boot: &Boot<'_>) -> Result<Self, Error> {
        let find = |what, path: &TreePath| {
            let found = tree.find(path).and_then(|node| match node.kind() {
                Kind::File(source) => Some((node.id(), source)),
                Kind::Directory | Kind::Symlink(_) | Kind::Device(_) | Kind::Fifo => None,
            });
            found.ok_or_else(|| Error::NoImage { what, path: path.clone() })
        };
        let bios = match boot.bios {
            None => None,
            Some(BiosBoot { image, info }) => {
                let (node, source) = find("BIOS", image)?;
                let least = match info {
                    BootInfo::Isolinux => TABLE_END,
                    BootInfo::Grub2 => GRUB2 + 8,
                };
                match source {
                    Source::Bytes(data) if data.len() >= least => {
                        Some((node, std::sync::Arc::clone(data), info))
                    }
                    Source::Bytes(_) | Source::Host(_) | Source::Plan(_) => {
                        let path = image.clone();
                        let in_memory = matches!(source, Source::Bytes(_));
                        let found = source.size().to_len().filter(|_| in_memory).unwrap_or(0);
                        return Err(Error::Image { path, found, least, info });
                    }
                }
            }
        };
        let efi = boot.efi.map(|path| find("EFI", path)).transpose()?.map(|(node, _)| node);
        Ok(Self { bios, efi })
    }
}

/// Writes into a boot image where it lies.
pub(super) fn told(image: &[u8], info: BootInfo, lba: Lba) -> Vec<u8> {
    let mut out = image.to_vec();
    match info {
        BootInfo::Isolinux => {}
        BootInfo::Grub2 => {
            // Sectors of a disk are four to one of a CD; `diskboot.img` takes one.
            let sector = u64::from(lba.0) * 4 + 5;
            put(&mut out, GRUB2, &sector.to_le_bytes());
        }
    }
    let length = u32::try_from(image.len()).unwrap_or(u32::MAX);
    let words =
        out.get(TABLE_END..).unwrap_or_default().chunks(4).map(|word| {
            word.iter().rev().fold(0u32, |number, byte| number << 8 | u32::from(*byte))
        });
    let checksum = words.fold(0u32, u32::wrapping_add);
    let table = [FIRST.0, lba.0, length, checksum].map(u32::to_le_bytes).concat();
    put(&mut out, TABLE, &[&table[..], &[0; TABLE_END - TABLE - 16]].concat());
    out
}

fn put(image: &mut [u8], at: usize, data: &[u8]) {
    image.iter_mut().skip(at).zip(data).for_each(|(to, from)| *to = *from);
}

/// Encodes the catalog, one sector. Where there is one image it is the default, whatever it is for.
pub(super) fn catalog(bios: Option<Lba>, efi: Option<&Range<Bytes>>) -> Vec<u8> {
    let bios = bios.map(|lba| entry(BIOS_SECTORS, lba));
    let efi = efi.map(|range| entry(efi_sectors(range.end - range.start), Lba::of(range.start)));
    let platform = if bios.is_some() { BIOS } else { EFI };
    let mut out = validation(platform).to_vec();
    match (bios, efi) {
        (Some(bios), Some(efi)) => {
            // 0x91: the last section header.
            let mut header = [0; 32];
            put(&mut header, 0, &[0x91, EFI, 1, 0]);
            out.extend([bios, header, efi].concat());
        }
        (Some(only), None) | (None, Some(only)) => out.extend(only),
        (None, None) => {}
    }
    out.resize(SECTOR.to_len().unwrap_or(out.len()), 0);
    out
}

/// Counts an image in the 512 bytes that UEFI counts in. Zero stands for all that is left of the volume,
/// which is why the image comes last on it: so the count is for those that 16 bits cannot count.
fn efi_sectors(size: Bytes) -> u16 {
    u16::try_from(size.div_ceil(Bytes::new(512))).unwrap_or(0)
}

/// The validation entry (figure 2): all its words add up to zero.
fn validation(platform: u8) -> [u8; 32] {
    let mut out = [0; 32];
    put(&mut out, 0, &[1, platform]);
    put(&mut out, 30, &[0x55, 0xAA]);
    let sum = out
        .chunks(2)
        .map(|word| u16::from(word[0]) | u16::from(word[1]) << 8)
        .fold(0u16, u16::wrapping_add);
    put(&mut out, 28, &sum.wrapping_neg().to_le_bytes());
    out
}

/// An initial or section entry (figures 3 and 5): bootable, no emulation, load segment and system type zero.
fn entry(sectors: u16, lba: Lba) -> [u8; 32] {
    let mut out = [0; 32];
    put(&mut out, 0, &[0x88]);
    put(&mut out, 6, &sectors.to_le_bytes());
    put(&mut out, 8, &lba.0.to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_told_their_place() {
        let image: Vec<u8> = (0..3001u32).map(|number| (number % 251) as u8).collect();
        let told_isolinux = told(&image, BootInfo::Isolinux, Lba(100));
        assert_eq!(told_isolinux[..8], image[..8]);
        assert_eq!(told_isolinux[8..20], [16, 0, 0, 0, 100, 0, 0, 0, 0xB9, 0x0B, 0, 0]);
        assert_eq!(told_isolinux[24..64], [0; 40]);
        assert_eq!(told_isolinux[64..], image[64..]);
        let told_grub = told(&image, BootInfo::Grub2, Lba(100));
        assert_eq!(told_grub[2548..2556], [0x95, 1, 0, 0, 0, 0, 0, 0]);
        assert_ne!(told_grub[20..24], told_isolinux[20..24]);
    }

    #[test]
    fn the_catalog_says_what_there_is() {
        let sum = |entry: &[u8]| {
            let words = entry.chunks(2).map(|word| u16::from_le_bytes([word[0], word[1]]));
            words.fold(0, u16::wrapping_add)
        };
        let efi = |mib| SECTOR * 100..SECTOR * 100 + crate::units::MIB * mib;
        let both = catalog(Some(Lba(50)), Some(&efi(2)));
        assert_eq!((both.len(), sum(&both[..32]), both[1]), (2048, 0, 0));
        assert_eq!(both[32..44], [0x88, 0, 0, 0, 0, 0, 4, 0, 50, 0, 0, 0]);
        assert_eq!(both[64..68], [0x91, 0xEF, 1, 0]);
        assert_eq!(both[96..108], [0x88, 0, 0, 0, 0, 0, 0, 16, 100, 0, 0, 0]);
        let large = catalog(None, Some(&efi(32)));
        assert_eq!((sum(&large[..32]), large[1]), (0, 0xEF));
        assert_eq!(large[32..44], [0x88, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0]);
        assert_eq!(large[64..], [0; 2048 - 64]);
    }
}
