//! Holds an index against what the tree says that it is of.
//!
//! The check sum in an index finds what changed on a disk. This finds what is the index of something
//! else, so that whoever places data may rely on it.

use super::Word;
use super::index::{Index, IndexError, Small};
use super::row::Part;
use crate::pack;
use crate::units::Bytes;

/// Checks that an index is that of a slab which has these parts.
pub(super) fn holds(
    index: &Index,
    slab: &pack::Block,
    parts: &[Part],
    block: Bytes,
) -> Result<(), IndexError> {
    if let Some(part) = parts.iter().find(|part| !part.is_whole(block)) {
        let (end, size) = ((part.skip + part.len).get(), part.size.get());
        return Err(IndexError::Cut { end, size });
    }
    let (small, large): (Vec<&Part>, Vec<&Part>) =
        parts.iter().partition(|part| part.is_small(block));
    let blocks = large.iter().map(|part| part.len.div_ceil(block)).sum();
    count("blocks", blocks, index.blocks.len())?;
    count("small files", Bytes::from_len(small.len()).get(), index.small.len())?;
    let data = slab.size - Bytes::new(slab.tag);
    count("bytes of data", data.get(), index.data().to_len().unwrap_or(usize::MAX))?;
    large_files(index, &large, block)?;
    small_files(index, &small, block)
}

/// Checks that fragments can be counted on, after so many of the slabs before.
pub(super) fn countable(before: usize, index: &Index) -> Result<(), IndexError> {
    let all = before.saturating_add(index.fragments.len());
    if u32::try_from(all).is_ok() {
        return Ok(());
    }
    count("fragments", u32::MAX.into(), all)
}

fn count(what: &'static str, expected: u64, found: usize) -> Result<(), IndexError> {
    let found = Bytes::from_len(found).get();
    if expected == found { Ok(()) } else { Err(IndexError::Count { what, expected, found }) }
}

fn large_files(index: &Index, parts: &[&Part], block: Bytes) -> Result<(), IndexError> {
    let mut words = index.blocks.iter().map(|block| block.word);
    for part in parts {
        // The parts come first: a block must not be taken before it is known to be of this one.
        for (number, word) in (0..part.len.div_ceil(block)).zip(&mut words) {
            let unpacked = block.min(part.len - block * number);
            if word != Word::SPARSE {
                fits(word, unpacked)?;
            }
        }
    }
    Ok(())
}

fn small_files(index: &Index, parts: &[&Part], block: Bytes) -> Result<(), IndexError> {
    for word in &index.fragments {
        fits(*word, block)?;
    }
    let fragments = Bytes::from_len(index.fragments.len()).get();
    for (part, Small { fragment, offset }) in parts.iter().zip(index.small.iter().copied()) {
        let end = Bytes::new(offset.into()) + part.len;
        if u64::from(fragment) >= fragments || end > block {
            return Err(IndexError::Place { fragment, offset });
        }
    }
    Ok(())
}

/// Checks that a block takes no more space than it has data.
fn fits(word: Word, unpacked: Bytes) -> Result<(), IndexError> {
    if word.is_known() && !word.size().is_zero() && word.size() <= unpacked {
        return Ok(());
    }
    Err(IndexError::Word { word: word.bits(), expected: unpacked.get() })
}
