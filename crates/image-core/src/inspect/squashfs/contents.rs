//! The bytes of a file: its blocks, then its part of a fragment.

use super::inode::File;
use super::{Error, Squashfs};
use crate::units::Bytes;

/// Set in a block's word where it is stored as it is.
const RAW: u32 = 1 << 24;

/// The fragment block that was unpacked last: small files stand together as they are walked.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    last: Option<(u32, Unpacked)>,
}

/// A block, unpacked.
#[derive(Debug)]
struct Unpacked {
    bytes: Vec<u8>,
    /// Damage would have shown.
    guarded: bool,
}

impl Squashfs<'_> {
    /// Hands a file's bytes to `take`, part by part, in order; tells whether damage to any of them
    /// would have shown: it does where they are compressed, with a check sum.
    ///
    /// # Errors
    /// Damage, and where; what was handed over before is right as far as can be told.
    pub fn read(&self, file: &File, take: &mut dyn FnMut(&[u8])) -> Result<bool, Error> {
        let block = self.superblock.block;
        let (mut at, mut left, mut guarded) = (file.start, file.size, true);
        for word in &file.words {
            let expected = left.min(block);
            let unpacked = self.block(at, *word, expected)?;
            take(&unpacked.bytes);
            guarded &= unpacked.guarded;
            at = at.saturating_add(u64::from(word & !RAW));
            left = left - expected;
        }
        match file.fragment {
            Some((index, offset)) if !left.is_zero() => {
                let end = u64::from(offset).saturating_add(left.get());
                Ok(guarded & self.fragment(index, u64::from(offset), end, take)?)
            }
            Some(_) | None => Ok(guarded),
        }
    }

    /// Unpacks the block at a byte of the squashfs, which must come out as long as expected.
    fn block(&self, at: u64, word: u32, expected: Bytes) -> Result<Unpacked, Error> {
        let damaged = |found| Error::Damaged { what: "data block", at, found };
        let size = expected.to_len().unwrap_or_default();
        if word == 0 {
            return Ok(Unpacked { bytes: vec![0; size], guarded: true });
        }
        let unpacked = self.unpack("data block", at, word)?;
        if unpacked.bytes.len() != size {
            return Err(damaged(format!("expected {size} bytes, found {}", unpacked.bytes.len())));
        }
        Ok(unpacked)
    }

    /// Unpacks a block of data or of fragments.
    fn unpack(&self, what: &'static str, at: u64, word: u32) -> Result<Unpacked, Error> {
        let damaged = |found| Error::Damaged { what, at, found };
        let most = self.superblock.block.to_len().unwrap_or_default();
        let stored = usize::try_from(word & !RAW).unwrap_or(usize::MAX);
        if stored > most {
            return Err(damaged(format!("expected at most {most} bytes, found {stored}")));
        }
        let packed = self.bytes(what, at, stored)?;
        if word & RAW != 0 {
            return Ok(Unpacked { bytes: packed, guarded: false });
        }
        let guarded = self.compressor.guards(&packed);
        let bytes = self.compressor.unpack(&packed, most).map_err(damaged)?;
        Ok(Unpacked { bytes, guarded })
    }

    /// Hands over a range of a fragment block.
    fn fragment(
        &self,
        index: u32,
        from: u64,
        to: u64,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<bool, Error> {
        let mut kept = self.unpacked.borrow_mut();
        if kept.last.as_ref().is_none_or(|(last, _)| *last != index) {
            kept.last = Some((index, self.fragment_block(index)?));
        }
        let Some((_, block)) = &kept.last else { return Ok(false) };
        let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
        let part = range.and_then(|(from, to)| block.bytes.get(from..to)).ok_or_else(|| {
            let found = format!("expected at least {to} bytes, found {}", block.bytes.len());
            let at = self.fragment_place(index).map_or(0, |(at, _)| at);
            Error::Damaged { what: "fragment", at, found }
        })?;
        take(part);
        Ok(block.guarded)
    }

    fn fragment_block(&self, index: u32) -> Result<Unpacked, Error> {
        let Some((at, word)) = self.fragment_place(index) else {
            let found = format!("expected fragment {index}, found {}", self.fragments.len());
            let at = self.superblock.fragment_table;
            return Err(Error::Damaged { what: "fragment table", at, found });
        };
        self.unpack("fragment", at, word)
    }

    fn fragment_place(&self, index: u32) -> Option<(u64, u32)> {
        self.fragments.get(usize::try_from(index).ok()?).copied()
    }
}
