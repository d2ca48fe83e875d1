//! Inode records (inodes.rst), and the tables they lie in.

use super::block::{BlockNo, INODE_LEN, InodeNo, index, narrow};
use super::checksum::Checksum;
use super::layout::Layout;
use super::ondisk::inode::{EXTRA_ISIZE, Inode, file_type};
use super::ondisk::{halves, halves16};
use crate::epoch::Epoch;
use crate::tree::{Device, Kind, Meta};
use crate::units::Bytes;

/// What a record starts from: metadata, and nothing about data yet.
pub(super) fn record(kind: u16, meta: &Meta) -> Inode {
    let (uid, uid_high) = halves16(meta.uid);
    let (gid, gid_high) = halves16(meta.gid);
    let time = meta.mtime.seconds();
    let extra = time_extra(meta.mtime);
    Inode {
        mode: kind | meta.mode.bits(),
        uid,
        uid_high,
        gid,
        gid_high,
        atime: time,
        ctime: time,
        mtime: time,
        crtime: time,
        atime_extra: extra,
        ctime_extra: extra,
        mtime_extra: extra,
        crtime_extra: extra,
        links_count: 1,
        extra_isize: EXTRA_ISIZE,
        ..Inode::ZERO
    }
}

/// Returns a kind's bits of `i_mode`.
pub(super) fn file_type_of(kind: &Kind) -> u16 {
    match kind {
        Kind::Directory => file_type::DIRECTORY,
        Kind::File(_) => file_type::REGULAR,
        Kind::Symlink(_) => file_type::SYMLINK,
        Kind::Device(device) if device.block => file_type::BLOCK,
        Kind::Device(_) => file_type::CHARACTER,
        Kind::Fifo => file_type::FIFO,
    }
}

/// The 32 bits of a time count as signed; from 2038 on, "epoch" bits say how often they wrapped.
fn time_extra(time: Epoch) -> u32 {
    time.seconds() >> 31
}

/// Directories with more links than this have a count of 1, "unknown" (dir_nlink).
const MOST_LINKS: u32 = 65_000;

impl Inode {
    /// Sets the size.
    pub(super) fn set_size(&mut self, size: Bytes) {
        (self.size_lo, self.size_high) = halves(size.get());
    }

    /// Sets how many blocks the inode takes, which is counted in units of 512 bytes.
    pub(super) fn set_blocks(&mut self, blocks: u64) {
        let (low, high) = halves(blocks * 8);
        (self.blocks_lo, self.blocks_high) = (low, halves16(high).0);
    }

    /// Sets the block of extended attributes.
    pub(super) fn set_file_acl(&mut self, block: BlockNo) {
        let (low, high) = halves(block.0);
        (self.file_acl_lo, self.file_acl_high) = (low, halves16(high).0);
    }

    /// Sets the links of a directory: `.`, its name, and the `..` of each directory inside.
    pub(super) fn set_directories_inside(&mut self, directories: u32) {
        let links = directories.saturating_add(2);
        self.links_count = if links > MOST_LINKS { 1 } else { halves16(links).0 };
    }

    /// Sets the device as `new_encode_dev` and `old_encode_dev` of the kernel would.
    pub(super) fn set_device(&mut self, device: Device) {
        let Device { major, minor, .. } = device;
        if major < 256 && minor < 256 {
            self.block[..4].copy_from_slice(&(major << 8 | minor).to_le_bytes());
        } else {
            let number = minor & 0xFF | major << 8 | (minor & !0xFF) << 12;
            self.block[4..8].copy_from_slice(&number.to_le_bytes());
        }
    }

    fn sealed(mut self, checksum: Checksum) -> [u8; INODE_LEN] {
        (self.checksum_lo, self.checksum_hi) = halves16(checksum.add(&self.encode()).get());
        self.encode()
    }
}

/// The inode tables of all groups, as far as they are in use.
#[derive(Debug)]
pub(super) struct Tables {
    per_group: u32,
    volume: Checksum,
    groups: Vec<Group>,
    used: u32,
}

/// One group's inodes.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    /// The records in use, from the first on.
    pub(super) records: Vec<u8>,
    /// How many of them are directories.
    pub(super) directories: u32,
}

impl Tables {
    /// Makes room for inodes 1 to `last`.
    pub(super) fn new(layout: &Layout, last: InodeNo, volume: Checksum) -> Self {
        let mut left = last.0;
        let groups = layout.group_numbers().map(|_| {
            let used = left.min(layout.inodes_per_group);
            left -= used;
            Group { records: vec![0; index(used) * INODE_LEN], directories: 0 }
        });
        let groups = groups.collect();
        Self { per_group: layout.inodes_per_group, volume, groups, used: last.0 }
    }

    /// Writes a record into its place.
    pub(super) fn set(&mut self, inode: InodeNo, record: Inode) {
        let number = inode.0 - 1;
        let group = &mut self.groups[index(number / self.per_group)];
        if record.mode & 0xF000 == file_type::DIRECTORY {
            group.directories += 1;
        }
        let at = index(number % self.per_group) * INODE_LEN;
        let bytes = record.sealed(self.volume.of_inode(inode));
        group.records[at..at + INODE_LEN].copy_from_slice(&bytes);
    }

    /// Counts the inodes in use, the reserved ones included.
    pub(super) fn used(&self) -> u32 {
        self.used
    }

    /// Hands over the groups, first to last.
    pub(super) fn into_groups(self) -> Vec<Group> {
        self.groups
    }
}

impl Group {
    /// Counts the inodes in use.
    pub(super) fn used(&self) -> u32 {
        narrow(self.records.len() / INODE_LEN)
    }
}
