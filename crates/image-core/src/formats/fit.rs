//! A layout and a closure, brought together.
//!
//! Pre-flight speaks of volumes and knows no partitions; layouts know no closures. This is where the
//! one is said in the words of the other: what a layout *offers*, and what of the closure's names it
//! then *adopts*. A name that the profile fixes stays: pre-flight has refused the closure by then if
//! it wants another.

use uuid::Uuid;

use crate::boot::esp::Room;
use crate::boot::preflight::{Adopted, Offer, Report, Target, Volume};
use crate::disk::{Ext4Fill, Fill, Layout, Partition, PartitionKind, Size, VfatFill};
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
    let volumes = layout.partitions.iter().filter_map(volume).collect();
    Offer { volumes, esp_needed, esp_auto, target, ..Offer::default() }
}

/// Describes what is in a partition; none where it is empty.
fn volume(partition: &Partition) -> Option<Volume> {
    let (fs_type, label, uuid) = match &partition.content {
        Fill::Empty => return None,
        Fill::Ext4(fill) => ("ext4", &fill.label, fill.uuid.map(|uuid| uuid.to_string())),
        Fill::Vfat(fill) => ("vfat", &fill.label, fill.serial.map(serial_text)),
    };
    Some(Volume {
        name: partition.name.clone(),
        mount_point: partition.content.mount().map(ToString::to_string),
        fs_type: fs_type.to_owned(),
        label: label.clone(),
        uuid,
        // A partition must be called something, so its name is a wish; the closure's is a need.
        part_label: None,
        part_uuid: partition.id.map(|id| id.to_string()),
        mapper: None,
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
    let volumes = layout.partitions.iter_mut().filter(|partition| partition.content != Fill::Empty);
    for (index, partition) in volumes.enumerate() {
        if partition.kind == PartitionKind::Esp {
            partition.minimum = partition.minimum.max(room.auto);
        }
        if let Some(adopted) = report.adopted.get(&index) {
            adopt_one(partition, adopted)?;
        }
    }
    Ok(layout)
}

fn adopt_one(partition: &mut Partition, adopted: &Adopted) -> Result<(), NameError> {
    if let Some(name) = &adopted.part_label {
        partition.name.clone_from(name);
    }
    if let Some(id) = &adopted.part_uuid {
        partition.id = Some(uuid("partition GUID", id)?);
    }
    match &mut partition.content {
        Fill::Empty => {}
        Fill::Ext4(Ext4Fill { label, uuid: own, .. }) => {
            *label = adopted.label.clone().or_else(|| label.take());
            if let Some(text) = &adopted.uuid {
                *own = Some(uuid("file system UUID", text)?);
            }
        }
        Fill::Vfat(VfatFill { label, serial, .. }) => {
            *label = adopted.label.clone().or_else(|| label.take());
            if let Some(text) = &adopted.uuid {
                *serial = Some(self::serial(text)?);
            }
        }
    }
    Ok(())
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
