//! What was built, for people and machines.
//!
//! A report is read off the plan's parts, so it can be made before anything is written (`--dry-run`).
//! It is the document that `--json` prints: sizes are bytes, names are camelCase, ids are text as Linux
//! shows them. Nothing in it is secret and nothing in it depends on the machine that built.
//!
//! - [`Report`]: a disk
//! - [`luks`]: an encrypted volume of it
//! - [`archive`]: a file tree in an archive
//! - [`iso`]: a medium that starts a live system

pub mod archive;
pub mod iso;
pub mod luks;

pub use archive::ArchiveReport;
pub use iso::IsoReport;
pub use luks::LuksReport;

use serde::Serialize;

use crate::boot::preflight::Finding;
use crate::disk::{Geometry, Placed, Volume};
use crate::formats::disk::Disk;
use crate::formats::{Container, Input, fit};
use crate::inputs::store_path::StorePath;
use crate::plan::Plan;
use crate::region::Written;

/// A disk image that was built, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What is inside.
    #[serde(flatten)]
    pub contents: ContentsReport,
    /// The disk.
    pub disk: DiskReport,
    /// The image file.
    pub image: ImageReport,
    /// What pre-flight warns of.
    pub warnings: Vec<Finding>,
}

/// What an image holds, whatever its format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContentsReport {
    /// The system inside.
    pub toplevel: StorePath,
    /// NixOS' label.
    pub label: String,
    /// Nix' name of the platform.
    pub platform: String,
    /// How many store paths the image holds.
    pub store_paths: usize,
    /// The sum of their NAR sizes.
    pub nar_size: u64,
    /// How many files, directories and links the image holds.
    pub entries: usize,
}

/// A disk: its size, its ids, its partitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DiskReport {
    /// Size in bytes.
    pub size: u64,
    /// Bytes in a sector.
    pub sector_size: u64,
    /// The disk's GUID.
    pub guid: String,
    /// In their order on the disk.
    pub partitions: Vec<PartitionReport>,
}

/// A partition and what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionReport {
    /// Its name in the table.
    pub name: String,
    /// What it is for.
    #[serde(rename = "type")]
    pub kind: String,
    /// The partition's GUID.
    pub guid: String,
    /// Its first byte.
    pub start: u64,
    /// Size in bytes.
    pub size: u64,
    /// What its contents need at least.
    pub needed: u64,
    /// The file system or swap area; none in a partition that is empty or a LUKS volume.
    pub file_system: Option<FileSystemReport>,
    /// The LUKS volume; none in a partition that is not encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub luks: Option<LuksReport>,
}

/// A file system's names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileSystemReport {
    /// As fstab names it.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its label; none: it has none.
    pub label: Option<String>,
    /// Its UUID, or the serial of a FAT; left out where there is none yet.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uuid: String,
}

/// An image file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageReport {
    /// How it holds the disk.
    pub format: Container,
    /// Size of the file in bytes, holes included.
    pub size: u64,
    /// Bytes that are neither gaps nor zeros.
    pub payload: u64,
    /// The SHA-256 of the file, if it was asked for and the file is written.
    pub sha256: Option<String>,
}

impl Report {
    /// Reports on a disk in a container; `image` is the plan of the file.
    pub fn of(input: Input<'_>, disk: &Disk, format: Container, image: &Plan) -> Self {
        Self {
            contents: ContentsReport::of(input, disk.entries),
            disk: DiskReport::of(&disk.geometry),
            image: ImageReport {
                format,
                size: image.size().get(),
                payload: image.payload().get(),
                sha256: None,
            },
            warnings: disk.report.findings.clone(),
        }
    }

    /// Adds what is known only after writing.
    #[must_use]
    pub fn written(mut self, written: &Written) -> Self {
        self.image.sha256 = written.digest.map(hex);
        self
    }
}

/// Writes a digest as `sha256sum` does.
fn hex(digest: [u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl ContentsReport {
    /// Reports on a system and the number of entries of its image.
    pub fn of(input: Input<'_>, entries: usize) -> Self {
        let main = &input.system.main;
        Self {
            toplevel: main.toplevel.clone(),
            label: main.label.clone(),
            platform: main.platform.clone(),
            store_paths: input.closure.paths().len(),
            nar_size: input.closure.nar_size(),
            entries,
        }
    }
}

impl DiskReport {
    /// Reports on a disk whose bytes nobody has planned yet.
    pub fn of(geometry: &Geometry) -> Self {
        Self {
            size: geometry.size.get(),
            sector_size: geometry.sector.bytes().get(),
            guid: geometry.id.to_string(),
            partitions: geometry.partitions.iter().map(PartitionReport::of).collect(),
        }
    }
}

impl PartitionReport {
    fn of(placed: &Placed) -> Self {
        Self {
            name: placed.name.clone(),
            kind: placed.kind.to_string(),
            guid: placed.id.to_string(),
            start: placed.start.get(),
            size: placed.size.get(),
            needed: placed.needed.get(),
            file_system: FileSystemReport::of(&placed.content),
            luks: placed.content.luks().map(LuksReport::of),
        }
    }
}

impl FileSystemReport {
    fn of(volume: &Volume) -> Option<Self> {
        match volume {
            Volume::Empty | Volume::Luks(_) => None,
            // Blank until the system swaps to it, and then nothing that has a name.
            Volume::RandomSwap => {
                Some(Self { kind: "random-swap", label: None, uuid: String::new() })
            }
            Volume::Swap(swap) => {
                let label = swap.label.clone().filter(|label| !label.is_empty());
                Some(Self { kind: "swap", label, uuid: swap.uuid.to_string() })
            }
            Volume::Foreign(volume) => {
                let (label, uuid) = (volume.label.clone(), volume.uuid.to_string());
                Some(Self { kind: volume.kind.word(), label, uuid })
            }
            Volume::Ext4(ext4) => {
                let label = ext4.label.to_string();
                let label = (!label.is_empty()).then_some(label);
                Some(Self { kind: "ext4", label, uuid: ext4.uuid.to_string() })
            }
            Volume::Vfat(fat) => {
                let uuid = fit::serial_text(fat.serial);
                Some(Self { kind: "vfat", label: fat.label.clone(), uuid })
            }
        }
    }
}
