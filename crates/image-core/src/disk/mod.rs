//! Disks: partition tables, what is in the partitions, and image formats around them.
//!
//! - [`kind`]: what partitions are for
//! - [`layout`]: a disk as the user describes it
//! - [`choices`]: what it must not say
//! - [`geometry`]: the same with every offset, size and id decided
//! - `volume`: what a partition holds, decided and planned
//! - [`luks2`]: an encrypted volume around another one
//! - [`gpt`]: the partition table; [`gpt_moved`]: one that exists, on a larger disk
//! - [`hybrid`]: an ISO 9660 volume that is a disk too
//! - [`qcow2`]: a disk without the clusters that it does not use
//!
//! [`plan`] puts the volumes' plans where the geometry says. The first and the last MiB of the disk
//! and of every partition are bytes or zeros, never a gap: that is where old signatures lie which
//! would make a system take a partition for something that it no longer is.

pub mod choices;
mod error;
pub mod geometry;
pub mod gpt;
pub mod gpt_moved;
pub mod hybrid;
pub mod kind;
pub mod layout;
pub mod luks2;
pub mod qcow2;
mod volume;

pub use choices::ChoiceError;
pub use error::LayoutError;
pub use geometry::{Geometry, Given, Keyslots, Placed};
pub use kind::{Architecture, PartitionKind};
pub use layout::{
    DiskSize, Ext4Fill, Fill, Foreign, ForeignFill, Layout, LuksFill, Partition, Share, Size,
    SwapFill, VfatFill,
};
pub use volume::{ForeignVolume, Lock, LuksVolume, Volume};

use crate::plan::{Label, Plan, PlanBuilder};
use crate::tree::Tree;
use crate::units::{Bytes, MIB};

/// Plans a disk; `trees` are those that the geometry was resolved with.
///
/// # Errors
/// Volumes that do not hold their trees, and tables that cannot be.
pub fn plan(geometry: &Geometry, trees: &[Tree]) -> Result<Plan, LayoutError> {
    let mut disk = PlanBuilder::new();
    let table = geometry.gpt().plan()?;
    disk.nest(Bytes::ZERO, "gpt", &table);
    zero_edges(&mut disk, Bytes::ZERO, Label::new("edge of disk"), &table);
    let mut trees = trees.iter();
    for (number, partition) in (1..).zip(&geometry.partitions) {
        let volume = partition.content.plan((&partition.name, partition.size), &mut trees)?;
        disk.nest(partition.start, &partition.name, &volume);
        let label = Label::numbered("edge of partition", number);
        zero_edges(&mut disk, partition.start, label, &volume);
    }
    Ok(disk.finish(geometry.size)?)
}

/// Fills the gaps within the first and the last MiB of a plan that lies at `at`.
fn zero_edges(disk: &mut PlanBuilder, at: Bytes, label: Label, inner: &Plan) {
    let size = inner.size();
    let tail = (size - MIB).max(MIB.min(size));
    for (start, end) in [(Bytes::ZERO, MIB.min(size)), (tail, size)] {
        let mut from = start;
        for piece in &inner.pieces()[inner.piece_after(start)..] {
            if piece.offset >= end {
                break;
            }
            disk.zeros(at + from, piece.offset - from, label);
            from = from.max(piece.end());
        }
        disk.zeros(at + from, end - from, label);
    }
}
