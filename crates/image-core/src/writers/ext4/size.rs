//! How small a file system can be.
//!
//! The answer is exact because it is tried out: laying out and placing without writing costs little.

use super::Ext4;
use super::block::{BLOCK, narrow};
use super::census::{Census, Data};
use super::error::Error;
use super::journal;
use super::layout::{Layout, MOST_BLOCKS};
use super::place::{self, Nowhere};
use crate::tree::Tree;

/// A size a little below one that works may work again, where the latter begins another group; no
/// more blocks than that are gone with one.
const DIP: u64 = 64;

/// Lays out `blocks` blocks; none where the tree has no room in them.
pub(super) fn fit(
    options: &Ext4,
    tree: &Tree,
    census: &Census,
    blocks: u64,
) -> Result<Option<Layout>, Error> {
    let needed = census.last_inode().0.saturating_add(options.spare_inodes);
    let usual = (BLOCK * blocks).get() / options.bytes_per_inode.get().max(1024);
    let Some(layout) = Layout::new(blocks, needed.max(narrow(usual))) else {
        return Ok(None);
    };
    if layout.capacity() < least(census) + journal::blocks(layout.blocks) {
        return Ok(None);
    }
    let placed = place::place(tree, census, &layout, &mut Nowhere)?;
    Ok(placed.map(|_| layout))
}

/// Returns the least number of blocks that is enough.
pub(super) fn minimum(options: &Ext4, tree: &Tree, census: &Census) -> Result<u64, Error> {
    let mut too_few = least(census);
    let mut enough = too_few + too_few / 8 + 2048;
    while fit(options, tree, census, enough)?.is_none() {
        if enough >= MOST_BLOCKS {
            let (size, limit) = (BLOCK * enough, BLOCK * MOST_BLOCKS);
            return Err(Error::TooLarge { size, limit });
        }
        too_few = enough;
        enough = (enough + enough / 4).min(MOST_BLOCKS);
    }
    while enough - too_few > 1 {
        let middle = too_few + (enough - too_few) / 2;
        match fit(options, tree, census, middle)? {
            Some(_) => enough = middle,
            None => too_few = middle,
        }
    }
    for blocks in enough.saturating_sub(DIP)..enough {
        if fit(options, tree, census, blocks)?.is_some() {
            return Ok(blocks);
        }
    }
    Ok(enough)
}

/// Counts what the contents take without the fixed parts and the journal.
fn least(census: &Census) -> u64 {
    let blocks = |data: Data| match data {
        Data::File { blocks } => blocks,
        Data::None | Data::Stream { .. } => 0,
    };
    let data: u64 = census.needs.iter().map(|needs| blocks(needs.data)).sum();
    1 + census.stream_blocks() + data
}
