//! The kernel's lz4 form (`lz4 -l`): a magic number, then blocks, each with its compressed size.
//!
//! It has no end mark and no checksums. A size of zero, or one that no block can have, is where the next
//! segment begins: the magic numbers of cpio, xz and zstd all read as impossible sizes. Follows the
//! LZ4 frame format, "Legacy frame", and the kernel's `lib/decompress_unlz4.c`.

use std::io;
use std::io::{BufRead, Read};

use super::input::Input;

/// 0x184C2102, little-endian.
pub const MAGIC: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];

/// What a block unpacks to, at most.
const BLOCK: usize = 8 << 20;

/// What a block of incompressible data takes, as lz4 itself bounds it.
const COMPRESSED_MAX: usize = BLOCK + BLOCK / 255 + 16;

/// Unpacks one segment and leaves the input at its end.
#[derive(Debug)]
pub struct Decoder<'a, R> {
    input: &'a mut Input<R>,
    block: Vec<u8>,
    /// How much of the block was given out.
    given: usize,
}

impl<'a, R: Read> Decoder<'a, R> {
    /// Starts at the magic number.
    pub fn new(input: &'a mut Input<R>) -> Self {
        Self { input, block: Vec::new(), given: 0 }
    }

    /// The next four bytes; `None` where fewer are left.
    fn look_ahead(&mut self) -> io::Result<Option<[u8; 4]>> {
        Ok(self.input.peek(4)?.try_into().ok())
    }

    /// Unpacks the next block; `false` at the end.
    fn next_block(&mut self) -> io::Result<bool> {
        let mut header = self.look_ahead()?;
        while header == Some(MAGIC) {
            // A second stream directly behind the first continues it.
            self.input.consume(MAGIC.len());
            header = self.look_ahead()?;
        }
        let Some(header) = header else { return Ok(false) };
        let size = usize::try_from(u32::from_le_bytes(header)).unwrap_or(usize::MAX);
        if size == 0 || size > COMPRESSED_MAX {
            return Ok(false);
        }
        self.input.consume(header.len());
        let mut compressed = vec![0; size];
        self.input.read_exact(&mut compressed)?;
        self.block.resize(BLOCK, 0);
        let unpacked = lz4_flex::block::decompress_into(&compressed, &mut self.block)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.block.truncate(unpacked);
        self.given = 0;
        Ok(true)
    }
}

impl<R: Read> Read for Decoder<'_, R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        while self.given == self.block.len() {
            if !self.next_block()? {
                return Ok(0);
            }
        }
        let left = &self.block[self.given..];
        let count = left.len().min(target.len());
        target[..count].copy_from_slice(&left[..count]);
        self.given += count;
        Ok(count)
    }
}
