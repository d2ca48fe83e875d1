//! A layout with everything decided: every offset, size and id.
//!
//! Sizes come from the bottom, because contents know what they need; offsets from the top, because
//! only the disk knows what lies before. Partitions start at whole MiB and are whole MiB large; the
//! first and the last MiB of the disk belong to the table. Ids and labels that the layout leaves
//! open come from [`Ids`]; whoever adopts the closure's fills them in before.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::error::LayoutError;
use super::gpt::{Entry, Gpt};
use super::kind::{Architecture, PartitionKind};
use super::layout::{DiskSize, Layout, Partition, Size};
use super::volume::{LuksVolume, Unsized, Volume};
use crate::epoch::Epoch;
use crate::ids::Ids;
use crate::tree::Tree;
use crate::units::{Bytes, MIB, SectorSize};

/// What a layout is resolved against.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The volumes' trees, in the order of [`Layout::mounts`].
    pub trees: &'a [Tree],
    /// Where ids come from that the layout leaves open.
    pub ids: &'a Ids,
    /// The time of what the file systems add.
    pub epoch: Epoch,
    /// What the root partition's type says.
    pub architecture: Architecture,
    /// How many passphrases open each LUKS volume.
    pub keyslots: &'a Keyslots,
}

/// How many passphrases open each LUKS volume: a plan has room for them, and knows none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keyslots {
    /// By what a volume is opened as.
    pub named: BTreeMap<String, usize>,
    /// For all others.
    pub others: usize,
}

impl Keyslots {
    /// Returns how many open a volume; where nothing is said it will be one.
    pub fn of(&self, mapper: &str) -> usize {
        self.named.get(mapper).copied().unwrap_or(self.others).max(1)
    }
}

/// A disk decided.
#[derive(Clone, Debug)]
pub struct Geometry {
    /// What the disk calls a sector.
    pub sector: SectorSize,
    /// The size of the disk.
    pub size: Bytes,
    /// The disk's GUID.
    pub id: Uuid,
    /// The partitions, in their order on the disk.
    pub partitions: Vec<Placed>,
}

/// A partition decided.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Its name in the partition table.
    pub name: String,
    /// What it is for.
    pub kind: PartitionKind,
    /// The type GUID that says so.
    pub type_guid: Uuid,
    /// The partition's own GUID.
    pub id: Uuid,
    /// Its first byte.
    pub start: Bytes,
    /// Its size.
    pub size: Bytes,
    /// What its contents need at least; nothing where it is empty.
    pub needed: Bytes,
    /// What is in it.
    pub content: Volume,
}

impl Layout {
    /// Decides every offset, size and id.
    ///
    /// # Errors
    /// Contents that have no room, and what no disk can be.
    pub fn resolve(&self, given: &Given<'_>) -> Result<Geometry, LayoutError> {
        self.check_names()?;
        self.check()?;
        let volumes = self.volumes(given)?;
        let end = match self.size {
            DiskSize::Auto => None,
            DiskSize::Fixed(size) => Some(self.end_of(size)?),
        };
        let sizes = self.sizes(&volumes, end)?;
        let mut start = MIB;
        let mut partitions = Vec::with_capacity(sizes.len());
        for ((partition, volume), size) in self.partitions.iter().zip(volumes).zip(sizes) {
            let purpose = format!("partition {}", partition.name);
            let placed = Placed {
                name: partition.name.clone(),
                kind: partition.kind,
                type_guid: partition.kind.type_guid(given.architecture),
                id: partition.id.unwrap_or_else(|| given.ids.uuid(&purpose)),
                start,
                size,
                needed: volume.needed,
                content: volume.sized(size),
            };
            start += size;
            partitions.push(placed);
        }
        let size = match self.size {
            DiskSize::Auto => start + MIB,
            DiskSize::Fixed(size) => size,
        };
        let id = self.id.unwrap_or_else(|| given.ids.uuid("disk"));
        Ok(Geometry { sector: self.sector, size, id, partitions })
    }

