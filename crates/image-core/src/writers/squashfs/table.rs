//! Inode table and directory table, which refer to each other.
//!
//! A directory's inode tells where its names lie, and the names tell where the inodes lie: so what is
//! below a directory is written before it, and the root last. The inodes of one directory's entries
//! are neighbours with consecutive numbers, so runs of names are as long as they can be.

use std::collections::BTreeMap;

use super::directory::{self, Listing};
use super::id::Ids;
use super::inode::Facts;
use super::metadata::{Blocks, Metadata, Place};
use super::xattr::{Attributes, Sets};
use super::{Error, Settings, Stored};
use crate::tree::{Kind, Node, NodeId, Source, Tree};
use crate::units::Bytes;

/// The longest name on Linux: `NAME_MAX`.
const LONGEST_NAME: usize = 255;

/// The tables of a tree, compressed.
pub(super) struct Tables {
    /// Owners and groups.
    pub(super) ids: Ids,
    /// The inodes, the root's last.
    pub(super) inodes: Blocks,
    /// The names.
    pub(super) directories: Blocks,
    /// Where each inode lies, by its number less one.
    pub(super) places: Vec<Place>,
    /// The extended attributes, if there are any.
    pub(super) xattrs: Option<Sets>,
}

impl Tables {
    /// Writes the tables of a tree.
    pub(super) fn of(tree: &Tree, stored: &Stored, settings: &Settings) -> Result<Self, Error> {
        let codec = settings.codec;
        let mut draft = Draft {
            stored,
            block: settings.block,
            ids: Ids::of(tree)?,
            numbers: numbers(tree)?,
            attributes: Attributes::new(codec)?,
            listings: BTreeMap::new(),
            inodes: Metadata::new("inode table", codec)?,
            directories: Metadata::new("directory table", codec)?,
            places: Vec::with_capacity(tree.size()),
        };
        for node in tree.iter().rev().filter(|node| node.is_directory()) {
            draft.directory(node)?;
        }
        draft.inode(tree.root())?;
        Ok(Self {
            ids: draft.ids,
            inodes: draft.inodes.finish()?,
            directories: draft.directories.finish()?,
            places: draft.places,
            xattrs: draft.attributes.finish(codec)?,
        })
    }
}

/// Numbers the inodes, by position, in the order in which they are written, from 1 on.
fn numbers(tree: &Tree) -> Result<Vec<u32>, Error> {
    let found = tree.size();
    // One more is the number of the root's parent, which is none.
    let root = u32::try_from(found).ok().filter(|root| *root < u32::MAX);
    let root = root.ok_or(Error::TooManyEntries { found })?;
    let mut numbers = vec![root; found];
    let directories = tree.iter().rev().filter(|node| node.is_directory());
    for (node, number) in directories.flat_map(Node::children).zip(1..) {
        numbers[node.id().index()] = number;
    }
    Ok(numbers)
}

/// The tables up to some directory.
struct Draft<'s> {
    stored: &'s Stored,
    block: Bytes,
    ids: Ids,
    numbers: Vec<u32>,
    attributes: Attributes,
    /// The names of directories whose inodes are not written yet.
    listings: BTreeMap<NodeId, Listing>,
    inodes: Metadata,
    directories: Metadata,
    places: Vec<Place>,
}

impl Draft<'_> {
    /// Writes the inodes of a directory's entries, and then their names.
    fn directory(&mut self, node: Node<'_>) -> Result<(), Error> {
        let first = self.places.len();
        for child in node.children() {
            let found = child.name().len();
            if found > LONGEST_NAME {
                return Err(Error::NameTooLong { path: child.path(), found });
            }
            self.inode(child)?;
        }
        // It is the first one's number less one, and there are fewer than numbers.
        let number = u32::try_from(first).unwrap_or_default() + 1;
        let inodes = &self.places[first..];
        let listing = directory::write(node, number, inodes, &mut self.directories)?;
        self.listings.insert(node.id(), listing);
        Ok(())
    }

    fn inode(&mut self, node: Node<'_>) -> Result<(), Error> {
        let number = self.numbers[node.id().index()];
        let facts = Facts {
            number,
            parent: node.parent().map_or(number + 1, |above| self.numbers[above.id().index()]),
            uid: self.ids.index(node.meta().uid),
            gid: self.ids.index(node.meta().gid),
            xattr: self.attributes.set(node)?,
        };
        let inode = match node.kind() {
            Kind::Directory => {
                let listing = self.listings.remove(&node.id()).unwrap_or_default();
                facts.directory(node, &listing)
            }
            Kind::File(source) => self.file(node, source, &facts)?,
            Kind::Symlink(target) => facts.symlink(node, target)?,
            Kind::Device(device) => facts.device(node, *device)?,
            Kind::Fifo => facts.fifo(node),
        };
        self.places.push(self.inodes.place()?);
        self.inodes.push(&inode)
    }

    /// Encodes a file, if what is stored of it is what its size asks for.
    fn file(&self, node: Node<'_>, source: &Source, facts: &Facts) -> Result<Vec<u8>, Error> {
        let (size, data) = (source.size(), self.stored.data(node.id()));
        let blocks = match data.fragment {
            Some(_) => size.get() / self.block.get(),
            None => size.div_ceil(self.block),
        };
        let found = Bytes::from_len(data.words.len()).get();
        if found != blocks {
            return Err(Error::Stored { path: node.path(), size, found, expected: blocks });
        }
        Ok(facts.file(node, size, &data))
    }
}
