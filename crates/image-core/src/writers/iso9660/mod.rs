//! ISO 9660 with Rock Ridge and Joliet: CDs that start, in the file system every firmware reads.
//!
//! - `volume_id`: the name of a volume
//! - `check`: what is refused
//! - `names`: what entries are called without Rock Ridge
//! - `rock_ridge`: what Unix knows about a file
//! - `susp`: where that is kept
//! - `hierarchy`: directories and path tables, once for each way of naming
//! - `contents`: where files' contents lie
//! - `el_torito`: what firmware starts
//! - `descriptor`, `ondisk`, `date`: the structures, encoded
//! - `error`: why there is no volume
//!
//! ```text
//! 16 sectors      the system area: gaps, for boot code and a partition table
//! descriptors     primary, boot record, Joliet, end
//! catalog         El Torito, where something starts
//! path tables     little and big endian, primary and Joliet
//! directories     primary, each with what Rock Ridge continues, then Joliet
//! files           below 1 MiB, then the others, then the EFI system partition at a whole MiB
//! 150 sectors     the trailer: gaps, for a backup partition table
//! ```
//!
//! Write-once: everything is placed before a byte is written, both hierarchies lead to the same
//! extents. Follows ECMA-119 (4th edition, 2019), interchange level 3, but for names of volumes and depths of
//! directories; SUSP and RRIP 1.12; the Joliet Specification (1995); El Torito 1.0. What makes a disk
//! of a volume is in `disk::hybrid`.

mod check;
mod contents;
mod date;
mod descriptor;
mod el_torito;
mod error;
mod hierarchy;
mod names;
mod ondisk;
mod rock_ridge;
mod susp;
mod volume_id;

use std::ops::Range;

pub use el_torito::{BiosBoot, BiosStart, Boot, BootInfo};
pub use error::Error;
pub use volume_id::{VolumeId, VolumeIdError};

use contents::Contents;
use descriptor::Descriptor;
use el_torito::Found;
use hierarchy::Hierarchy;
use names::Rule;
use ondisk::{Lba, Order, SECTOR};

use crate::epoch::Epoch;
use crate::plan::{Label, Plan, PlanBuilder};
use crate::tree::{Kind, Tree};
use crate::units::Bytes;

/// What ISO 9660 leaves to others at the start: boot code and a partition table (ECMA-119, 6.2.1).
pub const SYSTEM_AREA: Bytes = Bytes::new(16 * 2048);

/// What we leave at the end: 150 sectors, as mkisofs and xorriso do, because drives fail to read the
/// last ones of a CD written track at once. A disk's backup table lies there.
pub const TRAILER: Bytes = Bytes::new(150 * 2048);

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
pub fn plan(tree: &Tree, settings: &Settings<'_>) -> Result<Iso, Error> {
    check::all(tree, settings)?;
    let found = Found::of(tree, &settings.boot)?;
    let layout = Layout::of(tree, &found)?;
    let size = layout.contents.end + TRAILER;
    check::size(size)?;
    let efi = found.efi.map(|node| {
        let size = match tree.node(node).kind() {
            Kind::File(source) => source.size(),
            Kind::Directory | Kind::Symlink(_) | Kind::Device(_) | Kind::Fifo => Bytes::ZERO,
        };
        layout.contents.range(node, size)
    });
    let bios = found.bios.as_ref().map(|(node, _, info)| {
        let at = layout.contents.range(*node, Bytes::ZERO).start;
        BiosStart { at, info: *info }
    });
    let mut plan = PlanBuilder::new();
    layout.descriptors(&mut plan, settings, size);
    if let Some(at) = layout.catalog {
        let bios = bios.map(|bios| Lba::of(bios.at));
        plan.bytes(at, Label::new("boot catalog"), el_torito::catalog(bios, efi.as_ref()));
    }
    for view in &layout.views {
        view.write(&mut plan, &layout.contents.starts);
    }
    layout.contents.write(&mut plan, &found);
    Ok(Iso { plan: plan.finish(size)?, bios, efi })
}

/// Everything with its place.
struct Layout<'t> {
    catalog: Option<Bytes>,
    views: [View<'t>; 2],
    contents: Contents<'t>,
}

/// A hierarchy and its path tables.
struct View<'t> {
    rule: Rule,
    hierarchy: Hierarchy<'t>,
    /// What one table takes.
    table: Bytes,
    little: Bytes,
    big: Bytes,
}

impl<'t> Layout<'t> {
    fn of(tree: &'t Tree, found: &Found) -> Result<Self, Error> {
        let boots = found.bios.is_some() || found.efi.is_some();
        let descriptors = if boots { 4 } else { 3 };
        let mut at = descriptor::FIRST.at() + SECTOR * descriptors;
        let catalog = boots.then_some(at);
        at += if boots { SECTOR } else { Bytes::ZERO };
        let mut view = |rule| {
            let hierarchy = Hierarchy::of(tree, rule)?;
            let table = Bytes::of(&hierarchy.path_table(Order::Little));
            let (little, big) = (at, at + table.align_up(SECTOR));
            at = big + table.align_up(SECTOR);
            Ok::<_, Error>(View { rule, hierarchy, table, little, big })
        };
        let mut views = [view(Rule::Primary)?, view(Rule::Joliet)?];
        for view in &mut views {
            at = view.hierarchy.place(at);
        }
        Ok(Self { catalog, views, contents: Contents::place(tree, found, at) })
    }

    /// Writes the descriptors: El Torito's must be the second.
    fn descriptors(&self, plan: &mut PlanBuilder, settings: &Settings<'_>, size: Bytes) {
        let [primary, joliet] = &self.views;
        let mut all = vec![(Label::new("primary descriptor"), primary.descriptor(settings, size))];
        if let Some(catalog) = self.catalog {
            let record = descriptor::boot_record(Lba::of(catalog));
            all.push((Label::new("boot record"), record));
        }
        all.push((Label::new("joliet descriptor"), joliet.descriptor(settings, size)));
        all.push((Label::new("end of descriptors"), descriptor::terminator()));
        let mut at = descriptor::FIRST.at();
        for (label, data) in all {
            plan.bytes(at, label, data);
            at += SECTOR;
        }
    }
}

impl View<'_> {
    fn descriptor(&self, settings: &Settings<'_>, size: Bytes) -> Vec<u8> {
        let tables = (Lba::of(self.little), Lba::of(self.big));
        let root = self.hierarchy.root_record();
        Descriptor { settings, rule: self.rule, size, table_size: self.table, tables, root }
            .encode()
    }

    fn write(&self, plan: &mut PlanBuilder, files: &[Lba]) {
        let [little, big] = match self.rule {
            Rule::Primary => ["path table", "big-endian path table"],
            Rule::Joliet => ["joliet path table", "joliet big-endian path table"],
        };
        let tables = [(self.little, little, Order::Little), (self.big, big, Order::Big)];
        for (at, what, order) in tables {
            let table = self.hierarchy.path_table(order);
            let end = at + Bytes::of(&table);
            plan.bytes(at, Label::new(what), table);
            plan.zeros(end, end.align_up(SECTOR) - end, Label::new("rest of path table"));
        }
        self.hierarchy.write(plan, files);
    }
}
