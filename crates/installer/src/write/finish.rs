//! What makes a disk of the copy of one: the backup of its partition table moves to the device's end.
//!
//! The specification wants it in the last sector, the table says how much room there is, and tools
//! refuse to add partitions until both are right. The table of an ISO image stays as it is: firmware and
//! kernel find its backup where the first header says, which is inside the image; and a stick that
//! is its image byte for byte can be held against a published sum, which people do.

use calve_image_core::disk::gpt_moved;
use calve_image_core::inspect::{self, Medium};
use calve_image_core::plan::Content;
use calve_image_core::units::Bytes;

use super::Error;
use super::buffer::Buffer;
use super::target::Target;

/// What became of the backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backup {
    /// It was written at the device's end.
    Moved,
    /// It is there already.
    InPlace,
}

/// Moves the backup of the GPT on a device to its end.
///
/// # Errors
/// There is no such table, or the device cannot be read or written.
pub fn move_backup(target: &dyn Target) -> Result<Backup, Error> {
    let Some(plan) = gpt_moved::plan(&OnTarget(target), target.size())? else {
        return Ok(Backup::InPlace);
    };
    let flush = || target.flush().map_err(|source| Error::Flush { source });
    // From the end: the first header may name only what is there.
    for piece in plan.pieces().iter().rev() {
        if let Content::Bytes(data) = &piece.content {
            let buffer = Buffer::holding(data, target.sector());
            let written = target.write(buffer.bytes(), piece.offset);
            written.map_err(|source| Error::Write { at: piece.offset.get(), source })?;
            flush()?;
        }
    }
    Ok(Backup::Moved)
}

/// A device as those see it who read at any offset.
struct OnTarget<'a>(&'a dyn Target);

impl Medium for OnTarget<'_> {
    fn read(&self, at: Bytes, buffer: &mut [u8]) -> Result<(), inspect::Error> {
        let sector = self.0.sector();
        let start = at.align_down(sector);
        let end = (at + Bytes::of(buffer)).align_up(sector).min(self.0.size());
        let mut aligned = Buffer::new(end - start);
        let read = self.0.read(aligned.bytes_mut(), start);
        read.map_err(|source| inspect::Error::Read { at: start.get(), source })?;
        buffer.fill(0);
        let skipped = (at - start).to_len().unwrap_or_default();
        for (to, from) in buffer.iter_mut().zip(aligned.bytes().iter().skip(skipped)) {
            *to = *from;
        }
        Ok(())
    }
}