    fn check_names(&self) -> Result<(), LayoutError> {
        for (index, Partition { name, .. }) in self.partitions.iter().enumerate() {
            let earlier = self.partitions.iter().take(index);
            if name.is_empty() || earlier.map(|other| &other.name).any(|other| other == name) {
                return Err(LayoutError::Name { number: index + 1, name: name.clone() });
            }
        }
        let mut rests = self.partitions.iter().filter(|partition| partition.size == Size::Rest);
        match (rests.next(), rests.next()) {
            (Some(first), Some(second)) => {
                let (first, second) = (first.name.clone(), second.name.clone());
                Err(LayoutError::TwoRests { first, second })
            }
            (Some(_) | None, _) => Ok(()),
        }
    }

    /// Returns where partitions must end: the last MiB is the table's.
    fn end_of(&self, size: Bytes) -> Result<Bytes, LayoutError> {
        let sector = self.sector.bytes();
        if size < MIB * 3 || !size.is_multiple_of(sector) {
            return Err(LayoutError::Disk { size, sector: sector.get() });
        }
        Ok((size - MIB).align_down(MIB))
    }

    /// Asks every fill what it needs.
    fn volumes(&self, given: &Given<'_>) -> Result<Vec<Unsized>, LayoutError> {
        let mut trees = given.trees.iter();
        let volume = |Partition { name, content, .. }: &Partition| {
            Unsized::of((name, content), self.sector, &mut trees, given)
        };
        self.partitions.iter().map(volume).collect()
    }

    /// Decides the sizes; `end` is where the last partition must end, if anywhere.
    fn sizes(&self, volumes: &[Unsized], end: Option<Bytes>) -> Result<Vec<Bytes>, LayoutError> {
        let wanted = |(partition, volume): (&Partition, &Unsized)| match (partition.size, end) {
            (Size::Fixed(size), _) => Some(size.align_up(MIB)),
            (Size::Auto, _) | (Size::Rest, None) => {
                let needed = (volume.needed + volume.reserve).max(partition.minimum);
                Some(needed.align_up(MIB).max(MIB))
            }
            (Size::Rest, Some(_)) => None,
        };
        let wanted: Vec<_> = self.partitions.iter().zip(volumes).map(wanted).collect();
        let others: Bytes = wanted.iter().flatten().copied().sum();
        let left = end.unwrap_or(Bytes::MAX) - MIB - others;
        let sizes: Vec<_> = wanted.into_iter().map(|size| size.unwrap_or(left)).collect();
        let mut start = MIB;
        for ((partition, volume), size) in self.partitions.iter().zip(volumes).zip(&sizes) {
            let on_disk = end.map_or(*size, |end| end - start);
            let (needed, reserve) = match partition.size {
                Size::Fixed(_) => (volume.needed, Bytes::ZERO),
                Size::Auto | Size::Rest => (volume.needed, volume.reserve),
            };
            let error = |contents, reserve, available| {
                let name = partition.name.clone();
                Err(LayoutError::Room { name, contents, reserve, available })
            };
            if needed + reserve > *size || size.is_zero() {
                return error(needed.max(MIB - reserve), reserve, (*size).min(on_disk));
            }
            if *size > on_disk {
                return error(*size, Bytes::ZERO, on_disk);
            }
            start += *size;
        }
        Ok(sizes)
    }
}

impl Geometry {
    /// Lists the LUKS volumes in their order on the disk: those that need keys before it is written.
    pub fn luks(&self) -> impl Iterator<Item = &LuksVolume> {
        self.partitions.iter().filter_map(|placed| placed.content.luks())
    }

    /// Returns the partition table.
    pub fn gpt(&self) -> Gpt {
        let entry = |placed: &Placed| Entry {
            kind: placed.type_guid,
            id: placed.id,
            start: placed.start,
            size: placed.size,
            attributes: 0,
            name: placed.name.clone(),
        };
        let entries = self.partitions.iter().map(entry).collect();
        Gpt { sector: self.sector, size: self.size, id: self.id, entries }
    }
}
