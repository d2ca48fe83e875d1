//! What is on a device now: its partition table, and what its partitions hold.
//!
//! The device's own bytes are asked first, then udev, which has looked at them with more privileges
//! than this process may have. Nothing of it decides anything: it is for somebody who is about to say
//! that all of it may go.

use std::fs::File;

use calve_image_core::inspect::{self, Disk, Medium, mbr};
use calve_image_core::units::{Bytes, SectorSize};

use super::signature::{self, Holding};
use super::{Device, DeviceNumber, Host};

/// What is on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The kind of its partition table: `GPT`, `MBR`.
    pub table: Option<&'static str>,
    /// What it holds as a whole.
    pub whole: Option<Holding>,
    /// Its partitions, in the order of their numbers.
    pub partitions: Vec<Found>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What the kernel calls it, or its number where the kernel does not see it.
    pub title: String,
    /// Its name in the table.
    pub name: Option<String>,
    /// Where it begins.
    pub start: Bytes,
    /// How large it is.
    pub size: Bytes,
    /// What it holds.
    pub holds: Option<Holding>,
}

impl Contents {
    /// Looks at a device, as far as it can be read.
    pub fn of(host: &Host, device: &Device, file: Option<&File>) -> Self {
        let disk = file.and_then(|file| Disk::open(file).ok());
        let medium = disk.as_ref().map(|disk| -> &dyn Medium { disk });
        let (table, mut partitions) = medium
            .and_then(|medium| table(medium, SectorSize::from_bytes(device.sector)))
            .unwrap_or_else(|| (noted_table(host, device.number), Vec::new()));
        if partitions.is_empty() {
            partitions.extend(device.partitions.iter().map(|part| Found {
                title: part.name.clone(),
                name: host.udev(part.number).remove("ID_PART_ENTRY_NAME"),
                start: part.start,
                size: part.size,
                holds: None,
            }));
        }
        let look = |start: Bytes, number: Option<DeviceNumber>| {
            let own = medium.and_then(|medium| signature::recognise(medium, start).ok().flatten());
            own.or_else(|| number.and_then(|number| noted(host, number)))
        };
        for found in &mut partitions {
            let part = device.partitions.iter().find(|part| part.start == found.start);
            if let Some(part) = part {
                found.title.clone_from(&part.name);
            }
            found.holds = look(found.start, part.map(|part| part.number));
        }
        let whole = look(Bytes::ZERO, Some(device.number));
        Self { table, whole, partitions }
    }

    /// Tells whether nothing was found.
    pub fn is_blank(&self) -> bool {
        self.table.is_none() && self.whole.is_none() && self.partitions.is_empty()
    }
}

/// What udev saw of the table, in the words of libblkid.
fn noted_table(host: &Host, number: DeviceNumber) -> Option<&'static str> {
    match host.udev(number).get("ID_PART_TABLE_TYPE")?.as_str() {
        "gpt" => Some("GPT"),
        "dos" => Some("MBR"),
        _ => None,
    }
}

/// Reads the table that a disk has, of either kind.
pub fn table(
    disk: &dyn Medium,
    sector: Option<SectorSize>,
) -> Option<(Option<&'static str>, Vec<Found>)> {
    if let Ok(table) = inspect::table(disk) {
        let found = table.entries.into_iter().map(|entry| Found {
            title: entry.number.to_string(),
            name: Some(entry.name).filter(|name| !name.is_empty()),
            start: entry.start,
            size: entry.size,
            holds: None,
        });
        return Some((Some("GPT"), found.collect()));
    }
    let records = mbr::read(disk, sector.unwrap_or_default()).ok()??;
    let found = records.into_iter().map(|record| Found {
        title: record.number.to_string(),
        name: None,
        start: record.start,
        size: record.size,
        holds: None,
    });
    Some((Some("MBR"), found.collect()))
}

/// What udev has noted.
fn noted(host: &Host, number: DeviceNumber) -> Option<Holding> {
    let mut udev = host.udev(number);
    let format = udev.remove("ID_FS_TYPE")?;
    Some(Holding { format, label: udev.remove("ID_FS_LABEL") })
}
