//! Memory at addresses that direct access to a device takes.
//!
//! The kernel wants buffers that begin at a multiple of the device's sector, or of less. Pages satisfy
//! every device; a vector begins anywhere, so a little more is allocated and its beginning left out.

use calve_image_core::units::Bytes;

/// Where buffers begin: a page, and the largest sector.
const ALIGNMENT: usize = 4096;

/// Some zeros, and later something else, at an aligned address.
#[derive(Debug)]
pub struct Buffer {
    memory: Vec<u8>,
    start: usize,
    size: usize,
}

impl Buffer {
    /// Makes a buffer of a size.
    pub fn new(size: Bytes) -> Self {
        let size = size.to_len().unwrap_or_default();
        let memory = vec![0; size + ALIGNMENT];
        let start = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Self { memory, start, size }
    }

    /// Makes a buffer that holds some bytes, and zeros up to a multiple of a sector.
    pub fn holding(data: &[u8], sector: Bytes) -> Self {
        let mut buffer = Self::new(Bytes::of(data).align_up(sector));
        for (to, from) in buffer.bytes_mut().iter_mut().zip(data) {
            *to = *from;
        }
        buffer
    }

    /// Returns the bytes.
    pub fn bytes(&self) -> &[u8] {
        self.memory.get(self.start..self.start + self.size).unwrap_or_default()
    }

    /// Returns the bytes, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.memory.get_mut(self.start..self.start + self.size).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_begin_at_pages() {
        for size in [0, 1, 4096, 5000] {
            let buffer = Buffer::new(Bytes::new(size));
            assert_eq!(buffer.bytes().as_ptr().align_offset(ALIGNMENT), 0);
            assert_eq!(Bytes::of(buffer.bytes()).get(), size);
        }
        let buffer = Buffer::holding(b"abc", Bytes::new(512));
        assert_eq!((buffer.bytes().len(), &buffer.bytes()[..4]), (512, &b"abc\0"[..]));
    }
}
