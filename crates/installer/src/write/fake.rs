//! A device in memory, full of what was there before, that notes what is done to it.

use std::io;
use std::sync::Mutex;

use calve_image_core::units::Bytes;

use super::{Act, Target, Watch};

/// What every byte holds before.
pub(super) const OLD: u8 = 0xD1;

/// A device in memory.
pub(super) struct Fake {
    pub(super) bytes: Mutex<Vec<u8>>,
    pub(super) sector: Bytes,
    /// `write 0+512`, `zero …`, `flush`.
    pub(super) done: Mutex<Vec<String>>,
    /// After how many writes it breaks.
    pub(super) breaks_after: Option<usize>,
    /// A byte that does not keep what is written to it.
    pub(super) bad: Option<usize>,
}

impl Fake {
    pub(super) fn new(size: usize) -> Self {
        Self {
            bytes: Mutex::new(vec![OLD; size]),
            sector: Bytes::new(512),
            done: Mutex::new(Vec::new()),
            breaks_after: None,
            bad: None,
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }

    pub(super) fn done(&self) -> Vec<String> {
        self.done.lock().unwrap().clone()
    }

    fn act(&self, what: &str, at: Bytes, size: Bytes) -> io::Result<()> {
        assert!(at.is_multiple_of(self.sector) && size.is_multiple_of(self.sector), "{at} {size}");
        let mut done = self.done.lock().unwrap();
        if self.breaks_after == Some(done.len()) {
            return Err(io::Error::other("broken"));
        }
        done.push(format!("{what} {}+{}", at.get(), size.get()));
        Ok(())
    }

    fn put(&self, at: Bytes, data: &[u8]) {
        let mut bytes = self.bytes.lock().unwrap();
        let start = usize::try_from(at.get()).unwrap();
        let kept = self.bad.map(|bad| (bad, bytes[bad]));
        bytes[start..start + data.len()].copy_from_slice(data);
        if let Some((bad, byte)) = kept {
            bytes[bad] = byte;
        }
    }
}

impl Target for Fake {
    fn size(&self) -> Bytes {
        Bytes::of(&self.bytes())
    }

    fn sector(&self) -> Bytes {
        self.sector
    }

    fn write(&self, data: &[u8], at: Bytes) -> io::Result<()> {
        assert_eq!(data.as_ptr().align_offset(512), 0, "direct access wants aligned memory");
        self.act("write", at, Bytes::of(data))?;
        self.put(at, data);
        Ok(())
    }

    fn zero(&self, at: Bytes, size: Bytes) -> io::Result<()> {
        self.act("zero", at, size)?;
        self.put(at, &vec![0; usize::try_from(size.get()).unwrap()]);
        Ok(())
    }

    fn read(&self, buffer: &mut [u8], at: Bytes) -> io::Result<()> {
        assert!(at.is_multiple_of(self.sector) && Bytes::of(buffer).is_multiple_of(self.sector));
        let start = usize::try_from(at.get()).unwrap();
        buffer.copy_from_slice(&self.bytes.lock().unwrap()[start..start + buffer.len()]);
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        self.act("flush", Bytes::ZERO, Bytes::ZERO)
    }
}

/// Notes what it is told.
#[derive(Default)]
pub(super) struct Notes(pub(super) Mutex<Vec<(Act, Bytes, Bytes)>>);

impl Watch for Notes {
    fn begin(&self, act: Act, total: Bytes) {
        self.0.lock().unwrap().push((act, total, Bytes::ZERO));
    }

    fn advance(&self, done: Bytes) {
        self.0.lock().unwrap().last_mut().unwrap().2 += done;
    }
}
