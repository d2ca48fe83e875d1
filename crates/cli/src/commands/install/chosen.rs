//! Which disk of the machine is meant.

use calve_installer::survey::{Device, Disk};

use super::disk_arg::DiskArg;
use super::reached::Reached;
use crate::drawing::{self, Column};
use crate::failure::Failure;

/// Finds the disk that the user named.
pub(super) fn disk<'r>(reached: &'r Reached, named: Option<&DiskArg>) -> Result<&'r Disk, Failure> {
    let Some(DiskArg(text)) = named else {
        return Err(
            Failure::usage("expected a disk to install on: --disk DEVICE").note(listed(reached))
        );
    };
    let found = reached.disks.iter().find(|disk| is(reached, &disk.device, text));
    if let Some(disk) = found {
        return Ok(disk);
    }
    let whole = reached.disks.iter().find(|disk| {
        disk.device.partitions.iter().any(|part| name(reached, text) == Some(part.name.clone()))
    });
    let failure = match whole {
        Some(disk) => {
            let hint = format!("name the disk: --disk {}", title(disk));
            Failure::usage(format!("{text} is a partition of {}", disk.device.name)).hint(hint)
        }
        None => {
            let machine = reached.target().name();
            Failure::usage(format!("{text} is no disk of {machine} that a system could be on"))
        }
    };
    Err(failure.note(listed(reached)))
}

/// Whether a text names a device: as the kernel does, by its path, or by a link that stays.
pub(super) fn is(reached: &Reached, device: &Device, text: &str) -> bool {
    name(reached, text).is_some_and(|name| name == device.name)
}

/// What the kernel calls a device.
fn name(reached: &Reached, text: &str) -> Option<String> {
    let Some(path) = text.strip_prefix("/dev/") else {
        return (!text.contains('/')).then(|| text.to_owned());
    };
    // udev's links lead to `../../sda`; the survey has brought those that stay.
    match std::fs::read_link(reached.host().path(text)) {
        Ok(link) => Some(link.file_name()?.to_str()?.to_owned()),
        Err(_) => Some(path.to_owned()),
    }
}

/// How to name a disk so that it is the same tomorrow.
pub(super) fn title(disk: &Disk) -> String {
    disk.id.clone().unwrap_or_else(|| format!("/dev/{}", disk.device.name))
}

/// All disks, each with who uses it.
fn listed(reached: &Reached) -> String {
    let row = |disk: &Disk| {
        let device = &disk.device;
        vec![
            format!("/dev/{}", device.name),
            device.size.to_string(),
            device.model.clone().unwrap_or_default(),
            disk.uses.first().map(ToString::to_string).unwrap_or_default(),
            disk.id.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<Vec<String>> = reached.disks.iter().map(row).collect();
    let columns = [Column::Left, Column::Right, Column::Left, Column::Left, Column::Left];
    let machine = reached.target().name();
    format!("the disks of {machine}:\n{}", drawing::table(&columns, &rows))
}
