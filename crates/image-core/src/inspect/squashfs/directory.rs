//! What is in a directory: runs of entries, each behind a header that names their inodes' block.

use super::inode::Listing;
use super::metadata::Reference;
use super::{Error, Inode, Squashfs, field};
use crate::units::Bytes;

/// What a listing's size counts that is not there: `.`, `..` and the end.
const DOTS: u32 = 3;
/// The most entries behind one header.
const MOST: u32 = 256;

impl Squashfs<'_> {
    /// Lists a directory: names, in the order of the listing, and what they are.
    ///
    /// # Errors
    /// Damage, and where.
    pub fn list(&self, listing: Listing) -> Result<Vec<(Vec<u8>, Inode)>, Error> {
        let mut entries = Vec::new();
        let mut left = u64::from(listing.size.saturating_sub(DOTS));
        if left == 0 {
            return Ok(entries);
        }
        let place = Reference { block: u64::from(listing.block), offset: listing.offset };
        let mut table = self.table(self.superblock.directory_table, place)?;
        let mut take = |table: &mut super::metadata::Table<'_>, len: usize| {
            left = left.checked_sub(Bytes::from_len(len).get()).ok_or_else(|| {
                table.damaged("directory", "its entries are longer than the listing".to_owned())
            })?;
            let bytes = table.bytes(len)?;
            Ok::<_, Error>((bytes, left))
        };
        loop {
            let (header, _) = take(&mut table, 12)?;
            let count = u32::from_le_bytes(field(&header, 0)).saturating_add(1);
            if count > MOST {
                return Err(table.damaged("directory", format!("{count} entries behind a header")));
            }
            let block = u64::from(u32::from_le_bytes(field(&header, 4)));
            let mut rest = 0;
            for _ in 0..count {
                let (entry, _) = take(&mut table, 8)?;
                let size = usize::from(u16::from_le_bytes(field(&entry, 6))) + 1;
                let (name, left) = take(&mut table, size)?;
                check_name(&name).map_err(|found| table.damaged("directory", found))?;
                let offset = u16::from_le_bytes(field(&entry, 0));
                entries.push((name, self.inode(Reference { block, offset })?));
                rest = left;
            }
            if rest == 0 {
                return Ok(entries);
            }
        }
    }
}

fn check_name(name: &[u8]) -> Result<(), String> {
    let is_dots = name == b"." || name == b"..";
    if is_dots || name.contains(&b'/') || name.contains(&0) {
        return Err(format!("the name {:?}", String::from_utf8_lossy(name)));
    }
    Ok(())
}
