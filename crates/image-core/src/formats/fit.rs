//! A layout and a closure, brought together.
//!
//! Pre-flight speaks of volumes and knows no partitions; layouts know no closures. This is where the
//! one is said in the words of the other: what a layout *offers*, and what of the closure's names it
//! then *adopts*. A name that the profile fixes stays: pre-flight has refused the closure by then if
//! it wants another.

use uuid::Uuid;

use crate::boot::esp::Room;
use crate::boot::preflight::offer::{LUKS, RANDOM_SWAP};
use crate::boot::preflight::{Adopted, Offer, Report, Target, Volume};
use crate::disk::{
    Ext4Fill, Fill, ForeignFill, Layout, Partition, PartitionKind, Size, SwapFill, VfatFill,
};
use crate::units::Bytes;

/// A name of the closure that no image can carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the closure looks for the {what} {found:?}: expected {expected}; mend fileSystems in the configuration"
)]
pub struct NameError {
    /// Which kind of name: "partition GUID".
    pub what: &'static str,
    /// As the closure spells it.
    pub found: String,
    /// How it is spelt.
    pub expected: &'static str,
}

/// Says what a layout makes; `room` is what the ESP's files need, where that is known.
pub fn offer(layout: &Layout, room: Option<Room>, target: Target) -> Offer {
    let (esp_needed, esp_auto) =
        room.map_or((Bytes::ZERO, Bytes::ZERO), |room| (room.needed, room.auto));
    let mut volumes = Vec::new();
    for partition in &layout.partitions {
        let outer = volume(partition, &partition.content);
        let first = volumes.len();
        volumes.extend(outer);
        match &partition.content {
            Fill::Luks(fill) => {
                let inner = volume(partition, &fill.content);
                let (inside, part_uuid, size) = (Some(first), None, None);
                volumes.extend(inner.map(|inner| Volume { inside, part_uuid, size, ..inner }));
                shares(&fill.content, first + 1, &mut volumes);
            }
            fill @ (Fill::Empty
            | Fill::Ext4(_)
            | Fill::Vfat(_)
            | Fill::Swap(_)
            | Fill::RandomSwap
            | Fill::Foreign(_)) => shares(fill, first, &mut volumes),
        }
    }
    Offer { volumes, esp_needed, esp_auto, target, ..Offer::default() }
}

/// Adds the other subvolumes of a file system: parts of the volume at an index, which is the first of them.
fn shares(fill: &Fill, whole: usize, volumes: &mut Vec<Volume>) {
    let Fill::Foreign(fill) = fill else { return };
    let Some(first) = volumes.get(whole).cloned() else { return };
    volumes.extend(fill.shares.iter().skip(1).map(|share| Volume {
        mount_point: Some(share.mount.to_string()),
        subvolume: share.subvolume.clone(),
        part_of: Some(whole),
        ..first.clone()
    }));
}

/// How many volumes of an offer a fill is, beside the first.
fn others(fill: &Fill) -> usize {
    match fill {
        Fill::Foreign(fill) => fill.shares.len().saturating_sub(1),
        Fill::Empty
        | Fill::Ext4(_)
        | Fill::Vfat(_)
        | Fill::Swap(_)
        | Fill::RandomSwap
        | Fill::Luks(_) => 0,
    }
}

/// Describes what is in a partition; none where it is empty.
fn volume(partition: &Partition, fill: &Fill) -> Option<Volume> {
    let text = |uuid: Option<Uuid>| uuid.map(|uuid| uuid.to_string());
    let (fs_type, label, uuid) = match fill {
        Fill::Empty => return None,
        Fill::Ext4(fill) => ("ext4", fill.label.clone(), text(fill.uuid)),
        Fill::Vfat(fill) => ("vfat", fill.label.clone(), fill.serial.map(serial_text)),
        Fill::Swap(fill) => ("swap", fill.label.clone(), text(fill.uuid)),
        Fill::RandomSwap => (RANDOM_SWAP, None, None),
        Fill::Foreign(fill) => (fill.kind.word(), fill.label.clone(), text(fill.uuid)),
        Fill::Luks(fill) => (LUKS, fill.label.clone(), text(fill.uuid)),
    };
    let is_mounted = fill.luks().is_none();
    Some(Volume {
        name: partition.name.clone(),
        mount_point: fill.mount().filter(|_| is_mounted).map(ToString::to_string),
        fs_type: fs_type.to_owned(),
        label,
        uuid,
        // A partition must be called something, so its name is a wish; the closure's is a need.
        part_label: None,
        part_uuid: text(partition.id),
        mapper: fill.luks().and_then(|fill| fill.name.clone()),
        subvolume: match fill {
            Fill::Foreign(fill) => fill.shares.first().and_then(|share| share.subvolume.clone()),
            Fill::Empty
            | Fill::Ext4(_)
            | Fill::Vfat(_)
            | Fill::Swap(_)
            | Fill::RandomSwap
            | Fill::Luks(_) => None,
        },
        part_of: None,
        inside: None,
        size: match partition.size {
            Size::Fixed(size) => Some(size),
            Size::Auto | Size::Rest => None,
        },
        is_esp: partition.kind == PartitionKind::Esp,
    })
}

