//! Inodes: what is known of an entry but its name, in the shortest form that can say it.
//!
//! The extended forms are for extended attributes, for files that are large, sparse or lie beyond
//! 4 GiB, and for directories with an index. Links are counted as `mksquashfs` counts them: 1, and for
//! a directory 2 and the directories inside.

use super::Error;
use super::directory::Listing;
use super::ondisk::{
    Base, Device, Directory, Ipc, LongDirectory, LongRegular, NO_FRAGMENT, NO_XATTR, Regular,
    Symlink, kind,
};
use super::stored::Data;
use crate::tree::{self, Kind, Node};
use crate::units::Bytes;

/// The longest target of a link on Linux: `PATH_MAX` without its NUL, and a page to the kernel.
const LONGEST_TARGET: usize = 4095;
/// The largest device numbers of Linux (`MINORBITS` is 20).
const LAST_MAJOR: u32 = 0xFFF;
const LAST_MINOR: u32 = 0xF_FFFF;

/// What an inode tells that the entry itself does not.
pub(super) struct Facts {
    /// Its number.
    pub(super) number: u32,
    /// That of the directory above.
    pub(super) parent: u32,
    /// Where the id table has its owner.
    pub(super) uid: u16,
    /// Where the id table has its group.
    pub(super) gid: u16,
    /// Its set of attributes, or [`NO_XATTR`].
    pub(super) xattr: u32,
}

/// Returns how a directory entry names the kind of a node.
pub(super) fn kind_of(node: Node<'_>) -> u16 {
    match node.kind() {
        Kind::Directory => kind::DIRECTORY,
        Kind::File(_) => kind::REGULAR,
        Kind::Symlink(_) => kind::SYMLINK,
        Kind::Device(device) if device.block => kind::BLOCK,
        Kind::Device(_) => kind::CHARACTER,
        Kind::Fifo => kind::FIFO,
    }
}

impl Facts {
    /// Encodes what every inode starts with.
    fn base(&self, node: Node<'_>, extended: bool) -> Vec<u8> {
        let base = Base {
            inode_type: kind_of(node) + if extended { kind::EXTENDED } else { 0 },
            mode: node.meta().mode.bits(),
            uid: self.uid,
            guid: self.gid,
            mtime: node.meta().mtime.seconds(),
            inode_number: self.number,
        };
        base.encode().to_vec()
    }

    /// Encodes a directory.
    pub(super) fn directory(&self, node: Node<'_>, listing: &Listing) -> Vec<u8> {
        let Listing { place, size, directories, index, index_entries } = listing;
        let nlink = directories.saturating_add(2);
        let (start_block, offset, parent_inode) = (place.block, place.offset, self.parent);
        let short = u16::try_from(*size).ok();
        if let Some(file_size) = short
            && index.is_empty()
            && self.xattr == NO_XATTR
        {
            let directory = Directory { start_block, nlink, file_size, offset, parent_inode };
            return [self.base(node, false), directory.encode().to_vec()].concat();
        }
        let directory = LongDirectory {
            nlink,
            file_size: *size,
            start_block,
            parent_inode,
            i_count: *index_entries,
            offset,
            xattr: self.xattr,
        };
        [&self.base(node, true)[..], &directory.encode(), index].concat()
    }

    /// Encodes a file of `size` bytes.
    pub(super) fn file(&self, node: Node<'_>, size: Bytes, data: &Data<'_>) -> Vec<u8> {
        let (fragment, offset) =
            data.fragment.map_or((NO_FRAGMENT, 0), |fragment| (fragment.index, fragment.offset));
        let small = u32::try_from(data.start.get()).ok().zip(u32::try_from(size.get()).ok());
        let mut inode = match small {
            Some((start_block, file_size)) if data.sparse.is_zero() && self.xattr == NO_XATTR => {
                let regular = Regular { start_block, fragment, offset, file_size };
                [self.base(node, false), regular.encode().to_vec()].concat()
            }
            Some(_) | None => {
                let regular = LongRegular {
                    start_block: data.start.get(),
                    file_size: size.get(),
                    // The kernel's count of a file's sectors is at least one.
                    sparse: data.sparse.min(size - Bytes::new(1)).get(),
                    nlink: 1,
                    fragment,
                    offset,
                    xattr: self.xattr,
                };
                [self.base(node, true), regular.encode().to_vec()].concat()
            }
        };
        inode.extend(data.words.iter().flat_map(|word| word.bits().to_le_bytes()));
        inode
    }

    /// Encodes a symbolic link.
    pub(super) fn symlink(&self, node: Node<'_>, target: &[u8]) -> Result<Vec<u8>, Error> {
        let found = target.len();
        if found == 0 || found > LONGEST_TARGET || target.contains(&0) {
            return Err(Error::LinkTarget { path: node.path(), found });
        }
        let symlink_size = u32::try_from(found).unwrap_or_default();
        let link = Symlink { nlink: 1, symlink_size }.encode();
        Ok(self.with_xattr(node, &[&link, target].concat()))
    }

    /// Encodes a device node.
    pub(super) fn device(&self, node: Node<'_>, device: tree::Device) -> Result<Vec<u8>, Error> {
        let (major, minor) = (device.major, device.minor);
        if major > LAST_MAJOR || minor > LAST_MINOR {
            return Err(Error::DeviceNumber { path: node.path(), major, minor });
        }
        let rdev = minor & 0xFF | major << 8 | (minor & !0xFF) << 12;
        Ok(self.with_xattr(node, &Device { nlink: 1, rdev }.encode()))
    }

    /// Encodes a named pipe.
    pub(super) fn fifo(&self, node: Node<'_>) -> Vec<u8> {
        self.with_xattr(node, &Ipc { nlink: 1 }.encode())
    }

    /// Encodes an inode whose extended form has its attributes last and is the same otherwise.
    fn with_xattr(&self, node: Node<'_>, fields: &[u8]) -> Vec<u8> {
        let extended = self.xattr != NO_XATTR;
        let xattr = self.xattr.to_le_bytes();
        let last: &[u8] = if extended { &xattr } else { &[] };
        [&self.base(node, extended)[..], fields, last].concat()
    }
}
