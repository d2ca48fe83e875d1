//! The device is read back and held against the image.
//!
//! The image is read a second time, too: what is compared is what the user named, and not what
//! happened to be in memory. Where a byte differs, the device's beginning is blanked, so that nobody
//! starts from a broken stick.

use calve_image_core::units::Bytes;

use super::ahead::{self, CHUNK, Chunk};
use super::buffer::Buffer;
use super::{Act, Error, Job, Target, copy};

/// Compares the device with the image.
///
/// # Errors
/// [`Error::Differs`] with the first byte that is wrong, or why one of the two cannot be read.
pub fn compare(job: &Job<'_>, size: Bytes) -> Result<(), Error> {
    job.watch.begin(Act::Compare, size);
    let mut back = Buffer::new(CHUNK);
    let compared = ahead::each(job.image, job.target.sector(), job.cancel, |chunk| {
        check(job.target, chunk, &mut back)?;
        job.watch.advance(Bytes::of(chunk.data));
        Ok(())
    });
    if let Err(Error::Differs { .. }) = compared {
        // That the device is bad is known already.
        let _ = copy::blank(job.target);
    }
    compared.map(drop)
}

fn check(target: &dyn Target, chunk: Chunk<'_>, back: &mut Buffer) -> Result<(), Error> {
    let found = back.bytes_mut().get_mut(..chunk.data.len()).unwrap_or_default();
    let at = chunk.at;
    target.read(found, at).map_err(|source| Error::Read { at: at.get(), source })?;
    if found == chunk.data {
        return Ok(());
    }
    let mut pairs = (0u64..).zip(chunk.data.iter().zip(found.iter()));
    match pairs.find(|(_, (expected, found))| expected != found) {
        Some((offset, (expected, found))) => {
            Err(Error::Differs { at: at.get() + offset, expected: *expected, found: *found })
        }
        None => Ok(()),
    }
}
