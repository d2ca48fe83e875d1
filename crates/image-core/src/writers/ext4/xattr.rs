//! Extended attributes: in the inode as long as they fit, then in one block (attributes.rst).

use super::block::{BLOCK_LEN, BlockNo, narrow, narrow16};
use super::checksum::Checksum;
use super::ondisk::xattr::{Entry, Header, MAGIC};
use crate::tree::Xattrs;

/// What an inode has room for, its magic included.
const IN_INODE: usize = 96;
/// The magic that starts attributes in an inode.
const MAGIC_SIZE: usize = 4;
/// The zeros that end a list of entries.
const END: usize = 4;
/// What both places have room for, for messages.
pub(super) const ROOM: usize = IN_INODE - MAGIC_SIZE - END + BLOCK_LEN - Header::SIZE - END;

/// Prefixes and their `e_name_index`.
const PREFIXES: [(&[u8], u8); 3] = [(b"user.", 1), (b"trusted.", 4), (b"security.", 6)];
/// Names that are an index alone.
const ACLS: [(&[u8], u8); 2] = [(b"system.posix_acl_access", 2), (b"system.posix_acl_default", 3)];

/// The attributes of one inode, encoded.
#[derive(Debug)]
pub(super) struct Attributes {
    /// What follows the inode's fields.
    pub(super) inode: [u8; IN_INODE],
    /// The block, without the checksum that depends on its place.
    pub(super) block: Option<Vec<u8>>,
}

/// Attributes that ext4 cannot hold.
#[derive(Debug)]
pub(super) enum Refused {
    /// A name of an unknown kind, or too long.
    Name(Vec<u8>),
    /// An ACL in no form we know.
    Acl(Vec<u8>),
    /// More bytes than there is room for.
    Size(usize),
}

struct Attribute<'a> {
    index: u8,
    name: &'a [u8],
    value: Vec<u8>,
}

impl Attributes {
    /// Encodes attributes.
    pub(super) fn encode(xattrs: &Xattrs) -> Result<Self, Refused> {
        let mut all = xattrs.iter().map(attribute).collect::<Result<Vec<_>, _>>()?;
        // The order the kernel searches blocks in.
        all.sort_by(|left, right| left.order().cmp(&right.order()));
        let mut used = MAGIC_SIZE + END;
        let (inside, outside): (Vec<_>, Vec<_>) = all.iter().partition(|attribute| {
            let fits = used + attribute.size() <= IN_INODE;
            used += if fits { attribute.size() } else { 0 };
            fits
        });
        let size = outside.iter().map(|attribute| attribute.size()).sum::<usize>();
        if Header::SIZE + size + END > BLOCK_LEN {
            return Err(Refused::Size(all.iter().map(Attribute::size).sum()));
        }
        let mut inode = [0; IN_INODE];
        if !inside.is_empty() {
            inode[..MAGIC_SIZE].copy_from_slice(&MAGIC.to_le_bytes());
            // Values are found from the first entry on, and carry no hash.
            fill(&mut inode[MAGIC_SIZE..], 0, inside.into_iter().map(|inside| (inside, 0)));
        }
        let block = (!outside.is_empty()).then(|| encode_block(&outside));
        Ok(Self { inode, block })
    }
}

/// Completes a block of attributes once its place is known.
pub(super) fn seal(block: &mut [u8], place: BlockNo, volume: Checksum) {
    let sum = volume.add(&place.0.to_le_bytes()).add(block).get();
    block[0x10..0x14].copy_from_slice(&sum.to_le_bytes());
}

