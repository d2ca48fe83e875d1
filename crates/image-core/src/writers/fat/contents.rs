//! What a volume holds: names, directory entries and clusters, counted before anything is placed.

use super::FatError;
use super::name::{self, Name};
use super::ondisk::{self, ATTR_ARCHIVE, ATTR_DIRECTORY, ATTR_VOLUME_ID, DirEntry, ENTRY, Stamp};
use super::shape::{FatKind, Shape};
use crate::tree::{Kind, Node, Source, Tree};
use crate::units::Bytes;

/// The most entries of a directory: "DIR_FileSize" counts none, but readers stop at 2 MiB.
const DIRECTORY_MAX: usize = 65_536;

/// A tree that FAT can hold, with everything named.
pub(super) struct Contents<'t> {
    tree: &'t Tree,
    /// By position in the tree; no names for what is no directory.
    names: Vec<Vec<Name>>,
    label: Option<[u8; 11]>,
}

/// A run of clusters; none where nothing is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) first: u32,
    pub(super) count: u32,
}

impl<'t> Contents<'t> {
    /// Checks and names everything in a tree.
    pub(super) fn of(tree: &'t Tree, label: Option<[u8; 11]>) -> Result<Self, FatError> {
        tree.iter().try_for_each(check)?;
        let names = tree
            .iter()
            .map(|node| if node.is_directory() { name::of_children(node) } else { Ok(Vec::new()) })
            .collect::<Result<_, _>>()?;
        let contents = Self { tree, names, label };
        for node in tree.iter().filter(|node| node.is_directory()) {
            let found = contents.entries(node);
            if found > DIRECTORY_MAX {
                return Err(FatError::Crowded { path: node.path(), found, max: DIRECTORY_MAX });
            }
        }
        Ok(contents)
    }

    fn names(&self, directory: Node<'_>) -> &[Name] {
        self.names.get(directory.id().index()).map_or(&[], Vec::as_slice)
    }

    /// Counts the entries of a directory.
    fn entries(&self, directory: Node<'_>) -> usize {
        let long = |name: &Name| name.long.len().div_ceil(ondisk::LONG_UNITS);
        let own = match directory.parent() {
            Some(_) => 2,
            None => usize::from(self.label.is_some()),
        };
        own + self.names(directory).iter().map(|name| long(name) + 1).sum::<usize>()
    }

    /// Counts the clusters of an entry.
    fn clusters_of(&self, node: Node<'_>, shape: &Shape) -> u64 {
        let size = match node.kind() {
            Kind::File(source) => source.size(),
            Kind::Directory if node.parent().is_none() && shape.kind == FatKind::Fat16 => {
                Bytes::ZERO
            }
            // A directory has a cluster even when it is empty, as FAT32's root may be.
            Kind::Directory => Bytes::from_len((self.entries(node) * ENTRY).max(1)),
            Kind::Symlink(_) | Kind::Device(_) | Kind::Fifo => Bytes::ZERO,
        };
        size.div_ceil(shape.cluster)
    }

    /// Counts all clusters.
    pub(super) fn clusters(&self, shape: &Shape) -> u64 {
        self.tree.iter().map(|node| self.clusters_of(node, shape)).sum()
    }

    /// Tells whether FAT16's root directory has room; FAT32's always has.
    pub(super) fn root_fits(&self, shape: &Shape) -> Result<(), FatError> {
        let root = self.tree.root();
        let (found, max) = (self.entries(root), usize::from(shape.root_entries));
        if shape.kind == FatKind::Fat16 && found > max {
            return Err(FatError::Crowded { path: root.path(), found, max });
        }
        Ok(())
    }

    /// Gives every entry its run of clusters, one after the other in the order of the tree.
    pub(super) fn place(&self, shape: &Shape) -> Result<Vec<Run>, FatError> {
        self.root_fits(shape)?;
        let needed = self.clusters(shape);
        let (Ok(needed), true) = (u32::try_from(needed), needed <= u64::from(shape.clusters))
        else {
            return Err(FatError::Full {
                kind: shape.kind,
                cluster: shape.cluster,
                needed: shape.cluster * needed,
                available: shape.cluster * u64::from(shape.clusters),
            });
        };
        let mut next = 2;
        let runs = self.tree.iter().map(|node| {
            // All of them fit 32 bits, so each does.
            let count = u32::try_from(self.clusters_of(node, shape)).unwrap_or(needed);
            let run = if count == 0 { Run::default() } else { Run { first: next, count } };
            next += count;
            run
        });
        Ok(runs.collect())
    }

    /// Encodes a directory, without the zeros that end it.
    pub(super) fn directory(&self, directory: Node<'_>, runs: &[Run], stamp: Stamp) -> Vec<u8> {
        let entry = |name: [u8; 11], attributes, first_cluster, file_size| {
            DirEntry { name, attributes, stamp, first_cluster, file_size }.encode()
        };
        let first = |node: Node<'_>| runs.get(node.id().index()).map_or(0, |run| run.first);
        let mut out = Vec::with_capacity(self.entries(directory) * ENTRY);
        match (directory.parent(), self.label) {
            (Some(parent), _) => {
                // `..` names the root as cluster 0, wherever FAT32 keeps it.
                let above = if parent.parent().is_some() { first(parent) } else { 0 };
                out.extend(entry(*b".          ", ATTR_DIRECTORY, first(directory), 0));
                out.extend(entry(*b"..         ", ATTR_DIRECTORY, above, 0));
            }
            (None, Some(label)) => out.extend(entry(label, ATTR_VOLUME_ID, 0, 0)),
            (None, None) => {}
        }
        for (child, name) in directory.children().zip(self.names(directory)) {
            if !name.long.is_empty() {
                out.extend(ondisk::long_name(&name.long, &name.short));
            }
            let (attributes, size) = match child.kind() {
                Kind::File(source) => (ATTR_ARCHIVE, file_size(source)),
                Kind::Directory | Kind::Symlink(_) | Kind::Device(_) | Kind::Fifo => {
                    (ATTR_DIRECTORY, 0)
                }
            };
            out.extend(entry(name.short, attributes, first(child), size));
        }
        out
    }
}

/// Checked by [`check`] before.
fn file_size(source: &Source) -> u32 {
    u32::try_from(source.size().get()).unwrap_or(u32::MAX)
}

/// Refuses what FAT would silently lose.
fn check(node: Node<'_>) -> Result<(), FatError> {
    let cannot = |what: &str| Err(FatError::Cannot { path: node.path(), what: what.to_owned() });
    match node.kind() {
        Kind::Symlink(_) => return cannot("a symbolic link"),
        Kind::Device(_) => return cannot("a device"),
        Kind::Fifo => return cannot("a named pipe"),
        Kind::File(source) if source.size().get() > u64::from(u32::MAX) => {
            return cannot(&format!("a file of {} (4 GiB - 1 byte at most)", source.size()));
        }
        Kind::File(_) | Kind::Directory => {}
    }
    let meta = node.meta();
    if !meta.xattrs.is_empty() {
        cannot("extended attributes")
    } else if (meta.uid, meta.gid) != (0, 0) {
        cannot(&format!("the owner {}:{}", meta.uid, meta.gid))
    } else if meta.mode.bits() & 0o7000 != 0 {
        cannot(&format!("the mode {:04o}", meta.mode.bits()))
    } else {
        Ok(())
    }
}
