//! What a block device is, as the kernel describes it.

use std::path::{Path, PathBuf};

use calve_image_core::units::Bytes;

use super::{DeviceNumber, Error, Host, Identity};

/// What the kernel counts sizes and starts in, whatever the device's sectors are.
const UNIT: Bytes = Bytes::new(512);

/// The SCSI type of CD and DVD drives.
const OPTICAL: &str = "5";

/// A block device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its name, as the kernel calls it: `sdb`.
    pub name: String,
    /// Its number.
    pub number: DeviceNumber,
    /// Where the kernel describes it.
    pub node: PathBuf,
    /// The name of the disk, for a partition.
    pub disk: Option<String>,
    /// Its size; zero where a reader holds no medium.
    pub size: Bytes,
    /// What it calls a sector.
    pub sector: Bytes,
    /// Whether the kernel or a switch on it forbids writing.
    pub is_read_only: bool,
    /// Whether it says that it can be taken out.
    pub is_removable: bool,
    /// Whether it is a CD or DVD drive.
    pub is_optical: bool,
    /// Whether its zones can be written in order only.
    pub is_zoned: bool,
    /// Whether the kernel looks for partitions on it: not on all loops.
    pub is_scanned: bool,
    /// Who made it and what it is called.
    pub model: Option<String>,
    /// What it hangs on.
    pub bus: Option<&'static str>,
    /// How it is known again.
    pub identity: Identity,
    /// Its partitions, as the kernel sees them, in the order of their numbers.
    pub partitions: Vec<Part>,
}

/// A partition, as the kernel sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name: `sdb1`, `nvme0n1p1`.
    pub name: String,
    /// Its number on the disk.
    pub index: u64,
    /// Its number as a device.
    pub number: DeviceNumber,
    /// Where it begins.
    pub start: Bytes,
    /// How large it is.
    pub size: Bytes,
}

impl Device {
    /// Reads what the kernel says of a device.
    ///
    /// # Errors
    /// There is none of that number, or what decides cannot be read.
    pub fn of(host: &Host, number: DeviceNumber) -> Result<Self, Error> {
        let node = host.node(number)?;
        let is_partition = node.join("partition").exists();
        // A partition lies in its disk's directory, which has what both share.
        let whole = node.parent().filter(|_| is_partition).unwrap_or(&node).to_owned();
        let size = UNIT * host.number(&node.join("size"))?;
        let sector = Bytes::new(host.number(&whole.join("queue/logical_block_size"))?);
        let is = |name: &str| host.number(&node.join(name)).map(|value| value != 0);
        let attribute = |name: &str| host.attribute(&whole.join(name));
        Ok(Self {
            name: name(&node),
            number,
            disk: is_partition.then(|| name(&whole)),
            size,
            sector,
            is_read_only: is("ro")? || host.number(&whole.join("ro"))? != 0,
            is_removable: attribute("removable").as_deref() == Some("1"),
            is_optical: attribute("device/type").as_deref() == Some(OPTICAL),
            is_zoned: attribute("queue/zoned").as_deref() == Some("host-managed"),
            is_scanned: !["partscan", "loop/partscan"]
                .into_iter()
                .any(|name| attribute(name).as_deref() == Some("0")),
            model: model(host, &whole),
            bus: bus(&whole),
            identity: Identity::of(host, number, &whole, size),
            partitions: partitions(host, &node)?,
            node,
        })
    }

    /// Lists the disks that the kernel knows, without those that hold nothing.
    ///
    /// # Errors
    /// What the kernel says cannot be read.
    pub fn disks(host: &Host) -> Result<Vec<Self>, Error> {
        let class = host.path("/sys/block");
        let mut disks = Vec::new();
        for name in host.names(&class)? {
            let number = host.text(&class.join(name).join("dev"))?;
            let Ok(number) = number.trim().parse() else { continue };
            let device = Self::of(host, number)?;
            if !device.size.is_zero() {
                disks.push(device);
            }
        }
        Ok(disks)
    }
}

/// The kernel writes `!` for the slashes of names like `cciss/c0d0`.
fn name(node: &Path) -> String {
    let name = node.file_name().unwrap_or_default();
    name.to_string_lossy().replace('!', "/")
}

fn partitions(host: &Host, node: &Path) -> Result<Vec<Part>, Error> {
    let mut parts = Vec::new();
    for entry in host.names(node)? {
        let directory = node.join(&entry);
        if !directory.join("partition").exists() {
            continue;
        }
        let dev = host.text(&directory.join("dev"))?;
        let number = dev.trim().parse().map_err(|_| Error::Nonsense {
            path: directory.join("dev"),
            expected: "MAJOR:MINOR",
            found: dev.trim().to_owned(),
        })?;
        parts.push(Part {
            name: name(&directory),
            index: host.number(&directory.join("partition"))?,
            number,
            start: UNIT * host.number(&directory.join("start"))?,
            size: UNIT * host.number(&directory.join("size"))?,
        });
    }
    parts.sort_by_key(|part| part.index);
    Ok(parts)
}

/// `SanDisk Ultra`: the vendor's name, unless it says nothing, and the model's.
fn model(host: &Host, node: &Path) -> Option<String> {
    let attribute = |name: &str| host.attribute(&node.join(name));
    let vendor =
        attribute("device/vendor").filter(|vendor| vendor != "ATA" && !vendor.starts_with("0x"));
    // SD cards have a name instead, device mappings and loops what they are made of.
    let model = ["device/model", "device/name", "dm/name", "loop/backing_file"];
    let model = model.into_iter().find_map(attribute);
    let words: Vec<String> = vendor.into_iter().chain(model).collect();
    if words.is_empty() { None } else { Some(words.join(" ")) }
}

/// What a device hangs on: the nearest bus on its way from the machine that people have a name for.
fn bus(node: &Path) -> Option<&'static str> {
    const BUSES: [(&str, &str); 8] = [
        ("usb", "USB"),
        ("nvme", "NVMe"),
        // A drive that may be reached in several ways hangs on none of them.
        ("nvme-subsys", "NVMe"),
        ("mmc", "MMC"),
        ("ata", "SATA"),
        ("virtio", "virtio"),
        ("host", "SCSI"),
        ("virtual", "virtual"),
    ];
    let on_the_way = |word: &str| {
        let ancestors = node.ancestors().skip(1).filter_map(Path::file_name);
        ancestors.filter_map(std::ffi::OsStr::to_str).any(|name| {
            let rest = name.strip_prefix(word);
            rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || "cn:".contains(c)))
        })
    };
    BUSES.into_iter().find(|(word, _)| on_the_way(word)).map(|(_, bus)| bus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drive_with_several_ways_to_it_is_no_virtual_one() {
        let bus = |node: &str| bus(Path::new("/sys/devices").join(node).as_path());
        assert_eq!(bus("pci0000:00/0000:00:1d.0/nvme/nvme0/nvme0n1"), Some("NVMe"));
        assert_eq!(bus("virtual/nvme-subsystem/nvme-subsys0/nvme0n1"), Some("NVMe"));
        assert_eq!(bus("virtual/block/dm-0"), Some("virtual"));
    }
}
