//! The image's bytes go to the device, the first of them last.
//!
//! First the device's beginning and end are blanked, where partition tables and their backups lie and
//! old signatures (GPT, MD, ZFS) would outlive the copy. Then everything but the beginning is written; a
//! hole of the image becomes zeros, as the device still holds what it held. Only when all that is stored
//! does the beginning follow: whatever stops the work before leaves a device on which nothing is found.

use calve_image_core::units::Bytes;

use super::ahead::{self, Chunk};
use super::buffer::Buffer;
use super::{Act, Error, HEAD, Job, Target};

/// Writes the image and tells how long it is.
///
/// # Errors
/// What keeps the image from being read or the device from being written; but for errors that come
/// before the first write, the device is blank at its beginning then.
pub fn copy(job: &Job<'_>) -> Result<Bytes, Error> {
    let target = job.target;
    // A file that cannot be read is found out before the device is touched.
    let mut head = None;
    let size = ahead::each(job.image, target.sector(), job.cancel, |chunk| {
        let end = chunk.at + Bytes::of(chunk.data);
        if end > target.size() {
            return Err(Error::TooLarge { size: target.size().get() });
        }
        if chunk.at.is_zero() {
            job.watch.begin(Act::Write, job.image.least_size());
            blank(target)?;
            head = Some(split(target, chunk)?);
        } else {
            put(target, chunk)?;
        }
        job.watch.advance(Bytes::of(chunk.data));
        Ok(())
    })?;
    flush(target)?;
    if let Some(head) = head {
        write(target, head.bytes(), Bytes::ZERO)?;
        flush(target)?;
    }
    Ok(size)
}

/// Blanks the beginning and the end of a device.
///
/// # Errors
/// The device does not take it.
pub fn blank(target: &dyn Target) -> Result<(), Error> {
    let head = HEAD.min(target.size());
    let tail = target.size() - head;
    zero(target, tail, target.size() - tail)?;
    zero(target, Bytes::ZERO, head)?;
    flush(target)
}

/// Writes all of the first chunk but the head, which it returns.
fn split(target: &dyn Target, chunk: Chunk<'_>) -> Result<Buffer, Error> {
    let at = HEAD.to_len().unwrap_or_default().min(chunk.data.len());
    let (head, rest) = chunk.data.split_at(at);
    if !rest.is_empty() {
        put(target, Chunk { at: HEAD, data: rest, is_zero: chunk.is_zero })?;
    }
    Ok(Buffer::holding(head, target.sector()))
}

fn put(target: &dyn Target, chunk: Chunk<'_>) -> Result<(), Error> {
    if chunk.is_zero {
        zero(target, chunk.at, Bytes::of(chunk.data))
    } else {
        write(target, chunk.data, chunk.at)
    }
}

fn write(target: &dyn Target, data: &[u8], at: Bytes) -> Result<(), Error> {
    target.write(data, at).map_err(|source| Error::Write { at: at.get(), source })
}

fn zero(target: &dyn Target, at: Bytes, size: Bytes) -> Result<(), Error> {
    target.zero(at, size).map_err(|source| Error::Write { at: at.get(), source })
}

fn flush(target: &dyn Target) -> Result<(), Error> {
    target.flush().map_err(|source| Error::Flush { source })
}
