//! GRUB for ISO images: its images linked from a closure's own GRUB, without running anything.
//!
//! GRUB is installed by a program that is part of it, `grub-mkimage`. Nothing of a closure is run
//! here, so that program's work is done by us: it takes a kernel, the modules that the kernel shall
//! have from the start, a first configuration and a prefix, and makes them one file.
//!
//! ```text
//!   lib/grub/i386-pc                          BiosImage
//!     cdboot.img, diskboot.img ─────────────► ┐
//!     lzma_decompress.img ──────────────────► ├ eltorito: a BIOS starts it from a CD
//!     kernel.img ──┐                          │
//!     *.mod ───────┴► lzma ─────────────────► ┘
//!     boot_hybrid.img ──────────────────────►   hybrid_mbr: starts the same from a stick
//!
//!   lib/grub/x86_64-efi, arm64-efi            EFI/BOOT/BOOTX64.EFI, BOOTAA64.EFI
//!     kernel.img (an object file) ──► relocated ──► .text, .data ┐
//!     *.mod ────────────────────────► mods ────────────────────► ├ a PE program
//!     addresses to be moved ────────► .reloc ──────────────────► ┘
//! ```
//!
//! - [`find`]: which of the closure's paths hold a GRUB, and for which platforms
//! - `file`: a file of that in memory, with bounded access
//! - `modules`: which modules an ISO's menu needs, and in which order the kernel can load them
//! - `payload`: modules, configuration and prefix as the kernel finds them in memory
//! - `pc`: the BIOS image
//! - `elf`, `kernel`, `relocate`: the UEFI kernel, linked; `pe`: what UEFI starts
//!
//! The menu is not made here: the image looks for the ISO by a file on it ([`early_config`]) and reads
//! `PREFIX/grub.cfg` there. Secure Boot is out of reach (nothing is signed, no `.sbat`), and so are
//! compressed modules, disks (`core.img` after an MBR) and every platform not named above.
//!
//! Follows GRUB 2.06 to 2.12, `util/mkimage.c` and what that includes.

use std::io;

use crate::inputs::store::{self, HostStore};
use crate::inputs::store_path::{self, StoreFile};
use crate::units::Bytes;

mod elf;
mod file;
pub mod find;
mod kernel;
mod modules;
mod payload;
mod pc;
mod pe;
mod relocate;

use file::Folder;
pub use find::{Grub, Platform};
use payload::{Payload, Word};

/// Why a closure's GRUB gives no image.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be reached.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A list of modules names what cannot be a file.
    #[error(transparent)]
    Name(#[from] store_path::Error),
    /// The closure's GRUB is for other platforms.
    #[error("the closure brings no GRUB for {expected}, only for {found}")]
    Platform {
        /// The platform asked for.
        expected: Platform,
        /// Those there are.
        found: String,
    },
    /// A module is not there.
    #[error("{file} is missing, which {needed_by} needs")]
    Module {
        /// Where it was looked for.
        file: StoreFile,
        /// What cannot do without it.
        needed_by: String,
    },
    /// A file is not what its name says.
    #[error("{file} {problem}")]
    Malformed {
        /// Which file.
        file: StoreFile,
        /// What is wrong, as a predicate with what was expected and found.
        problem: String,
    },
    /// A part has no room.
    #[error("{what} of {folder} takes {found}, expected at most {limit}")]
    Room {
        /// Which part.
        what: &'static str,
        /// Whose.
        folder: StoreFile,
        /// Its size.
        found: Bytes,
        /// The limit.
        limit: Bytes,
    },
    /// A text for the image would end early.
    #[error("{what} has a NUL: {text:?}")]
    Nul {
        /// Which text.
        what: &'static str,
        /// The text.
        text: String,
    },
    /// The compressor failed.
    #[error("cannot compress the core image of {folder}")]
    Compress {
        /// Whose.
        folder: StoreFile,
        /// Its answer.
        source: io::Error,
    },
}

/// What a BIOS starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BiosImage {
    /// `cdboot.img` and the core image: the file that El Torito names. Its boot information table (at 8)
    /// and its own sector number (at 2548) are filled in by who knows where the file lies.
    pub eltorito: Vec<u8>,
    /// `boot_hybrid.img`: the boot code of a hybrid MBR, 440 bytes of 512. The sector number of the
    /// image's `diskboot.img` (at 0x1B0) is filled in by who knows where the file lies.
    pub hybrid_mbr: Vec<u8>,
}

/// Makes the BIOS image.
///
/// # Errors
/// The closure's GRUB is not for this platform, a file is missing or malformed, or the image does not
/// fit the memory that a BIOS leaves.
pub fn bios_image(
    store: &HostStore,
    grub: &Grub,
    prefix: &str,
    early_config: &str,
) -> Result<BiosImage, Error> {
    let folder = Folder { store, place: grub.folder(Platform::Bios)? };
    let modules = modules::read(folder, Platform::Bios)?;
    pc::image(folder, Payload { modules: &modules, config: early_config, prefix })
}

/// Makes the UEFI program.
///
/// # Errors
/// The closure's GRUB is not for this platform, or a file is missing or malformed.
pub fn efi_image(
    store: &HostStore,
    grub: &Grub,
    platform: Platform,
    prefix: &str,
    early_config: &str,
) -> Result<Vec<u8>, Error> {
    let cpu = platform.cpu().ok_or_else(|| grub.lacks(platform))?;
    let folder = Folder { store, place: grub.folder(platform)? };
    let modules = modules::read(folder, platform)?;
    let payload = Payload { modules: &modules, config: early_config, prefix };
    let kernel = kernel::link(folder, cpu)?;
    pe::image(folder, cpu, &kernel, &payload.encode(folder, Word::Eight)?)
}

/// The names of the modules in an image, in the order in which its kernel loads them.
///
/// # Errors
/// The closure's GRUB is not for this platform, or a file is missing or malformed.
pub fn modules(store: &HostStore, grub: &Grub, platform: Platform) -> Result<Vec<String>, Error> {
    let folder = Folder { store, place: grub.folder(platform)? };
    let modules = modules::read(folder, platform)?;
    Ok(modules.iter().map(|module| module.place.file_name().replace(".mod", "")).collect())
}

/// The first configuration of an image on an ISO: finds the ISO by a file that only it has, on the device
/// that was started from if it is there, and takes the menu from `/boot/grub` on it.
///
/// Where the search finds nothing the menu is looked for on the device that was started from. The kernel
/// reads this without `normal`'s language: no `if`, and quotes only around a whole word.
pub fn early_config(marker: &str) -> String {
    format!(
        "search --no-floppy --file --set=root --hint=$root '{marker}'\nset prefix=($root)/boot/grub\n"
    )
}
