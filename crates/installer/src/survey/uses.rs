//! Who uses a device: directly, by its partitions, or by what is made of them.
//!
//! A disk is in use when a file system on it is mounted or swapped to, and so is a partition, a crypt
//! device on a partition, a volume on that, and so on. The kernel lists what is made of what
//! (`holders`), but for loops over devices, and for the members of file systems of several devices;
//! those are looked for where they are listed instead. That a device is made into something is enough:
//! a disk array that nobody mounts is somebody's all the same.
//!
//! Not seen are mounts of other namespaces, and file systems that the kernel does not list. The
//! exclusive opening that follows finds those.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::mounts::{self, Mount};
use super::{Device, DeviceNumber, Error, Host};

/// More layers than anybody piles up; what the kernel says must not make us run in circles.
const DEPTH: usize = 16;

/// Where a running system lies.
const SYSTEM: [&str; 4] = ["/", "/nix/store", "/boot", "/usr"];

/// How something is used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// The running system lies on it, here.
    System(PathBuf),
    /// It is mounted here.
    Mounted(PathBuf),
    /// It is swapped to, by this name: a device's, or that of a file on it.
    Swap(PathBuf),
    /// It is a member of a mounted file system of this id.
    Member(String),
    /// It is made into something, of which no use is known.
    Held,
}

/// A use, and what lies between it and the device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InUse {
    /// The partition, what is made of it, what is made of that.
    pub chain: Vec<String>,
    /// How the last of them is used.
    pub by: Use,
}

impl fmt::Display for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chain = self.chain.join(" \u{2192} ");
        match &self.by {
            Use::System(path) => {
                write!(f, "{chain} holds {} of the running system", path.display())
            }
            Use::Mounted(path) => write!(f, "{chain} is mounted at {}", path.display()),
            Use::Swap(_) => write!(f, "{chain} is used as swap"),
            Use::Member(id) => write!(f, "{chain} is a device of the mounted file system {id}"),
            Use::Held => write!(f, "{chain} is set up"),
        }
    }
}