fn encode_block(attributes: &[&Attribute<'_>]) -> Vec<u8> {
    let mut block = vec![0; BLOCK_LEN];
    let hashed = attributes.iter().map(|attribute| (*attribute, attribute.hash()));
    fill(&mut block, Header::SIZE, hashed);
    let hash =
        attributes.iter().fold(0u32, |sum, attribute| sum.rotate_left(16) ^ attribute.hash());
    let header = Header { magic: MAGIC, refcount: 1, blocks: 1, hash, ..Header::ZERO };
    block[..Header::SIZE].copy_from_slice(&header.encode());
    block
}

/// Writes entries from `start` upwards and values from the end downwards.
fn fill<'a>(
    area: &mut [u8],
    start: usize,
    attributes: impl Iterator<Item = (&'a Attribute<'a>, u32)>,
) {
    let (mut at, mut end) = (start, area.len());
    for (attribute, hash) in attributes {
        end -= attribute.value.len().next_multiple_of(4);
        let empty = attribute.value.is_empty();
        area[end..end + attribute.value.len()].copy_from_slice(&attribute.value);
        let entry = Entry {
            name_len: u8::try_from(attribute.name.len()).unwrap_or(u8::MAX),
            name_index: attribute.index,
            value_offs: if empty { 0 } else { narrow16(end) },
            value_inum: 0,
            value_size: narrow(attribute.value.len()),
            hash,
        };
        area[at..at + Entry::SIZE].copy_from_slice(&entry.encode());
        let name = at + Entry::SIZE;
        area[name..name + attribute.name.len()].copy_from_slice(attribute.name);
        at = name + attribute.name.len().next_multiple_of(4);
    }
}

fn attribute<'a>((name, value): (&'a [u8], &[u8])) -> Result<Attribute<'a>, Refused> {
    if let Some((_, index)) = ACLS.iter().find(|(acl, _)| *acl == name) {
        let value = acl(value).ok_or_else(|| Refused::Acl(name.to_vec()))?;
        return Ok(Attribute { index: *index, name: b"", value });
    }
    let found = PREFIXES
        .iter()
        .find_map(|(prefix, index)| name.strip_prefix(*prefix).map(|rest| (rest, *index)));
    match found {
        Some((rest, index)) if (1..=255).contains(&rest.len()) => {
            Ok(Attribute { index, name: rest, value: value.to_vec() })
        }
        Some(_) | None => Err(Refused::Name(name.to_vec())),
    }
}

/// Turns a POSIX ACL from what system calls take (`linux/posix_acl_xattr.h`, version 2, 8 bytes an
/// entry) into what ext4 stores (`fs/ext4/acl.h`, version 1, no id where the tag needs none).
fn acl(value: &[u8]) -> Option<Vec<u8>> {
    const NAMED_USER: [u8; 2] = [0x02, 0];
    const NAMED_GROUP: [u8; 2] = [0x08, 0];
    const OTHERS: [[u8; 2]; 4] = [[0x01, 0], [0x04, 0], [0x10, 0], [0x20, 0]];
    let entries = value.strip_prefix(&[2, 0, 0, 0])?;
    if !entries.len().is_multiple_of(8) {
        return None;
    }
    let mut stored = vec![1, 0, 0, 0];
    for entry in entries.chunks_exact(8) {
        let tag = [entry[0], entry[1]];
        let length = match tag {
            NAMED_USER | NAMED_GROUP => 8,
            tag if OTHERS.contains(&tag) => 4,
            _ => return None,
        };
        stored.extend(&entry[..length]);
    }
    Some(stored)
}

impl Attribute<'_> {
    fn order(&self) -> (u8, usize, &[u8]) {
        (self.index, self.name.len(), self.name)
    }

    /// Counts the bytes of entry, name and value.
    fn size(&self) -> usize {
        Entry::SIZE + self.name.len().next_multiple_of(4) + self.value.len().next_multiple_of(4)
    }

    /// `e_hash`: of the name by bytes, then of the value by words.
    fn hash(&self) -> u32 {
        let name = self.name.iter().fold(0u32, |sum, byte| sum.rotate_left(5) ^ u32::from(*byte));
        self.value.chunks(4).fold(name, |sum, chunk| {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            sum.rotate_left(16) ^ u32::from_le_bytes(word)
        })
    }
}
