//! Reads the image while the device is busy: two buffers ahead, in a thread of its own.

use std::sync::mpsc;
use std::thread;

use calve_image_core::region::Cancel;
use calve_image_core::units::Bytes;

use super::Error;
use super::Image;
use super::buffer::Buffer;
use super::image::{self, Filled};

/// How much is read and written at once: large enough for any stick, small enough to stop soon.
pub(super) const CHUNK: Bytes = Bytes::new(4 << 20);

/// How many chunks are read ahead.
const AHEAD: usize = 2;

/// Some of the image's bytes, in order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk<'a> {
    /// Where they belong.
    pub(super) at: Bytes,
    /// The bytes, with zeros after the last ones, up to a sector.
    pub(super) data: &'a [u8],
    /// Whether they are zeros, all of them.
    pub(super) is_zero: bool,
}

type Read = Result<(Buffer, Filled), image::Error>;

/// Calls `act` with every chunk of an image, and tells how long the image is.
pub(super) fn each(
    image: &Image,
    sector: Bytes,
    cancel: &Cancel,
    mut act: impl FnMut(Chunk<'_>) -> Result<(), Error>,
) -> Result<Bytes, Error> {
    let mut reader = image.reader()?;
    thread::scope(|scope| {
        let (full, chunks) = mpsc::sync_channel::<Read>(AHEAD);
        let (empty, spares) = mpsc::channel::<Buffer>();
        for _ in 0..=AHEAD {
            // Its other end is right here.
            let _ = empty.send(Buffer::new(CHUNK));
        }
        scope.spawn(move || {
            // Either end is gone when nobody wants more.
            while let Ok(mut buffer) = spares.recv() {
                let read = reader.fill(buffer.bytes_mut()).map(|filled| (buffer, filled));
                let is_last = !matches!(&read, Ok((_, filled)) if !filled.size.is_zero());
                if full.send(read).is_err() || is_last {
                    return;
                }
            }
        });
        let mut at = Bytes::ZERO;
        while let Ok(read) = chunks.recv() {
            if cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let (buffer, filled) = read?;
            if filled.size.is_zero() {
                break;
            }
            let padded = filled.size.align_up(sector).to_len().unwrap_or_default();
            let data = buffer.bytes().get(..padded).unwrap_or_default();
            act(Chunk { at, data, is_zero: filled.is_zero })?;
            at += filled.size;
            // The reader may be through already.
            let _ = empty.send(buffer);
        }
        Ok(at)
    })
}
