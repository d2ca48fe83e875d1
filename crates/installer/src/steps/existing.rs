//! Where the partitions of an installation are that was made before: by their names in the table of the disk.
//!
//! A repair wipes nothing and has no ids of its own: a GUID is what udev has noted of the partition, so that the
//! steps name it as they name new ones.

use calve_image_core::disk::Layout;
use calve_image_core::inputs::device_spec::DeviceSpec;

use super::mount::Spot;
use crate::survey::{Device, Host};

/// An installation that was made before.
#[derive(Clone, Copy, Debug)]
pub struct Existing<'a> {
    /// What it was made from.
    pub layout: &'a Layout,
    /// The partitions of its disk.
    pub parts: &'a [Named],
}

/// A partition, as its table names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its GUID.
    pub id: String,
}

/// A disk without a partition that the layout has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// None is called so.
    #[error("the disk has no partition {expected:?}; its partitions are called {}", quoted(found))]
    Missing {
        /// The name.
        expected: String,
        /// The names that there are.
        found: Vec<String>,
    },
    /// More than one is called so.
    #[error("the disk has more than one partition {name:?}: expected one")]
    Twice {
        /// The name.
        name: String,
    },
}

fn quoted(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

impl Existing<'_> {
    /// Finds each partition of the layout.
    ///
    /// # Errors
    /// One that is not there, or several in its place.
    pub fn spots(&self) -> Result<Vec<Spot>, Error> {
        let partitions = self.layout.partitions.iter();
        partitions
            .map(|partition| {
                let name = partition.name.clone();
                let mut parts = self.parts.iter().filter(|part| part.name == name);
                match (parts.next(), parts.next()) {
                    (Some(part), None) => Ok(Spot {
                        name,
                        device: format!("/dev/disk/by-partuuid/{}", part.id),
                        content: partition.content.clone(),
                    }),
                    (Some(_), Some(_)) => Err(Error::Twice { name }),
                    (None, _) => {
                        let found = self.parts.iter().map(|part| part.name.clone()).collect();
                        Err(Error::Missing { expected: name, found })
                    }
                }
            })
            .collect()
    }
}

/// Lists the partitions of a disk that have a name and a GUID, as udev has noted them.
pub fn parts(host: &Host, device: &Device) -> Vec<Named> {
    let parts = device.partitions.iter().filter_map(|part| {
        let mut udev = host.udev(part.number);
        let name = udev.remove("ID_PART_ENTRY_NAME")?;
        let id = udev.remove("ID_PART_ENTRY_UUID")?;
        // It is noted as the link below /dev/disk is called.
        match DeviceSpec::parse(&format!("/dev/disk/by-partlabel/{name}")) {
            DeviceSpec::PartLabel(name) => Some(Named { name, id }),
            DeviceSpec::Label(_)
            | DeviceSpec::Uuid(_)
            | DeviceSpec::PartUuid(_)
            | DeviceSpec::Mapper(_)
            | DeviceSpec::Path(_)
            | DeviceSpec::Virtual(_)
            | DeviceSpec::File(_) => None,
        }
    });
    parts.collect()
}
