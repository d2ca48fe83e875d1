//! A profile: what kind of image to make of a system.
//!
//! The types here are the file format: their doc comments are the descriptions in the schema
//! (`calve schema`), their words are those of the layout that the library resolves. A profile says
//! nothing about one machine; what the closure fixes (kernel, boot loader, mounts) is not repeated.
//! [`mod@read`] finds and parses a profile and words its errors; [`size`] and [`word`] read its values;
//! [`luks`] has encrypted volumes; [`layout`] turns all of it into what the library takes.

mod layout;
mod luks;
mod read;
mod size;
mod word;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use luks::{Luks, RandomSwap, Space, Swap};
pub(crate) use read::{DEFAULT, Named, is_embedded, nearest_name, read};
pub(crate) use size::{DiskSize, PartitionSize};
pub(crate) use word::{Kind, Mount};

/// What kind of image to make of a NixOS system.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "calve profile")]
pub(crate) struct Profile {
    /// One sentence on what the profile is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) description: String,
    /// The disk as a whole.
    #[serde(default)]
    pub(crate) disk: Disk,
    /// How the boot loader behaves.
    #[serde(default)]
    pub(crate) boot: Boot,
    /// The partitions, in the order they take on the disk.
    pub(crate) partitions: Vec<Partition>,
}

/// The disk as a whole.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Disk {
    /// The partition table.
    pub(crate) table: Table,
    /// What the disk calls a sector: 512, or 4096 for "4Kn" disks.
    pub(crate) sector_size: SectorSize,
    /// The size of the disk; `auto` is as small as the partitions allow.
    pub(crate) size: DiskSize,
}

/// A kind of partition table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Table {
    /// A GUID partition table, which UEFI wants.
    #[default]
    Gpt,
}

/// What a disk calls a sector, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "u64", into = "u64")]
#[schemars(with = "u64", extend("enum" = [512, 4096]))]
pub(crate) enum SectorSize {
    /// 512 bytes: nearly every disk.
    #[default]
    B512,
    /// 4096 bytes: "4Kn" disks.
    B4096,
}

impl TryFrom<u64> for SectorSize {
    type Error = String;

    fn try_from(bytes: u64) -> Result<Self, String> {
        match bytes {
            512 => Ok(Self::B512),
            4096 => Ok(Self::B4096),
            _ => Err(format!("expected a sector size of 512 or 4096, found {bytes}")),
        }
    }
}

impl From<SectorSize> for u64 {
    fn from(size: SectorSize) -> Self {
        match size {
            SectorSize::B512 => 512,
            SectorSize::B4096 => 4096,
        }
    }
}

/// How the boot loader behaves. What is left out, the system's own configuration decides.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Boot {
    /// Seconds that the menu waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout: Option<u32>,
    /// How often the system is tried before it counts as failed; 0: attempts are not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tries: Option<u32>,
    /// Whether the kernel's command line can be edited in the menu.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) editor: Option<bool>,
    /// The resolution of the console.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) console_mode: Option<ConsoleMode>,
}

/// The resolution of the boot menu's console (loader.conf(5), `console-mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ConsoleMode {
    /// 80 columns, 25 lines.
    #[serde(rename = "0")]
    Lines25,
    /// 80 columns, 50 lines.
    #[serde(rename = "1")]
    Lines50,
    /// The first mode that the firmware adds.
    #[serde(rename = "2")]
    Firmware,
    /// A suitable mode, chosen by the loader.
    Auto,
    /// The highest mode.
    Max,
    /// What the firmware has set.
    Keep,
}

/// One partition.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Partition {
    /// The name in the partition table, which `/dev/disk/by-partlabel` shows. A system that looks for
    /// another one there gets that.
    pub(crate) name: String,
    /// What the partition is for, as the Discoverable Partitions Specification has it.
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    /// `auto` is as large as the contents need, `rest` takes what the others leave.
    #[serde(default)]
    pub(crate) size: PartitionSize,
    /// What is in it; nothing if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<Content>,
}

/// What is in a partition: exactly one of these.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub(crate) enum Content {
    /// A FAT file system, FAT16 or FAT32 by size.
    Vfat(FileSystem),
    /// An ext4 file system.
    Ext4(FileSystem),
    /// An XFS file system; for installations, since images are not made with it.
    Xfs(FileSystem),
    /// A btrfs file system, as a whole or by subvolumes; for installations, since images are not made with it.
    Btrfs(Btrfs),
    /// A swap area; its partition must have a size.
    Swap(Swap),
    /// Room for swap that the system encrypts with a new key at each start
    /// (`swapDevices.*.randomEncryption`): blank, and named by its partition.
    #[serde(rename = "random-swap")]
    RandomSwap(RandomSwap),
    /// An encrypted volume.
    Luks(Luks),
}

/// A btrfs file system: `mount` or `subvolumes`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Btrfs {
    /// The label, which `/dev/disk/by-label` shows. Left out, it is the one that the system looks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<String>,
    /// Where the running system mounts it, where it has no subvolumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mount: Option<Mount>,
    /// Its subvolumes, and where the running system mounts each: `"@home" = "/home"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) subvolumes: BTreeMap<String, Mount>,
    /// Free space beyond the contents when the size is `auto` or `rest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<size::Text>")]
    pub(crate) reserve: Option<size::Reserve>,
}

/// A file system with what it holds.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct FileSystem {
    /// The label, which `/dev/disk/by-label` shows. Left out, it is the one that the system looks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<String>,
    /// Where the running system mounts it; the files below go into this partition.
    pub(crate) mount: Mount,
    /// Free space beyond the contents when the size is `auto` or `rest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<size::Text>")]
    pub(crate) reserve: Option<size::Reserve>,
}
