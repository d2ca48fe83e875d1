//! A tree cut at its mount points.
//!
//! Which file goes where: each path belongs to the volume with the longest mount point that is its
//! prefix. The mount point itself stays, as an empty directory, in the volume above it, because
//! something must be there to mount on; its metadata becomes that of the mounted volume's root.

use super::build::{Conflict, TreeBuilder};
use super::entry::{Entry, Meta, Mode};
use super::path::TreePath;
use super::{Kind, Tree};
use crate::epoch::Epoch;

impl Tree {
    /// Splits the tree over volumes mounted at `mounts`, in their order; `/` must be one of them.
    ///
    /// Mount points that the tree lacks are made, owned by root, 0755, dated `epoch`.
    ///
    /// # Errors
    /// A mount point that the tree holds as something else than a directory.
    pub fn split(&self, mounts: &[TreePath], epoch: Epoch) -> Result<Vec<Self>, Conflict> {
        let mut volumes: Vec<TreeBuilder> =
            mounts.iter().map(|_| TreeBuilder::new(epoch)).collect();
        let contents: Vec<_> = volumes.iter_mut().map(|volume| volume.layer("the tree")).collect();
        let points: Vec<_> =
            volumes.iter_mut().map(|volume| volume.layer("a mount point")).collect();
        let volume_of = |path: &TreePath| {
            let holds = |(_, mount): &(usize, &TreePath)| mount.contains(path);
            mounts.iter().enumerate().filter(holds).max_by_key(|(_, mount)| mount.relative().len())
        };
        for node in self.iter() {
            let path = node.path();
            if let Some((volume, mount)) = volume_of(&path) {
                let place = path.below(mount).unwrap_or_default();
                volumes[volume].add(contents[volume], place, node.entry().clone());
            }
        }
        for mount in mounts.iter().filter(|mount| !mount.is_root()) {
            let above = mount.parent().unwrap_or_default();
            let Some((volume, outer)) = volume_of(&above) else {
                continue;
            };
            let meta = match self.find(mount) {
                Some(node) if matches!(node.kind(), Kind::Directory) => node.meta().clone(),
                Some(_) | None => Meta::root(Mode::D755, epoch),
            };
            let place = mount.below(outer).unwrap_or_default();
            volumes[volume].add(points[volume], place, Entry::directory(meta));
        }
        volumes.into_iter().map(TreeBuilder::build).collect()
    }
}
