//! Directories: names in the order of their bytes, in runs that share what their inodes have in common.
//!
//! A run ends where the next inode starts in another block. The kernel looks for a name from the start
//! of a listing; so one that is longer than a block of metadata has an index, which tells for every
//! 8 KiB the first name of a run that starts there, and where that is.

use super::metadata::{Metadata, Place};
use super::ondisk::{DOTS, Entry, Header, Index, METADATA_SIZE, MOST_ENTRIES};
use super::{Error, inode};
use crate::tree::Node;

/// The names in a directory as they lie in the directory table, and what its inode tells of them.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Where the first run starts.
    pub(super) place: Place,
    /// How long the runs are, and [`DOTS`].
    pub(super) size: u32,
    /// How many directories there are.
    pub(super) directories: u32,
    /// The index; empty where there is no need for one.
    pub(super) index: Vec<u8>,
    /// How many entries that has.
    pub(super) index_entries: u16,
}

/// A name and its inode.
struct Name<'t> {
    name: &'t [u8],
    kind: u16,
    inode: Place,
}

impl Name<'_> {
    fn size(&self) -> usize {
        Entry::SIZE + self.name.len()
    }

    /// Names have 1 to 255 bytes.
    fn less_one(&self) -> u16 {
        u16::try_from(self.name.len().saturating_sub(1)).unwrap_or_default()
    }
}

/// Writes the names in a directory, whose inodes lie at `inodes` and are numbered from `first` on.
pub(super) fn write(
    directory: Node<'_>,
    first: u32,
    inodes: &[Place],
    table: &mut Metadata,
) -> Result<Listing, Error> {
    let names = directory.children().zip(inodes).map(|(child, inode)| {
        let (name, kind) = (child.name(), inode::kind_of(child));
        Name { name, kind, inode: *inode }
    });
    let names: Vec<Name<'_>> = names.collect();
    let mut listing = Listing { place: table.place()?, ..Listing::default() };
    let (mut rest, mut number) = (&names[..], first);
    let (mut at, mut indexed, mut index_entries) = (0, 0, 0usize);
    while let Some(name) = rest.first() {
        if at + Header::SIZE + name.size() > indexed + METADATA_SIZE {
            indexed = at;
            index_entries += 1;
            listing.index.extend(index_entry(at, table.place()?, name));
        }
        let (run, later) = rest.split_at(together(rest, indexed + METADATA_SIZE - at));
        at += write_run(run, number, table)?;
        rest = later;
        // Fewer than 257.
        number += u32::try_from(run.len()).unwrap_or_default();
    }
    let too_large = || Error::DirectoryTooLarge { path: directory.path() };
    listing.size = u32::try_from(at + DOTS).map_err(|_| too_large())?;
    listing.index_entries = u16::try_from(index_entries).map_err(|_| too_large())?;
    let directories = directory.children().filter(|child| child.is_directory()).count();
    listing.directories = u32::try_from(directories).map_err(|_| too_large())?;
    Ok(listing)
}

/// Counts the names that make a run of at most `room` bytes; at least one.
fn together(names: &[Name<'_>], room: usize) -> usize {
    let mut end = Header::SIZE;
    let fits = |name: &&Name<'_>| {
        end += name.size();
        end <= room && name.inode.block == names[0].inode.block
    };
    names.iter().take(MOST_ENTRIES).take_while(fits).count().max(1)
}

/// Writes names whose inodes lie in one block, and returns how many bytes they take.
fn write_run(names: &[Name<'_>], first: u32, table: &mut Metadata) -> Result<usize, Error> {
    let count = u32::try_from(names.len() - 1).unwrap_or_default();
    let start_block = names[0].inode.block;
    let mut run = Header { count, start_block, inode_number: first }.encode().to_vec();
    for (name, inode_number) in names.iter().zip(0..) {
        let entry = Entry {
            offset: name.inode.offset,
            inode_number,
            entry_type: name.kind,
            size: name.less_one(),
        };
        run.extend(entry.encode());
        run.extend_from_slice(name.name);
    }
    table.push(&run)?;
    Ok(run.len())
}

fn index_entry(at: usize, run: Place, name: &Name<'_>) -> Vec<u8> {
    // Where it does not fit, the whole listing does not, and is refused.
    let index = u32::try_from(at).unwrap_or_default();
    let index = Index { index, start_block: run.block, size: name.less_one().into() };
    [&index.encode(), name.name].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &[u8], block: u32) -> Name<'_> {
        Name { name, kind: 2, inode: Place { block, offset: 7 } }
    }

    #[test]
    fn runs_end_at_256_names_at_another_block_and_where_there_is_no_room() {
        let alike: Vec<Name<'_>> = (0..300).map(|_| name(b"n", 5)).collect();
        assert_eq!(together(&alike, METADATA_SIZE), 256);
        assert_eq!(together(&alike[200..], METADATA_SIZE), 100);
        // A header of 12 bytes, and 9 for each name.
        assert_eq!((together(&alike, 30), together(&alike, 29)), (2, 1));
        assert_eq!(together(&[name(b"a", 5), name(b"b", 5), name(b"c", 9)], METADATA_SIZE), 2);
    }

    #[test]
    fn a_run_is_what_the_format_says() {
        let mut table = Metadata::new("table", super::super::Codec::Plain).unwrap();
        let size = write_run(&[name(b"a", 5), name(b"bc", 5)], 41, &mut table).unwrap();
        let written = table.finish().unwrap().packed;
        let expected = [
            &[1, 0, 0, 0, 5, 0, 0, 0, 41, 0, 0, 0][..],
            &[7, 0, 0, 0, 2, 0, 0, 0, b'a'],
            &[7, 0, 1, 0, 2, 0, 1, 0, b'b', b'c'],
        ];
        assert_eq!(written[2..], expected.concat());
        assert_eq!(size, written.len() - 2);
    }
}
