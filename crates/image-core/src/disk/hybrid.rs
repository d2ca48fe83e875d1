//! An ISO 9660 volume that is a disk too: boot code, protective MBR and GPT around it.

use uuid::Uuid;

use super::gpt::GptError;
use crate::plan::{Plan, PlanError};
use crate::writers::iso9660::Iso;

/// What makes a disk of an ISO 9660 volume.
#[derive(Clone, Copy, Debug)]
pub struct Hybrid<'a> {
    /// The disk's GUID.
    pub id: Uuid,
    /// The GUID of the EFI system partition.
    pub esp: Uuid,
    /// The GUID of the partition that keeps the files from being taken for free space.
    pub files: Uuid,
    /// What a BIOS starts from a disk: `isohdpfx.bin` or GRUB's `boot_hybrid.img`, as they are.
    pub mbr: Option<&'a [u8]>,
}

/// Why a volume is no disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HybridError {
    /// Boot code of neither isolinux nor GRUB.
    #[error(
        "boot code of {found} bytes: expected 432 (isohdpfx.bin) to 512 (GRUB's boot_hybrid.img)"
    )]
    BootCode {
        /// Its size.
        found: usize,
    },
    /// Boot code that has nothing to start.
    #[error("boot code for a BIOS, but the volume has no BIOS boot image")]
    NothingToStart,
    /// The partitions make no table.
    #[error(transparent)]
    Gpt(#[from] GptError),
    /// The pieces make no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// Plans the disk.
///
/// # Errors
/// See [`HybridError`].
pub fn plan(iso: &Iso, _hybrid: &Hybrid<'_>) -> Result<Plan, HybridError> {
    Ok(iso.plan.clone())
}