/// Takes over the names that the closure looks for, and the room that its ESP needs.
///
/// # Errors
/// A GUID, UUID or serial that is none.
pub fn adopt(layout: &Layout, report: &Report, room: Room) -> Result<Layout, NameError> {
    let mut layout = layout.clone();
    // In the order of the offer.
    let mut indices = 0..;
    let none = Adopted::default();
    for partition in &mut layout.partitions {
        if partition.kind == PartitionKind::Esp {
            partition.minimum = partition.minimum.max(room.auto);
        }
        if partition.content == Fill::Empty {
            continue;
        }
        let mut next = || {
            let adopted = indices.next().and_then(|index| report.adopted.get(&index));
            adopted.unwrap_or(&none)
        };
        let outer = next();
        if let Some(name) = &outer.part_label {
            partition.name.clone_from(name);
        }
        if let Some(id) = &outer.part_uuid {
            partition.id = Some(uuid("partition GUID", id)?);
        }
        adopt_names(&mut partition.content, outer)?;
        let mut others = others(&partition.content);
        if let Fill::Luks(fill) = &mut partition.content {
            adopt_names(&mut fill.content, next())?;
            others = self::others(&fill.content);
        }
        // They have no names of their own.
        (0..others).for_each(|_| _ = next());
    }
    Ok(layout)
}

/// Takes over the names of a file system, a swap area or a LUKS header.
fn adopt_names(fill: &mut Fill, adopted: &Adopted) -> Result<(), NameError> {
    let take = |ours: &mut Option<String>, name: &Option<String>| {
        if name.is_some() {
            ours.clone_from(name);
        }
    };
    let take_uuid = |ours: &mut Option<Uuid>| match &adopted.uuid {
        Some(text) => uuid("UUID", text).map(|uuid| *ours = Some(uuid)),
        None => Ok(()),
    };
    match fill {
        Fill::Empty | Fill::RandomSwap => Ok(()),
        Fill::Ext4(Ext4Fill { label, uuid, .. }) | Fill::Swap(SwapFill { label, uuid }) => {
            take(label, &adopted.label);
            take_uuid(uuid)
        }
        Fill::Foreign(ForeignFill { label, uuid, .. }) => {
            take(label, &adopted.label);
            take_uuid(uuid)
        }
        Fill::Luks(fill) => {
            take(&mut fill.label, &adopted.label);
            take(&mut fill.name, &adopted.mapper);
            take_uuid(&mut fill.uuid)
        }
        Fill::Vfat(VfatFill { label, serial, .. }) => {
            take(label, &adopted.label);
            if let Some(text) = &adopted.uuid {
                *serial = Some(self::serial(text)?);
            }
            Ok(())
        }
    }
}

fn uuid(what: &'static str, text: &str) -> Result<Uuid, NameError> {
    let expected = "32 hexadecimal digits in five groups";
    Uuid::parse_str(text).map_err(|_| NameError { what, found: text.to_owned(), expected })
}

/// Reads a FAT serial as Linux shows it: `ABCD-1234`.
fn serial(text: &str) -> Result<u32, NameError> {
    let error = || NameError { what: "FAT serial", found: text.to_owned(), expected: "ABCD-1234" };
    let (high, low) = text.split_once('-').ok_or_else(error)?;
    let digits = format!("{high}{low}");
    // A sign would be taken for part of the number.
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(error());
    }
    match u32::from_str_radix(&digits, 16) {
        Ok(serial) if high.len() == 4 && low.len() == 4 && serial != 0 => Ok(serial),
        Ok(_) | Err(_) => Err(error()),
    }
}

/// Writes a FAT serial as Linux shows it.
pub fn serial_text(serial: u32) -> String {
    format!("{:04X}-{:04X}", serial >> 16, serial & 0xFFFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_read_as_linux_shows_them() {
        assert_eq!(serial("12CE-A600"), Ok(0x12CE_A600));
        assert_eq!(serial_text(0x12CE_A600), "12CE-A600");
        assert_eq!(serial_text(1), "0000-0001");
        for text in ["12CEA600", "12CE-A60", "0000-0000", "12CE-A60G", "+2CE-A600"] {
            assert!(serial(text).is_err(), "{text}");
        }
    }
}
