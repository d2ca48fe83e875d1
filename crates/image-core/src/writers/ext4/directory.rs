//! Directories: linear while they fit into a block, hashed beyond (directory.rst).

use super::block::{BLOCK_LEN, InodeNo, narrow16};
use super::checksum::Checksum;
use super::half_md4::NameHash;
use super::htree;
use super::ondisk::dirent::{Entry, Tail, file_type};
use crate::tree::Kind;

/// What a block of entries has room for beside its checksum.
pub(super) const ROOM: usize = BLOCK_LEN - Tail::SIZE;
/// What `.` or `..` takes.
pub(super) const DOT: usize = 12;

/// One name in a directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name<'t> {
    /// Where it leads.
    pub(super) inode: InodeNo,
    /// Its `file_type`.
    pub(super) kind: u8,
    /// The name; at most 255 bytes.
    pub(super) name: &'t [u8],
}

/// A directory and where it hangs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Its own inode.
    pub(super) own: InodeNo,
    /// The inode of the directory that holds it; its own for the root.
    pub(super) parent: InodeNo,
    /// Starts the checksums of its blocks.
    pub(super) checksum: Checksum,
}

/// More names than two levels of hash tree hold.
#[derive(Debug)]
pub(super) struct TooManyNames;

/// Appends a directory's blocks to `out` and tells whether they are hashed.
pub(super) fn write(
    place: Place,
    names: &[Name<'_>],
    hash: NameHash,
    out: &mut Vec<u8>,
) -> Result<bool, TooManyNames> {
    let needed = 2 * DOT + names.iter().map(Name::size).sum::<usize>();
    if needed > ROOM {
        htree::write(place, names, hash, out)?;
        return Ok(true);
    }
    let dots = [
        Name { inode: place.own, kind: file_type::DIRECTORY, name: b"." },
        Name { inode: place.parent, kind: file_type::DIRECTORY, name: b".." },
    ];
    write_block(place.checksum, dots.iter().chain(names), out);
    Ok(false)
}

/// Appends a block that holds these names and nothing else; without names, one unused entry.
pub(super) fn write_block<'n>(
    checksum: Checksum,
    names: impl Iterator<Item = &'n Name<'n>>,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    let mut last = None;
    for name in names {
        last = Some(out.len());
        write_entry(name, name.size(), out);
    }
    // The last entry takes what is left; where there is none, an unused one does.
    let last = last.unwrap_or(start);
    let rec_len = narrow16(start + ROOM - last).to_le_bytes();
    out.resize(start + ROOM, 0);
    out[last + 4..last + 6].copy_from_slice(&rec_len);
    let sum = checksum.add(&out[start..]).get();
    let tail = Tail { rec_len: 12, reserved_ft: file_type::TAIL, checksum: sum, ..Tail::ZERO };
    out.extend(tail.encode());
}

/// Appends one entry that reaches `rec_len` bytes.
pub(super) fn write_entry(name: &Name<'_>, rec_len: usize, out: &mut Vec<u8>) {
    let start = out.len();
    let entry = Entry {
        inode: name.inode.0,
        rec_len: narrow16(rec_len),
        name_len: u8::try_from(name.name.len()).unwrap_or(u8::MAX),
        file_type: name.kind,
    };
    out.extend(entry.encode());
    out.extend(name.name);
    out.resize(start + rec_len, 0);
}

impl Name<'_> {
    /// Counts the bytes of the entry: header and name, to a multiple of four.
    pub(super) fn size(&self) -> usize {
        (Entry::SIZE + self.name.len()).next_multiple_of(4)
    }
}

/// Returns the `file_type` of a kind.
pub(super) fn file_type_of(kind: &Kind) -> u8 {
    match kind {
        Kind::Directory => file_type::DIRECTORY,
        Kind::File(_) => file_type::REGULAR,
        Kind::Symlink(_) => file_type::SYMLINK,
        Kind::Device(device) if device.block => file_type::BLOCK,
        Kind::Device(_) => file_type::CHARACTER,
        Kind::Fifo => file_type::FIFO,
    }
}
