//! Hashed directories: names in the order of their hashes, cut into blocks, and an index of the
//! lowest hash of each (directory.rst, "Hash Tree Directories").
//!
//! The index is one node in the directory's first block, or that and one level below it: what every
//! kernel reads without the large_dir feature. Leaves are packed full; the first name added to a
//! full one splits it, as it would in any directory that grew by itself.

use super::block::{BLOCK_LEN, narrow, narrow16};
use super::checksum::Checksum;
use super::directory::{DOT, Name, Place, ROOM, TooManyNames, write_block, write_entry};
use super::half_md4::{Hashed, NameHash};
use super::ondisk::dirent::{CountLimit, Entry, IndexEntry, IndexTail, RootInfo, file_type};
use super::ondisk::superblock::HASH_HALF_MD4;

/// Where the entries of the first block's node start: after `.`, `..` and the info.
const ROOT_START: usize = 2 * DOT + RootInfo::SIZE;
/// Where those of other nodes start: after an entry that makes the block look unused.
const NODE_START: usize = Entry::SIZE;
/// Entries of the first block's node.
const ROOT_LIMIT: usize = limit(ROOT_START);
/// Entries of other nodes.
const NODE_LIMIT: usize = limit(NODE_START);

const fn limit(start: usize) -> usize {
    (BLOCK_LEN - start - IndexTail::SIZE) / IndexEntry::SIZE
}

/// A block and the lowest hash of the names in or below it.
#[derive(Clone, Copy, Debug)]
struct Below {
    hash: u32,
    block: u32,
}

/// Appends the blocks of a hashed directory: first node, inner nodes, leaves.
pub(super) fn write(
    place: Place,
    names: &[Name<'_>],
    hash: NameHash,
    out: &mut Vec<u8>,
) -> Result<(), TooManyNames> {
    let mut sorted: Vec<(Hashed, &Name<'_>)> =
        names.iter().map(|name| (hash.hash(name.name), name)).collect();
    sorted.sort_unstable_by_key(|(hashed, name)| (*hashed, name.name));
    let leaves = cut(&sorted);
    let inner = if leaves.len() > ROOT_LIMIT { leaves.len().div_ceil(NODE_LIMIT) } else { 0 };
    if inner > ROOT_LIMIT {
        return Err(TooManyNames);
    }
    let below: Vec<Below> = leaves
        .iter()
        .zip(1 + inner..)
        .map(|(leaf, block)| Below { hash: leaf.hash, block: narrow(block) })
        .collect();
    if inner == 0 {
        write_root(place, 0, &below, out);
    } else {
        let nodes: Vec<Below> = below
            .chunks(NODE_LIMIT)
            .zip(1..)
            .map(|(chunk, block)| Below { hash: chunk[0].hash, block })
            .collect();
        write_root(place, 1, &nodes, out);
        below.chunks(NODE_LIMIT).for_each(|chunk| write_node(place.checksum, chunk, out));
    }
    for leaf in leaves {
        write_block(place.checksum, leaf.names.iter().map(|(_, name)| *name), out);
    }
    Ok(())
}

struct Leaf<'a, 't> {
    hash: u32,
    names: &'a [(Hashed, &'a Name<'t>)],
}

/// Cuts sorted names into blocks.
fn cut<'a, 't>(sorted: &'a [(Hashed, &'a Name<'t>)]) -> Vec<Leaf<'a, 't>> {
    let mut leaves = Vec::new();
    let (mut start, mut used) = (0, 0);
    for (at, (_, name)) in sorted.iter().enumerate() {
        if used + name.size() > ROOM {
            leaves.push(leaf(sorted, start, at));
            (start, used) = (at, 0);
        }
        used += name.size();
    }
    leaves.push(leaf(sorted, start, sorted.len()));
    leaves
}

fn leaf<'a, 't>(sorted: &'a [(Hashed, &'a Name<'t>)], start: usize, end: usize) -> Leaf<'a, 't> {
    let major = |at: usize| sorted.get(at).map(|(hashed, _)| hashed.major);
    let hash = major(start).unwrap_or_default();
    let goes_on = start > 0 && major(start - 1) == Some(hash);
    Leaf { hash: hash | u32::from(goes_on), names: &sorted[start..end] }
}

fn write_root(place: Place, indirect_levels: u8, below: &[Below], out: &mut Vec<u8>) {
    let start = out.len();
    let dot = Name { inode: place.own, kind: file_type::DIRECTORY, name: b"." };
    let dot_dot = Name { inode: place.parent, kind: file_type::DIRECTORY, name: b".." };
    write_entry(&dot, DOT, out);
    // To whoever does not know hash trees, `..` takes the rest of the block.
    write_entry(&dot_dot, DOT, out);
    let rec_len = narrow16(BLOCK_LEN - DOT).to_le_bytes();
    out[start + DOT + 4..start + DOT + 6].copy_from_slice(&rec_len);
    let info =
        RootInfo { hash_version: HASH_HALF_MD4, info_length: 8, indirect_levels, ..RootInfo::ZERO };
    out.extend(info.encode());
    write_index(place.checksum, start, ROOT_LIMIT, below, out);
}

fn write_node(checksum: Checksum, below: &[Below], out: &mut Vec<u8>) {
    let start = out.len();
    let unused = Entry { rec_len: narrow16(BLOCK_LEN), ..Entry::ZERO };
    out.extend(unused.encode());
    write_index(checksum, start, NODE_LIMIT, below, out);
}

/// Appends the entries of a node whose block starts at `start`, and their checksum.
fn write_index(checksum: Checksum, start: usize, limit: usize, below: &[Below], out: &mut Vec<u8>) {
    let entries = out.len();
    for (at, Below { hash, block }) in below.iter().copied().enumerate() {
        if at == 0 {
            let (limit, count) = (narrow16(limit), narrow16(below.len()));
            out.extend(CountLimit { limit, count, block }.encode());
        } else {
            out.extend(IndexEntry { hash, block }.encode());
        }
    }
    let sum = checksum.add(&out[start..]).add(&IndexTail::ZERO.encode()).get();
    out.resize(entries + limit * IndexEntry::SIZE, 0);
    out.extend(IndexTail { checksum: sum, ..IndexTail::ZERO }.encode());
    out.resize(start + BLOCK_LEN, 0);
}
