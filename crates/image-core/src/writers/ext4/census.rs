//! What a tree needs, before anything has a place: inode numbers, blocks, finished directories.
//!
//! Inode numbers follow the tree's order, so a directory's blocks can be written at once. They,
//! long links and blocks of attributes are collected in one stream, which later lies in front of
//! all file data: a walk through the tree reads one part of the disk.

use super::block::{BLOCK, BLOCK_LEN, InodeNo, narrow};
use super::checksum::Checksum;
use super::directory::{self, Name, Place};
use super::error::Error;
use super::half_md4::NameHash;
use super::ondisk::dirent::file_type;
use super::stream::Stream;
use super::xattr::{self, Attributes, Refused};
use crate::tree::{Device, Kind, Node, NodeId, Tree};
use crate::units::Bytes;

/// Longest name of a directory entry.
const NAME_MAX: usize = 255;
/// Longest link target that lies in the inode itself.
pub(super) const SHORT_LINK: usize = 59;
/// Longest link target at all: a block, with a NUL at its end.
const LONG_LINK: usize = BLOCK_LEN - 1;
/// Largest file: block numbers within a file have 32 bits, and the last is not used.
const FILE_MAX: Bytes = Bytes::new(BLOCK.get() * 0xFFFF_FFFF);
/// Blocks that `lost+found` has from the start, so that e2fsck need not find any: 16 KiB.
const LOST_FOUND_BLOCKS: u64 = 4;
const LOST_FOUND: &[u8] = b"lost+found";

/// What the inodes of a tree need.
#[derive(Debug)]
pub(super) struct Census {
    /// Per entry of the tree.
    pub(super) needs: Vec<Needs>,
    /// What the `lost+found` that mke2fs would make needs; none where the tree brings one.
    pub(super) lost_found: Option<Needs>,
    /// The entry of the tree that is `lost+found`.
    own_lost_found: Option<NodeId>,
    /// Directories, long links and blocks of attributes: whole blocks.
    pub(super) stream: Stream,
    /// Blocks being made.
    scratch: Vec<u8>,
}

/// What one inode needs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Needs {
    /// Its data.
    pub(super) data: Data,
    /// Its block of attributes, counted within the stream.
    pub(super) attributes: Option<u32>,
}

/// Where an inode's data comes from.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Data {
    /// There is none, or it lies in the inode.
    #[default]
    None,
    /// Blocks of the stream.
    Stream {
        /// The first one.
        start: u32,
        /// How many.
        blocks: u32,
        /// A directory with a hash tree.
        hashed: bool,
    },
    /// Fresh blocks for a file.
    File {
        /// How many.
        blocks: u64,
    },
}

impl Census {
    /// Takes stock of a tree.
    pub(super) fn take(tree: &Tree, volume: Checksum, hash: NameHash) -> Result<Self, Error> {
        let limit = u64::from(u32::MAX - InodeNo::FIRST_FREE.0);
        let found = Bytes::from_len(tree.size()).get();
        if found > limit {
            return Err(Error::TooManyEntries { found, limit });
        }
        let own = tree.root().child(LOST_FOUND);
        if let Some(node) = own.filter(|node| !node.is_directory()) {
            return Err(Error::LostFound { found: kind_name(node.kind()) });
        }
        let mut census = Self {
            needs: Vec::with_capacity(tree.size()),
            lost_found: None,
            own_lost_found: own.map(Node::id),
            stream: Stream::default(),
            scratch: Vec::new(),
        };
        if own.is_none() {
            census.write_lost_found(volume);
            let data = census.flush(false);
            census.lost_found = Some(Needs { data, attributes: None });
        }
        let mut names = Vec::new();
        for node in tree.iter() {
            let data = census.data(node, volume, hash, &mut names)?;
            let attributes = census.attributes(node)?;
            census.needs.push(Needs { data, attributes });
        }
        Ok(census)
    }

    /// Returns an entry's inode number: the tree's order, but for the root and `lost+found`.
    pub(super) fn inode(&self, id: NodeId) -> InodeNo {
        match self.own_lost_found {
            _ if id == NodeId::ROOT => InodeNo::ROOT,
            Some(own) if own == id => InodeNo::LOST_FOUND,
            Some(own) if own < id => InodeNo(InodeNo::FIRST_FREE.0 + narrow(id.index()) - 2),
            Some(_) | None => InodeNo(InodeNo::FIRST_FREE.0 + narrow(id.index()) - 1),
        }
    }

    /// Returns the highest inode number in use.
    pub(super) fn last_inode(&self) -> InodeNo {
        let others = self.needs.len() - 1 - usize::from(self.own_lost_found.is_some());
        InodeNo(InodeNo::LOST_FOUND.0 + narrow(others))
    }

    /// Counts the blocks of the stream.
    pub(super) fn stream_blocks(&self) -> u64 {
        u64::from(self.stream.blocks())
    }

