//! The initrd's bytes in order, with the offset and a look at the next few.
//!
//! Decoders must take exactly their own bytes and leave the next segment's, so they are given a
//! [`BufRead`]; the standard one cannot promise six bytes of look-ahead at the end of its buffer.

use std::io::{self, BufRead, Read};

/// Bytes read from the file at once.
const BUFFER: usize = 64 << 10;

/// A reader that knows where it is.
#[derive(Debug)]
pub struct Input<R> {
    inner: R,
    buffer: Vec<u8>,
    /// Where the unread bytes begin in the buffer.
    start: usize,
    offset: u64,
}

impl<R: Read> Input<R> {
    /// Starts at offset 0.
    pub fn new(inner: R) -> Self {
        Self { inner, buffer: Vec::with_capacity(BUFFER), start: 0, offset: 0 }
    }

    /// Bytes consumed so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Looks at the next `count` bytes (at most a few); fewer come only at the end.
    pub fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.buffer.len() - self.start < count {
            self.buffer.drain(..self.start);
            self.start = 0;
            let held = self.buffer.len();
            self.buffer.resize(BUFFER.max(count), 0);
            let read = read_some(&mut self.inner, &mut self.buffer[held..]);
            self.buffer.truncate(held + *read.as_ref().unwrap_or(&0));
            if read? == 0 {
                break;
            }
        }
        let end = self.buffer.len().min(self.start + count);
        Ok(&self.buffer[self.start..end])
    }

    /// Passes over NULs; says whether anything is left.
    pub fn skip_nuls(&mut self) -> io::Result<bool> {
        loop {
            let held = self.fill_buf()?;
            if held.is_empty() {
                return Ok(false);
            }
            match held.iter().position(|byte| *byte != 0) {
                Some(nuls) => {
                    self.consume(nuls);
                    return Ok(true);
                }
                None => {
                    let nuls = held.len();
                    self.consume(nuls);
                }
            }
        }
    }
}

fn read_some(inner: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match inner.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

impl<R: Read> BufRead for Input<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.peek(1)?;
        Ok(&self.buffer[self.start..])
    }

    fn consume(&mut self, amount: usize) {
        self.start += amount;
        // A usize fits into a u64 on every platform Rust supports.
        self.offset += u64::try_from(amount).unwrap_or(u64::MAX);
    }
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let held = self.fill_buf()?;
        let count = held.len().min(target.len());
        target[..count].copy_from_slice(&held[..count]);
        self.consume(count);
        Ok(count)
    }
}