/// Finds all uses of a device.
///
/// # Errors
/// What the kernel says cannot be read.
pub fn uses(host: &Host, device: &Device) -> Result<Vec<InUse>, Error> {
    let listed = Listed::read(host)?;
    let mut found = Vec::new();
    let chain = vec![device.name.clone()];
    listed.follow(host, &device.node, device.number, &chain, &mut found)?;
    for part in &device.partitions {
        let chain = vec![part.name.clone()];
        listed.follow(
            host,
            &device.node.join(node_name(&part.name)),
            part.number,
            &chain,
            &mut found,
        )?;
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn node_name(name: &str) -> String {
    name.rsplit('/').next().unwrap_or(name).to_owned()
}

/// What is listed apart from the devices.
struct Listed {
    uses: BTreeMap<DeviceNumber, Vec<Use>>,
    /// Loop devices over a block device, by the latter.
    loops: BTreeMap<DeviceNumber, Vec<PathBuf>>,
}

impl Listed {
    fn read(host: &Host) -> Result<Self, Error> {
        let mounts = mounts::mounts(host)?;
        let mut listed = Self { uses: BTreeMap::new(), loops: BTreeMap::new() };
        for path in SYSTEM.map(Path::new) {
            listed.system(host, &mounts, path, path, 0);
        }
        for mount in &mounts {
            for number in numbers(host, mount) {
                listed.add(number, Use::Mounted(mount.at.clone()));
            }
        }
        for path in mounts::swaps(host)? {
            let file = || mounts::holding(&mounts, &path).map(|mount| mount.number);
            if let Some(number) = host.number_of(&path).or_else(file) {
                listed.add(number, Use::Swap(path));
            }
        }
        listed.members(host)?;
        listed.loops(host)?;
        Ok(listed)
    }

    fn add(&mut self, number: DeviceNumber, by: Use) {
        let uses = self.uses.entry(number).or_default();
        // What holds the system is mounted, which needs no saying.
        let is_said = uses.iter().any(|said| match (said, &by) {
            (Use::System(there), Use::Mounted(here)) => there == here,
            (said, by) => said == by,
        });
        if !is_said {
            uses.push(by);
        }
    }

    /// Notes what holds a path of the system: its device, or those under an overlay or a loop.
    fn system(&mut self, host: &Host, mounts: &[Mount], path: &Path, named: &Path, depth: usize) {
        let Some(mount) = mounts::holding(mounts, path).filter(|_| depth < DEPTH) else { return };
        let lower = |option: &str| {
            let value = option.split_once('=').filter(|(key, _)| key.ends_with("dir"));
            value.map(|(_, value)| value.split(':').map(PathBuf::from).collect::<Vec<_>>())
        };
        if mount.format == "overlay" {
            for layer in mount.options.split(',').filter_map(lower).flatten() {
                if layer.starts_with(&mount.at) && mount.at != Path::new("/") {
                    continue;
                }
                self.system(host, mounts, &layer, named, depth + 1);
            }
        }
        for number in numbers(host, mount) {
            self.add(number, Use::System(named.to_owned()));
            let backing = host.node(number).ok().map(|node| node.join("loop/backing_file"));
            if let Some(file) = backing.and_then(|backing| host.attribute(&backing)) {
                self.system(host, mounts, Path::new(&file), named, depth + 1);
            }
        }
    }

    /// Notes the devices of mounted file systems that have several.
    fn members(&mut self, host: &Host) -> Result<(), Error> {
        let btrfs = host.path("/sys/fs/btrfs");
        for id in host.names(&btrfs)? {
            let devices = btrfs.join(&id).join("devices");
            for name in host.names(&devices)? {
                let number = host.attribute(&devices.join(name).join("dev"));
                if let Some(number) = number.and_then(|number| number.parse().ok()) {
                    self.add(number, Use::Member(id.clone()));
                }
            }
        }
        let bcachefs = host.path("/sys/fs/bcachefs");
        for id in host.names(&bcachefs)? {
            for name in host.names(&bcachefs.join(&id))? {
                let number = host.attribute(&bcachefs.join(&id).join(name).join("block/dev"));
                if let Some(number) = number.and_then(|number| number.parse().ok()) {
                    self.add(number, Use::Member(id.clone()));
                }
            }
        }
        Ok(())
    }

    /// Notes loops over devices, which are not among the devices' holders.
    fn loops(&mut self, host: &Host) -> Result<(), Error> {
        let class = host.path("/sys/class/block");
        for name in host.names(&class)? {
            let node = class.join(name);
            let file = host.attribute(&node.join("loop/backing_file"));
            if let Some(number) = file.and_then(|file| host.number_of(Path::new(&file))) {
                let node = std::fs::canonicalize(&node)
                    .map_err(|source| Error::Read { path: node, source })?;
                self.loops.entry(number).or_default().push(node);
            }
        }
        Ok(())
    }

    /// Finds the uses of a device and of what is made of it.
    fn follow(
        &self,
        host: &Host,
        node: &Path,
        number: DeviceNumber,
        chain: &[String],
        found: &mut Vec<InUse>,
    ) -> Result<(), Error> {
        for by in self.uses.get(&number).into_iter().flatten() {
            found.push(InUse { chain: chain.to_vec(), by: by.clone() });
        }
        let holders = node.join("holders");
        let mut nodes = Vec::new();
        for name in host.names(&holders)? {
            let link = holders.join(name);
            let holder = std::fs::canonicalize(&link);
            nodes.push(holder.map_err(|source| Error::Read { path: link, source })?);
        }
        nodes.extend(self.loops.get(&number).into_iter().flatten().cloned());
        for holder in nodes {
            let mut longer = chain.to_vec();
            longer.push(title(host, &holder));
            let before = found.len();
            let dev = host.attribute(&holder.join("dev")).and_then(|dev| dev.parse().ok());
            if let Some(number) = dev.filter(|_| longer.len() < DEPTH) {
                self.follow(host, &holder, number, &longer, found)?;
            }
            if found.len() == before {
                found.push(InUse { chain: longer, by: Use::Held });
            }
        }
        Ok(())
    }
}

/// `dm-0 (cryptroot)`: what a device is called, and what its maker called it.
fn title(host: &Host, node: &Path) -> String {
    let name = node.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match host.attribute(&node.join("dm/name")) {
        Some(title) => format!("{name} ({title})"),
        None => name,
    }
}

/// The devices that a mounted file system says it is on.
fn numbers(host: &Host, mount: &Mount) -> Vec<DeviceNumber> {
    // btrfs has a number of its own, of no device, and names one of its devices as the source.
    let source = Path::new(&mount.source);
    let named = if mount.number.major == 0 { host.number_of(source) } else { Some(mount.number) };
    named.into_iter().collect()
}
