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

#[cfg(test)]
mod tests {
    use super::super::metadata::Place;
    use super::super::stored::Fragment;
    use super::super::{Word, sample};
    use super::*;
    use crate::units::GIB;

    const FACTS: Facts = Facts { number: 9, parent: 4, uid: 1, gid: 2, xattr: NO_XATTR };

    /// The kind and what follows the sixteen bytes that all inodes start with.
    fn parts(inode: &[u8]) -> (u16, &[u8]) {
        (u16::from_le_bytes([inode[0], inode[1]]), &inode[16..])
    }

    #[test]
    fn a_file_is_extended_where_the_short_form_cannot_say_it() {
        let tree = sample::tree(&[("f", Vec::new())]);
        let node = tree.iter().last().unwrap();
        let (small, words) = (Bytes::new(5), [Word::from_bits(0x0100_0005)]);
        let data = Data { start: Bytes::new(96), words: &words, ..Data::default() };
        let file = |facts: &Facts, size, data: &Data<'_>| facts.file(node, size, data);
        let short = file(&FACTS, small, &data);
        assert_eq!(short[..16], [2, 0, 0xA4, 1, 1, 0, 2, 0, 1, 0, 0, 0, 9, 0, 0, 0]);
        let none = [0xFF; 4];
        let expected = [&[96, 0, 0, 0][..], &none, &[0; 4], &[5, 0, 0, 0], &[5, 0, 0, 1]].concat();
        assert_eq!(parts(&short), (2, &expected[..]));
        let fragment = Some(Fragment { index: 3, offset: 70 });
        let tail = file(&FACTS, small, &Data { fragment, ..Data::default() });
        let expected = [0, 0, 0, 0, 3, 0, 0, 0, 70, 0, 0, 0, 5, 0, 0, 0];
        assert_eq!(parts(&tail), (2, &expected[..]));

        let far = Data { start: GIB * 4, ..data };
        let long = file(&FACTS, small, &far);
        let start = [0, 0, 0, 0, 1, 0, 0, 0];
        let size = [5, 0, 0, 0, 0, 0, 0, 0];
        let rest = [&[0; 8][..], &[1, 0, 0, 0], &none, &[0; 4], &none, &[5, 0, 0, 1]].concat();
        assert_eq!(parts(&long), (9, &[&start[..], &size, &rest].concat()[..]));
        let extended = |facts: &Facts, size, data: &Data<'_>| parts(&file(facts, size, data)).0;
        assert_eq!(extended(&FACTS, GIB * 4, &data), 9);
        assert_eq!(extended(&Facts { xattr: 0, ..FACTS }, small, &data), 9);
        // A file of nothing but zeros still counts as one byte.
        let sparse = file(&FACTS, small, &Data { sparse: small, ..Data::default() });
        assert_eq!((parts(&sparse).0, sparse[32]), (9, 4));
    }

    #[test]
    fn a_directory_is_extended_for_an_index_and_for_64_kib() {
        let tree = sample::tree(&[]);
        let listing = |size| Listing {
            place: Place { block: 0x0102, offset: 0x0304 },
            size,
            directories: 5,
            ..Listing::default()
        };
        let short = FACTS.directory(tree.root(), &listing(0xFFFF));
        let expected = [2, 1, 0, 0, 7, 0, 0, 0, 0xFF, 0xFF, 4, 3, 4, 0, 0, 0];
        assert_eq!(parts(&short), (1, &expected[..]));
        let long = FACTS.directory(tree.root(), &listing(0x1_0000));
        let expected =
            [7, 0, 0, 0, 0, 0, 1, 0, 2, 1, 0, 0, 4, 0, 0, 0, 0, 0, 4, 3, 255, 255, 255, 255];
        assert_eq!(parts(&long), (8, &expected[..]));
        let index = Listing { index: vec![7; 3], index_entries: 1, ..listing(9000) };
        let indexed = FACTS.directory(tree.root(), &index);
        assert_eq!((parts(&indexed).0, &indexed[indexed.len() - 3..]), (8, &[7; 3][..]));
    }

    #[test]
    fn device_numbers_are_packed_as_linux_does() {
        let tree = sample::tree(&[]);
        let numbers = |major, minor| {
            let device = tree::Device { block: false, major, minor };
            let inode = FACTS.device(tree.root(), device).unwrap();
            u32::from_le_bytes(inode[20..24].try_into().unwrap())
        };
        assert_eq!(numbers(1, 3), 0x0103);
        assert_eq!(numbers(8, 0x1_2345), 0x1230_0845);
        assert_eq!(numbers(0xFFF, 0xF_FFFF), 0xFFFF_FFFF);
    }
}
