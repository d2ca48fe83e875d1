//! What a layout will make, as far as a closure can tell the difference.

use std::collections::BTreeSet;

use crate::tree::TreePath;
use crate::units::Bytes;

/// A machine that an image is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Target {
    /// Nothing is known about it.
    #[default]
    Any,
    /// QEMU with virtio disks, or a cloud that is one.
    Qemu,
}

/// What blkid calls a LUKS volume.
pub const LUKS: &str = "crypto_LUKS";

/// What a partition is called here that the running system swaps to with a new key at each start.
pub const RANDOM_SWAP: &str = "random-swap";

/// A file system, swap area or LUKS volume of a layout. Names that are `None` are free: the closure
/// decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Volume {
    /// What the profile calls it.
    pub name: String,
    /// Where it is mounted; `None` for swap and LUKS.
    pub mount_point: Option<String>,
    /// As fstab names it: `ext4`, `vfat`, `swap`; or [`LUKS`], or [`RANDOM_SWAP`].
    pub fs_type: String,
    /// The label, where the profile fixes it.
    pub label: Option<String>,
    /// The UUID, or the serial of a vfat, where the profile fixes it.
    pub uuid: Option<String>,
    /// The GPT partition's name, where the profile fixes it.
    pub part_label: Option<String>,
    /// The GPT partition's GUID, where the profile fixes it.
    pub part_uuid: Option<String>,
    /// What a LUKS volume is opened as, below `/dev/mapper`, where the profile fixes it.
    pub mapper: Option<String>,
    /// The LUKS volume it lies in, by its index; its own names are then inside, its partition's are not.
    pub inside: Option<usize>,
    /// The subvolume that it is, by its path in the file system.
    pub subvolume: Option<String>,
    /// The volume that it is a part of, by its index: that has its names.
    pub part_of: Option<usize>,
    /// Its size, where the profile fixes it.
    pub size: Option<Bytes>,
    /// Whether it is the EFI system partition.
    pub is_esp: bool,
}

/// All that a layout makes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// Its volumes, in the order of the disk.
    pub volumes: Vec<Volume>,
    /// The room that the ESP's files need (see [`crate::boot::esp::room`]); zero where unknown.
    pub esp_needed: Bytes,
    /// The room that three generations need.
    pub esp_auto: Bytes,
    /// The machine that the image is for.
    pub target: Target,
    /// The secrets that somebody brings for initrds, by where the first stage finds them.
    pub secrets: BTreeSet<TreePath>,
}

impl Volume {
    /// Whether it has to be opened, and holds another one.
    pub fn is_luks(&self) -> bool {
        self.fs_type == LUKS
    }
}

impl Offer {
    /// The LUKS volumes, with their indices.
    pub fn luks(&self) -> impl Iterator<Item = (usize, &Volume)> {
        self.volumes.iter().enumerate().filter(|(_, volume)| volume.is_luks())
    }

    /// What lies in the LUKS volume of an index.
    pub fn inside(&self, luks: usize) -> impl Iterator<Item = &Volume> {
        self.volumes.iter().filter(move |volume| volume.inside == Some(luks))
    }

    /// The volume mounted in a place, with its index.
    pub fn at(&self, mount_point: &str) -> Option<(usize, &Volume)> {
        let mounted = |volume: &Volume| volume.mount_point.as_deref() == Some(mount_point);
        self.volumes.iter().enumerate().find(|(_, volume)| mounted(volume))
    }

    /// The EFI system partition, with its index.
    pub fn esp(&self) -> Option<(usize, &Volume)> {
        self.volumes.iter().enumerate().find(|(_, volume)| volume.is_esp)
    }

    /// The volume that a path of the image lies on.
    pub fn holding(&self, path: &str) -> Option<&Volume> {
        let above = |mount: &str| {
            let below = path.strip_prefix(mount);
            mount == "/" || below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.volumes
            .iter()
            .filter(|volume| volume.mount_point.as_deref().is_some_and(above))
            .max_by_key(|volume| volume.mount_point.as_ref().map(String::len))
    }
}
