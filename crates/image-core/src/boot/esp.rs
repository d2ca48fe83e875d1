//! The ESP's files as entries of a tree, and how large the partition must be for them.
//!
//! A system is rebuilt in place: while generation 3 is installed, 1 and 2 are still there. So an ESP of
//! automatic size holds three generations of everything that one needs, and never less than what
//! firmware and later kernels are comfortable with.

use std::sync::Arc;

use super::initrd_secrets::cpio;
use super::systemd_boot::{Content, Files};
use crate::epoch::Epoch;
use crate::inputs::store::HostStore;
use crate::inputs::store_path::StoreFile;
use crate::tree::path::PathError;
use crate::tree::source::SourceError;
use crate::tree::{Entry, HostDir, Kind, Meta, Mode, Source, TreePath};
use crate::units::{Bytes, MIB};

/// Generations that fit an ESP of automatic size.
const GENERATIONS: u64 = 3;

/// The least size of such an ESP.
const LEAST: Bytes = Bytes::new(512 * MIB.get());

/// The largest FAT cluster that firmware must read; what a file may waste at its end.
const CLUSTER_MAX: Bytes = Bytes::new(32 << 10);

/// Why files of the ESP could not be turned into entries.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the closure could not be reached.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A name is none.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Secrets that make no archive.
    #[error(transparent)]
    Secrets(#[from] cpio::Error),
}

/// Turns the files into entries; paths are below the ESP's root, parents are left to the tree.
pub fn entries(
    store: &HostStore,
    files: &Files,
    epoch: Epoch,
) -> Result<Vec<(TreePath, Entry)>, Error> {
    let directory = HostDir::open(store.directory())?;
    let in_store = |file: &StoreFile| -> Result<Source, Error> {
        let below = format!("{}/{}", file.path().base_name(), file.inner());
        Ok(directory.file(below.trim_end_matches('/').as_bytes())?)
    };
    files
        .0
        .iter()
        .map(|(path, content)| {
            let source = match content {
                Content::Text(text) => Source::bytes(text.as_bytes()),
                Content::Store(file) => in_store(file)?,
                Content::Initrd { file, appendix } => {
                    Source::Plan(Arc::new(appendix.initrd(&in_store(file)?, in_store)?))
                }
            };
            // FAT has no modes; a mounted ESP shows all files alike.
            let meta = Meta::root(Mode::D755, epoch);
            Ok((TreePath::parse(path)?, Entry::file(meta, source)))
        })
        .collect()
}

/// The room that one generation takes, and the whole that an ESP of automatic size has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// What the files take now, the end of their last clusters included.
    pub needed: Bytes,
    /// What three generations take, with reserves, and at least 512 MiB.
    pub auto: Bytes,
}

/// Adds up the room; `entries` are those of [`entries`].
pub fn room(entries: &[(TreePath, Entry)]) -> Room {
    let mut per_generation = Bytes::ZERO;
    let mut once = Bytes::ZERO;
    for (path, entry) in entries {
        let Kind::File(source) = &entry.kind else { continue };
        let size = source.size().align_up(CLUSTER_MAX);
        let is_boot_loader = [&b"EFI/BOOT/"[..], b"EFI/systemd/"]
            .iter()
            .any(|folder| path.relative().starts_with(folder));
        *(if is_boot_loader { &mut once } else { &mut per_generation }) += size;
    }
    let full = Bytes::new(per_generation.get().saturating_mul(GENERATIONS)) + once;
    // FATs, directories and the copy that a builder makes before it renames.
    let reserve = Bytes::new(full.get() / 64) + MIB;
    let auto = (full + reserve).align_up(MIB);
    Room { needed: per_generation + once, auto: auto.max(LEAST) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn file(path: &str, mib: u64) -> (TreePath, Entry) {
        let data = vec![0; usize::try_from(mib << 20).unwrap()];
        let meta = Meta::root(Mode::D755, Epoch::STORE);
        (TreePath::parse(path).unwrap(), Entry::file(meta, Source::bytes(data)))
    }

    #[test]
    fn three_generations_and_never_small() {
        let small = room(&[file("EFI/BOOT/BOOTX64.EFI", 1), file("EFI/nixos/k.efi", 10)]);
        assert_eq!(small.needed, Bytes::new(11 << 20));
        assert_eq!(small.auto, LEAST);
        let large = room(&[file("EFI/BOOT/BOOTX64.EFI", 1), file("EFI/nixos/k.efi", 200)]);
        assert!(large.auto > Bytes::new(601 << 20) && large.auto < Bytes::new(620 << 20));
    }
}
