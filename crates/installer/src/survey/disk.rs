//! All disks of a machine, each with what is on it and who uses it.

use std::fs::File;
use std::path::Path;

use super::uses::{self, InUse};
use super::{Contents, Device, Error, Host};

/// A disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// What it is.
    pub device: Device,
    /// A name that it keeps wherever it is plugged in: `/dev/disk/by-id/…`.
    pub id: Option<String>,
    /// What is on it.
    pub contents: Contents,
    /// Who uses it.
    pub uses: Vec<InUse>,
}

impl Disk {
    /// Lists the disks that something could be installed on: neither CD drives nor what is made of others or
    /// of memory. Those of this machine may be opened and looked at.
    ///
    /// # Errors
    /// What the kernel says cannot be read.
    pub fn all(host: &Host, is_this: bool) -> Result<Vec<Self>, Error> {
        let disks = Device::disks(host)?.into_iter();
        let disks = disks.filter(|device| !device.is_optical && device.bus != Some("virtual"));
        disks
            .map(|device| {
                let path = Path::new("/dev").join(&device.name);
                // Who may not read it still sees what the kernel and udev say.
                let file = is_this.then(|| File::open(path).ok()).flatten();
                Ok(Self {
                    id: id(host, &device.name)?,
                    contents: Contents::of(host, &device, file.as_ref()),
                    uses: uses::uses(host, &device)?,
                    device,
                })
            })
            .collect()
    }
}

/// The best of a disk's links: names that a bus made up, and world-wide names, say least to people.
fn id(host: &Host, name: &str) -> Result<Option<String>, Error> {
    let directory = host.path("/dev/disk/by-id");
    let leads_here = |link: &String| {
        let target = std::fs::read_link(directory.join(link)).ok();
        target.is_some_and(|target| target.file_name() == Some(name.as_ref()))
    };
    let mut links: Vec<String> = host.names(&directory)?.into_iter().filter(leads_here).collect();
    links.sort_by_key(|link| {
        let says_little = ["wwn-", "nvme-eui.", "nvme-uuid.", "scsi-", "dm-"];
        (says_little.iter().any(|prefix| link.starts_with(prefix)), link.len())
    });
    Ok(links.into_iter().next().map(|link| format!("/dev/disk/by-id/{link}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_that_says_most() {
        let root = tempfile::tempdir().unwrap();
        let by_id = root.path().join("dev/disk/by-id");
        std::fs::create_dir_all(&by_id).unwrap();
        for (link, to) in [
            ("nvme-eui.0025385b71b0a1b2", "nvme0n1"),
            ("nvme-Samsung_SSD_970_EVO_500GB_S466NX0K123456", "nvme0n1"),
            ("nvme-Samsung_SSD_970_EVO_500GB_S466NX0K123456_1", "nvme0n1"),
            ("nvme-Samsung_SSD_970_EVO_500GB_S466NX0K123456-part1", "nvme0n1p1"),
            ("wwn-0x5000", "sda"),
        ] {
            std::os::unix::fs::symlink(format!("../../{to}"), by_id.join(link)).unwrap();
        }
        let host = Host::below(root.path());
        let best = "/dev/disk/by-id/nvme-Samsung_SSD_970_EVO_500GB_S466NX0K123456";
        assert_eq!(id(&host, "nvme0n1").unwrap().as_deref(), Some(best));
        assert_eq!(id(&host, "sda").unwrap().as_deref(), Some("/dev/disk/by-id/wwn-0x5000"));
        assert_eq!(id(&host, "sdb").unwrap(), None);
    }
}
