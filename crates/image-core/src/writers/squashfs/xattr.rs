//! Extended attributes: sets, each written once, however many inodes have it.
//!
//! What differs between sets and is the same in part is written in each: capabilities and labels are
//! short, and what repeats close by costs next to nothing when it is compressed.

use std::collections::BTreeMap;

use super::metadata::{Blocks, Metadata};
use super::ondisk::{NO_XATTR, XattrEntry, XattrId, XattrValue};
use super::{Codec, Error};
use crate::tree::Node;

/// Prefixes, in the order of their numbers.
const PREFIXES: [&[u8]; 3] = [b"user.", b"trusted.", b"security."];
/// The longest name and value of an attribute on Linux (`XATTR_NAME_MAX`, `XATTR_SIZE_MAX`).
const LONGEST_NAME: usize = 255;
const LONGEST_VALUE: usize = 1 << 16;

/// The sets of attributes of a tree.
#[derive(Debug)]
pub(super) struct Attributes {
    records: Metadata,
    /// The sets by what they hold.
    sets: BTreeMap<Vec<u8>, u32>,
    ids: Vec<u8>,
}

/// All sets, compressed.
#[derive(Debug)]
pub(super) struct Sets {
    /// How many there are.
    pub(super) count: u32,
    /// The attributes.
    pub(super) records: Blocks,
    /// Where each set starts.
    pub(super) ids: Blocks,
}

impl Attributes {
    /// Starts without sets.
    pub(super) fn new(codec: Codec) -> Result<Self, Error> {
        let records = Metadata::new("table of extended attributes", codec)?;
        Ok(Self { records, sets: BTreeMap::new(), ids: Vec::new() })
    }

    /// Returns the number of the set that a node has, or [`NO_XATTR`].
    pub(super) fn set(&mut self, node: Node<'_>) -> Result<u32, Error> {
        if node.meta().xattrs.is_empty() {
            return Ok(NO_XATTR);
        }
        let (record, count) = encode(node)?;
        if let Some(set) = self.sets.get(&record) {
            return Ok(*set);
        }
        // There are no more sets than entries, and no more entries than numbers.
        let set = u32::try_from(self.sets.len()).unwrap_or(NO_XATTR);
        let size = u32::try_from(record.len()).map_err(|_| Error::TableTooLarge {
            table: "set of extended attributes",
            found: record.len(),
        })?;
        let xattr = self.records.place()?.reference();
        self.ids.extend(XattrId { xattr, count, size }.encode());
        self.records.push(&record)?;
        self.sets.insert(record, set);
        Ok(set)
    }

    /// Returns all sets; none where there are none.
    pub(super) fn finish(self, codec: Codec) -> Result<Option<Sets>, Error> {
        if self.sets.is_empty() {
            return Ok(None);
        }
        let count = u32::try_from(self.sets.len()).unwrap_or(NO_XATTR);
        let ids = Blocks::of("table of sets of extended attributes", codec, &self.ids)?;
        Ok(Some(Sets { count, records: self.records.finish()?, ids }))
    }
}

/// Encodes the set of a node and counts its attributes.
fn encode(node: Node<'_>) -> Result<(Vec<u8>, u32), Error> {
    let mut record = Vec::new();
    let mut count = 0;
    for (name, value) in node.meta().xattrs.iter() {
        let refused = |reason| Error::Attribute {
            path: node.path(),
            name: String::from_utf8_lossy(name).into_owned(),
            reason,
        };
        let known = PREFIXES.iter().zip(0u16..).find_map(|(prefix, number)| {
            name.strip_prefix(*prefix).filter(|rest| !rest.is_empty()).map(|rest| (number, rest))
        });
        let (prefix, rest) =
            known.ok_or_else(|| refused("expected a name after user., trusted. or security."))?;
        if name.len() > LONGEST_NAME || name.contains(&0) {
            return Err(refused("expected a name of at most 255 bytes, none of them NUL"));
        }
        if value.len() > LONGEST_VALUE {
            return Err(refused("its value has more than 65536 bytes"));
        }
        let size = u16::try_from(rest.len()).unwrap_or_default();
        let vsize = u32::try_from(value.len()).unwrap_or_default();
        record.extend(XattrEntry { prefix, size }.encode());
        record.extend_from_slice(rest);
        record.extend(XattrValue { vsize }.encode());
        record.extend_from_slice(value);
        count += 1;
    }
    Ok((record, count))
}
