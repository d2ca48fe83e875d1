//! Why a layout makes no disk.

use super::choices::ChoiceError;
use super::gpt::GptError;
use super::luks2;
use crate::plan::PlanError;
use crate::units::Bytes;
use crate::writers::ext4;
use crate::writers::fat::FatError;
use crate::writers::swap::SwapError;

/// A layout that makes no disk.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A partition is too small for its contents.
    #[error(
        "partition {name:?} needs {} but the layout leaves {available}",
        Need { contents, reserve }
    )]
    Room {
        /// Which partition.
        name: String,
        /// What its contents need, or the size that is asked for.
        contents: Bytes,
        /// The free space that the layout promises beside.
        reserve: Bytes,
        /// What there is.
        available: Bytes,
    },
    /// It says what cannot work, whatever the contents.
    #[error(transparent)]
    Choice(#[from] ChoiceError),
    /// Two partitions take what is left.
    #[error(
        "partitions {first:?} and {second:?} both take the rest of the disk: expected one at most"
    )]
    TwoRests {
        /// The earlier one.
        first: String,
        /// The later one.
        second: String,
    },
    /// Two partitions have the same name, or one has none.
    #[error("partition {number} is named {name:?}: expected a name that no other partition has")]
    Name {
        /// Which partition, counted from 1.
        number: usize,
        /// Its name.
        name: String,
    },
    /// A disk that ends within a sector, or is too small for a table.
    #[error("a disk of {} bytes: expected whole sectors of {sector} bytes and at least 3 MiB", size.get())]
    Disk {
        /// The size asked for.
        size: Bytes,
        /// The disk's sectors.
        sector: u64,
    },
    /// There are fewer trees than file systems: a defect of the caller.
    #[error("fewer trees than the layout has file systems")]
    TreeMissing,
    /// The partition table cannot hold it.
    #[error(transparent)]
    Table(#[from] GptError),
    /// The pieces make no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The files do not go into an ext4 file system.
    #[error("partition {name:?} cannot be an ext4 file system with these files")]
    Ext4 {
        /// Which partition.
        name: String,
        /// Why.
        source: Box<ext4::Error>,
    },
    /// The files do not go into a FAT file system.
    #[error("partition {name:?} cannot be a FAT file system with these files")]
    Vfat {
        /// Which partition.
        name: String,
        /// Why.
        source: Box<FatError>,
    },
    /// No image has such a file system.
    #[error(
        "partition {name:?} is {kind}, which images are not made with: expected ext4 or vfat, or an installation"
    )]
    Foreign {
        /// Which partition.
        name: String,
        /// Which kind.
        kind: &'static str,
    },
    /// It cannot be a swap area.
    #[error("partition {name:?} cannot be a swap area")]
    Swap {
        /// Which partition.
        name: String,
        /// Why.
        source: SwapError,
    },
    /// It cannot be a LUKS volume.
    #[error("partition {name:?} cannot be a LUKS volume")]
    Luks {
        /// Which partition.
        name: String,
        /// Why.
        source: Box<luks2::Error>,
    },
}

/// Words a need: the sum, and its parts where there are two.
struct Need<'a> {
    contents: &'a Bytes,
    reserve: &'a Bytes,
}

impl std::fmt::Display for Need<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { contents, reserve } = *self;
        if reserve.is_zero() {
            return contents.fmt(f);
        }
        write!(f, "{} ({contents} of contents, {reserve} of reserve)", *contents + *reserve)
    }
}
