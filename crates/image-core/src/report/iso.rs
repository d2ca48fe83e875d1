//! A report on an ISO.
//!
//! How large it becomes is known when its store is packed, so a report made without packing
//! (`--dry-run`) has no sizes of what is compressed.

use serde::Serialize;

use super::{ContentsReport, hex};
use crate::boot::preflight::Finding;
use crate::formats::iso::Iso;
use crate::formats::iso::loaders::{Bios, BiosLoader, Uefi, UefiLoader};
use crate::formats::{Format, Input};
use crate::inputs::store_path::{STORE_DIR, StorePath};
use crate::pack::Packed;
use crate::plan::Plan;
use crate::region::Written;
use crate::tree::TreePath;
use crate::units::Bytes;

/// An ISO that was built, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IsoReport {
    /// What is inside; the store paths are those of all systems.
    #[serde(flatten)]
    pub contents: ContentsReport,
    /// The systems that ride along.
    pub carried: Vec<StorePath>,
    /// The medium.
    pub medium: MediumReport,
    /// The store on it.
    pub squashfs: SquashfsReport,
    /// The image file.
    pub image: IsoFileReport,
    /// Store paths whose files do not hash to what Nix registered.
    pub unverified: Vec<String>,
    /// What pre-flight warns of.
    pub warnings: Vec<Finding>,
}

/// What the medium is called, and what it starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MediumReport {
    /// The volume's name.
    pub volume_id: String,
    /// What starts it in UEFI machines.
    pub uefi: Option<UefiLoader>,
    /// What starts it in BIOS machines.
    pub bios: Option<BiosLoader>,
    /// Size of the EFI system partition, in bytes.
    pub efi_size: Option<u64>,
    /// The menu's lines.
    pub menu: Vec<String>,
    /// The line that starts by itself.
    pub default: String,
}

/// A store in a squashfs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SquashfsReport {
    /// Where it lies on the medium.
    pub path: String,
    /// How it is compressed: `zstd`, `xz`, `lz4`, `gzip` or `none`.
    pub compression: &'static str,
    /// How hard; none where there are no levels.
    pub level: Option<u8>,
    /// Bytes in a block.
    pub block: u64,
    /// Bytes of all files in it.
    pub unpacked: u64,
    /// Its size in bytes; unknown before it is packed.
    pub size: Option<u64>,
    /// Bytes of files that had been compressed before; unknown before it is packed.
    pub reused: Option<u64>,
}

/// An ISO's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IsoFileReport {
    /// Always `iso`.
    pub format: Format,
    /// Size of the file, in bytes; unknown before the store is packed.
    pub size: Option<u64>,
    /// The SHA-256 of the file, if it was asked for and the file is written.
    pub sha256: Option<String>,
}

impl IsoReport {
    /// Reports on an ISO whose store nobody has packed yet.
    pub fn of(input: Input<'_>, iso: &Iso, carried: &[StorePath]) -> Self {
        let (codec, menu) = (iso.settings.codec, &iso.menu);
        Self {
            contents: ContentsReport::of(input, iso.entries()),
            carried: carried.to_vec(),
            medium: MediumReport {
                volume_id: iso.shape.volume.as_str().to_owned(),
                uefi: iso.loaders.uefi.as_ref().map(Uefi::loader),
                bios: iso.loaders.bios.as_ref().map(Bios::loader),
                efi_size: iso.efi_size().map(Bytes::get),
                menu: menu.entries.iter().map(|entry| entry.title.clone()).collect(),
                default: menu.default_entry().map_or_else(String::new, |e| e.title.clone()),
            },
            squashfs: SquashfsReport {
                path: iso.shape.squashfs.to_string(),
                compression: codec.name(),
                level: codec.level(),
                block: iso.settings.block.get(),
                unpacked: iso.unpacked().get(),
                size: None,
                reused: None,
            },
            image: IsoFileReport { format: Format::Iso, size: None, sha256: None },
            unverified: Vec::new(),
            warnings: iso.findings.clone(),
        }
    }

    /// Adds what is known after packing.
    #[must_use]
    pub fn packed(mut self, packed: &Packed) -> Self {
        self.squashfs.reused = Some(packed.reused.get());
        let path = |path: &TreePath| format!("{STORE_DIR}{path}");
        self.unverified = packed.unverified.iter().map(path).collect();
        self
    }

    /// Adds what is known when all is planned.
    #[must_use]
    pub fn planned(mut self, image: &Plan, squashfs: Bytes) -> Self {
        self.squashfs.size = Some(squashfs.get());
        self.image.size = Some(image.size().get());
        self
    }

    /// Adds what is known only after writing.
    #[must_use]
    pub fn written(mut self, written: &Written) -> Self {
        self.image.sha256 = written.digest.map(hex);
        self
    }
}
