//! Names that the new system looks for, and that another disk of the machine carries already.
//!
//! Links below `/dev/disk` lead to whichever device udev saw last, and a volume opens under a name that is free:
//! with two disks of one name a machine starts from either. What other disks are called, udev has noted.

use std::path::Path;

use calve_image_core::disk::Fill;
use calve_image_core::inputs::device_spec::DeviceSpec;

use super::{Refusal, Wanted};
use crate::survey::{Device, DeviceNumber, Error, Host};

/// More layers than anybody piles up; what the kernel says must not make us run in circles.
const DEPTH: usize = 16;

/// A kind of name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Label,
    Uuid,
    PartLabel,
    PartUuid,
    Mapper,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Uuid => "UUID",
            Self::PartLabel => "partition label",
            Self::PartUuid => "partition GUID",
            Self::Mapper => "mapper name",
        }
    }
}

/// Finds names of the new system that other disks have.
pub(super) fn clashes(host: &Host, wanted: &Wanted<'_>) -> Result<Vec<Refusal>, Error> {
    let needed = needed(wanted);
    let own = &wanted.disk.device;
    let mut clashes = Vec::new();
    for device in Device::disks(host)? {
        if device.number == own.number || lies_on(host, &device.node, &own.node, 0)? {
            continue;
        }
        let title = match &device.model {
            Some(model) => format!("{} ({model})", device.name),
            None => device.name.clone(),
        };
        let whole = (title.clone(), device.number);
        let parts = device.partitions.iter();
        let parts = parts.map(|part| (format!("{} on {title}", part.name), part.number));
        for (title, number) in std::iter::once(whole).chain(parts) {
            for carried in carried(host, number) {
                let clash = needed.iter().find(|needed| carried.is(needed));
                clashes.extend(clash.map(|(kind, name)| Refusal::Clash {
                    what: kind.word(),
                    name: name.clone(),
                    device: title.clone(),
                }));
            }
        }
    }
    Ok(clashes)
}

/// What the new system looks for.
fn needed(wanted: &Wanted<'_>) -> Vec<(Kind, String)> {
    let mut needed = Vec::new();
    for adopted in wanted.adopted.values() {
        for (kind, name) in [
            (Kind::Label, &adopted.label),
            (Kind::Uuid, &adopted.uuid),
            (Kind::PartLabel, &adopted.part_label),
            (Kind::PartUuid, &adopted.part_uuid),
        ] {
            needed.extend(name.clone().map(|name| (kind, name)));
        }
    }
    // These are taken while it is installed, whoever looks for them afterwards.
    for partition in &wanted.layout.partitions {
        if let Fill::Luks(fill) = &partition.content {
            needed.push((Kind::Mapper, fill.mapper(&partition.name).to_owned()));
        }
    }
    needed
}

/// A name that a device has.
enum Carried {
    Name(Kind, String),
    /// It is a part of this volume group, whose volumes are opened as `GROUP-VOLUME`.
    Group(String),
}

impl Carried {
    fn is(&self, (kind, needed): &(Kind, String)) -> bool {
        match self {
            // Hexadecimal digits are the same in either case.
            Self::Name(own @ (Kind::Uuid | Kind::PartUuid), name) => {
                own == kind && name.eq_ignore_ascii_case(needed)
            }
            Self::Name(own @ (Kind::Label | Kind::PartLabel | Kind::Mapper), name) => {
                own == kind && name == needed
            }
            Self::Group(group) => {
                let prefix = format!("{}-", group.replace('-', "--"));
                *kind == Kind::Mapper && needed.starts_with(&prefix)
            }
        }
    }
}

/// Lists the names of a device.
fn carried(host: &Host, number: DeviceNumber) -> Vec<Carried> {
    let udev = host.udev(number);
    let noted = |key: &str| udev.get(key).cloned();
    let mut carried = Vec::new();
    for (kind, name) in [
        (Kind::Label, noted("ID_FS_LABEL_ENC").or_else(|| noted("ID_FS_LABEL"))),
        (Kind::Uuid, noted("ID_FS_UUID")),
        (Kind::PartLabel, noted("ID_PART_ENTRY_NAME")),
        (Kind::PartUuid, noted("ID_PART_ENTRY_UUID")),
    ] {
        carried.extend(name.map(|name| Carried::Name(kind, unescaped(&name))));
    }
    let mapper = host.node(number).ok().and_then(|node| host.attribute(&node.join("dm/name")));
    carried.extend(mapper.map(|name| Carried::Name(Kind::Mapper, name)));
    let groups = ["DM_VG_NAME", "LVM_VG_NAME_COMPLETE", "LVM_VG_NAME_INCOMPLETE"];
    carried.extend(groups.into_iter().filter_map(noted).map(Carried::Group));
    carried
}

/// udev notes names as links are called.
fn unescaped(name: &str) -> String {
    match DeviceSpec::parse(&format!("/dev/disk/by-label/{name}")) {
        DeviceSpec::Label(name) => name,
        DeviceSpec::Uuid(_)
        | DeviceSpec::PartLabel(_)
        | DeviceSpec::PartUuid(_)
        | DeviceSpec::Mapper(_)
        | DeviceSpec::Path(_)
        | DeviceSpec::Virtual(_)
        | DeviceSpec::File(_) => name.to_owned(),
    }
}

/// Whether a device is made of a disk, or of something on it.
fn lies_on(host: &Host, node: &Path, disk: &Path, depth: usize) -> Result<bool, Error> {
    let slaves = node.join("slaves");
    for name in host.names(&slaves)? {
        let link = slaves.join(name);
        let below = std::fs::canonicalize(&link);
        let below = below.map_err(|source| Error::Read { path: link, source })?;
        if below.starts_with(disk) || (depth < DEPTH && lies_on(host, &below, disk, depth + 1)?) {
            return Ok(true);
        }
    }
    Ok(false)
}
