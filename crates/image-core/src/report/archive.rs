//! A report on a file tree in an archive.
//!
//! How large a compressed archive becomes is known when it is packed and not before, so a report made
//! without packing (`--dry-run`) has no size.

use serde::Serialize;

use super::{ContentsReport, hex};
use crate::boot::preflight::Finding;
use crate::formats::archive::Rootfs;
use crate::formats::{Format, Input};
use crate::pack::{Codec, Packed};
use crate::region::Written;
use crate::tree::TreePath;

/// An archive that was built, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ArchiveReport {
    /// What is inside.
    #[serde(flatten)]
    pub contents: ContentsReport,
    /// The archive's file.
    pub image: ArchiveFileReport,
    /// Store paths whose files do not hash to what Nix registered.
    pub unverified: Vec<String>,
    /// What pre-flight warns of.
    pub warnings: Vec<Finding>,
}

/// An archive's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ArchiveFileReport {
    /// Who takes it.
    pub format: Format,
    /// How it is compressed: `zstd`, `xz`, `gzip` or `none`.
    pub compression: &'static str,
    /// How hard; none without compression.
    pub level: Option<u8>,
    /// Size of the archive itself, in bytes.
    pub unpacked: u64,
    /// Size of the file, in bytes; unknown before it is packed.
    pub size: Option<u64>,
    /// Bytes of the archive that had been compressed before; unknown before it is packed.
    pub reused: Option<u64>,
    /// The SHA-256 of the file, if it was asked for and the file is written.
    pub sha256: Option<String>,
}

impl ArchiveReport {
    /// Reports on an archive that nobody has packed yet.
    pub fn of(
        input: Input<'_>,
        format: Format,
        rootfs: &Rootfs,
        codec: Option<Codec>,
        warnings: Vec<Finding>,
    ) -> Self {
        let unpacked = rootfs.tar.plan.size().get();
        let (compression, level) = (codec.map_or("none", Codec::name), codec.map(Codec::level));
        let size = codec.is_none().then_some(unpacked);
        let (reused, sha256) = (None, None);
        Self {
            contents: ContentsReport::of(input, rootfs.tree.size()),
            image: ArchiveFileReport { format, compression, level, unpacked, size, reused, sha256 },
            unverified: Vec::new(),
            warnings,
        }
    }

    /// Adds what is known after packing.
    #[must_use]
    pub fn packed(mut self, packed: &Packed) -> Self {
        self.image.reused = Some(packed.reused.get());
        self.unverified = packed.unverified.iter().map(TreePath::to_string).collect();
        self
    }

    /// Adds what is known only after writing.
    #[must_use]
    pub fn written(mut self, written: &Written) -> Self {
        self.image.size = Some(written.size.get());
        self.image.sha256 = written.digest.map(hex);
        self
    }
}
