//! What firmware starts from a CD: El Torito.

use std::fmt;

use crate::tree::TreePath;
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
