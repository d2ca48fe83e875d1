//! ISO 9660 with Rock Ridge and Joliet: CDs that start, in the file system every firmware reads.

mod el_torito;
mod error;
mod volume_id;

use std::ops::Range;

pub use el_torito::{BiosBoot, BiosStart, Boot, BootInfo};
pub use error::Error;
pub use volume_id::{VolumeId, VolumeIdError};

use crate::epoch::Epoch;
use crate::plan::{Plan, PlanBuilder};
use crate::tree::Tree;
use crate::units::Bytes;

/// A volume to be written.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// Its name.
    pub volume: &'a VolumeId,
    /// The time of the volume itself; files have their own.
    pub epoch: Epoch,
    /// What it is for: up to 128 characters.
    pub application: &'a str,
    /// Who made it: up to 128 characters.
    pub publisher: &'a str,
    /// What firmware starts.
    pub boot: Boot<'a>,
}

/// A volume, and where in it lies what firmware starts.
#[derive(Clone, Debug)]
pub struct Iso {
    /// The volume. Its first and last sectors are gaps: [`SYSTEM_AREA`] and [`TRAILER`].
    pub plan: Plan,
    /// The BIOS boot image.
    pub bios: Option<BiosStart>,
    /// The EFI system partition.
    pub efi: Option<Range<Bytes>>,
}

/// Plans a volume.
///
/// # Errors
/// See [`Error`].
pub fn plan(_tree: &Tree, _settings: &Settings<'_>) -> Result<Iso, Error> {
    let plan = PlanBuilder::new().finish(Bytes::ZERO)?;
    Ok(Iso { plan, bios: None, efi: None })
}

/// What ISO 9660 leaves to others at the start: boot code and a partition table.
pub const SYSTEM_AREA: Bytes = Bytes::new(16 * 2048);

/// What we leave at the end: 150 sectors, as mkisofs and xorriso do, because drives fail to read the
/// last ones of a CD written track at once. A disk's backup table lies there.
pub const TRAILER: Bytes = Bytes::new(150 * 2048);
