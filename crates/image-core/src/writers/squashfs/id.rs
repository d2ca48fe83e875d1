//! Owners and groups: a table of numbers, which inodes index with 16 bits.

use std::collections::BTreeSet;

use super::Error;
use crate::tree::Tree;

/// The numbers of all owners and groups of a tree, sorted.
#[derive(Debug)]
pub(super) struct Ids(Vec<u32>);

impl Ids {
    /// Collects the numbers; the last one means "none" to `chown`.
    pub(super) fn of(tree: &Tree) -> Result<Self, Error> {
        let mut ids = BTreeSet::new();
        for node in tree.iter() {
            let (uid, gid) = (node.meta().uid, node.meta().gid);
            if uid == u32::MAX || gid == u32::MAX {
                return Err(Error::Owner { path: node.path(), uid, gid });
            }
            ids.extend([uid, gid]);
        }
        if u16::try_from(ids.len()).is_err() {
            return Err(Error::TooManyIds { found: ids.len() });
        }
        Ok(Self(ids.into_iter().collect()))
    }

    /// Returns where the table has a number of the tree.
    pub(super) fn index(&self, id: u32) -> u16 {
        let index = self.0.binary_search(&id).unwrap_or_default();
        u16::try_from(index).unwrap_or_default()
    }

    /// Counts the numbers.
    pub(super) fn count(&self) -> u16 {
        u16::try_from(self.0.len()).unwrap_or_default()
    }

    /// Returns the table.
    pub(super) fn encode(&self) -> Vec<u8> {
        self.0.iter().flat_map(|id| id.to_le_bytes()).collect()
    }
}