    /// Adds the blocks that were made to the stream.
    fn flush(&mut self, hashed: bool) -> Data {
        let start = self.stream.blocks();
        self.stream.push(&self.scratch);
        self.scratch.clear();
        Data::Stream { start, blocks: self.stream.blocks() - start, hashed }
    }

    fn data<'t>(
        &mut self,
        node: Node<'t>,
        volume: Checksum,
        hash: NameHash,
        names: &mut Vec<Name<'t>>,
    ) -> Result<Data, Error> {
        let hashed = match node.kind() {
            Kind::File(source) => return file(node, source.size()),
            Kind::Device(device) => return check_device(node, *device).map(|()| Data::None),
            Kind::Fifo => return Ok(Data::None),
            Kind::Symlink(target) if target.is_empty() || target.len() > LONG_LINK => {
                return Err(Error::LinkLength { path: node.path(), found: target.len() });
            }
            Kind::Symlink(target) if target.len() <= SHORT_LINK => return Ok(Data::None),
            Kind::Symlink(target) => {
                self.scratch.extend(target);
                self.scratch.resize(BLOCK_LEN, 0);
                false
            }
            Kind::Directory => self.directory(node, volume, hash, names)?,
        };
        Ok(self.flush(hashed))
    }

    fn directory<'t>(
        &mut self,
        node: Node<'t>,
        volume: Checksum,
        hash: NameHash,
        names: &mut Vec<Name<'t>>,
    ) -> Result<bool, Error> {
        names.clear();
        if node.id() == NodeId::ROOT && self.own_lost_found.is_none() {
            let kind = file_type::DIRECTORY;
            names.push(Name { inode: InodeNo::LOST_FOUND, kind, name: LOST_FOUND });
        }
        for child in node.children() {
            let name = child.name();
            if name.len() > NAME_MAX {
                return Err(Error::NameTooLong { path: child.path(), found: name.len() });
            }
            let kind = directory::file_type_of(child.kind());
            names.push(Name { inode: self.inode(child.id()), kind, name });
        }
        let own = self.inode(node.id());
        let parent = node.parent().map_or(own, |parent| self.inode(parent.id()));
        let place = Place { own, parent, checksum: volume.of_inode(own) };
        let hashed = directory::write(place, names, hash, &mut self.scratch)
            .map_err(|_| Error::DirectoryTooLarge { path: node.path(), found: names.len() })?;
        if own == InodeNo::LOST_FOUND && !hashed {
            self.widen(place);
        }
        Ok(hashed)
    }

    fn write_lost_found(&mut self, volume: Checksum) {
        let own = InodeNo::LOST_FOUND;
        let place = Place { own, parent: InodeNo::ROOT, checksum: volume.of_inode(own) };
        // Without names there is nothing to hash, nor too many of them.
        let _ = directory::write(place, &[], NameHash::new(uuid::Uuid::nil()), &mut self.scratch);
        self.widen(place);
    }

    /// Gives `lost+found` its spare blocks.
    fn widen(&mut self, place: Place) {
        for _ in 1..LOST_FOUND_BLOCKS {
            directory::write_block(place.checksum, std::iter::empty(), &mut self.scratch);
        }
    }

    fn attributes(&mut self, node: Node<'_>) -> Result<Option<u32>, Error> {
        let encoded = encode_attributes(node)?;
        Ok(encoded.and_then(|attributes| attributes.block).map(|block| {
            let place = self.stream.blocks();
            self.stream.push(&block);
            place
        }))
    }
}

/// Encodes a node's attributes; none where it has none.
pub(super) fn encode_attributes(node: Node<'_>) -> Result<Option<Attributes>, Error> {
    let xattrs = &node.meta().xattrs;
    if xattrs.is_empty() {
        return Ok(None);
    }
    let shown = |name: Vec<u8>| String::from_utf8_lossy(&name).into_owned();
    Attributes::encode(xattrs).map(Some).map_err(|refused| match refused {
        Refused::Name(name) => Error::AttributeName { path: node.path(), name: shown(name) },
        Refused::Acl(name) => Error::AttributeAcl { path: node.path(), name: shown(name) },
        Refused::Size(size) => {
            Error::AttributesTooLarge { path: node.path(), size, limit: xattr::ROOM }
        }
    })
}

fn file(node: Node<'_>, size: Bytes) -> Result<Data, Error> {
    if size > FILE_MAX {
        return Err(Error::FileTooLarge { path: node.path(), size, limit: FILE_MAX });
    }
    Ok(Data::File { blocks: size.div_ceil(BLOCK) })
}

fn check_device(node: Node<'_>, device: Device) -> Result<(), Error> {
    let Device { major, minor, .. } = device;
    if major > 0xFFF || minor > 0xF_FFFF {
        return Err(Error::DeviceNumber { path: node.path(), major, minor });
    }
    Ok(())
}

fn kind_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Directory => "directory",
        Kind::File(_) => "file",
        Kind::Symlink(_) => "symbolic link",
        Kind::Device(_) => "device",
        Kind::Fifo => "named pipe",
    }
}
