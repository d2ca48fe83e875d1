//! A cable to a machine: TCP from a port of 127.0.0.1 to another one. It counts what goes to the machine,
//! and can be cut in the middle of that.
//!
//! Both ends learn of a cut at once, as when the other side resets the connection. A connection that
//! is made afterwards goes through.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A cable; what goes through it ends with the process.
#[derive(Debug)]
pub struct Cable {
    port: u16,
    wire: Arc<Wire>,
}

#[derive(Debug)]
struct Wire {
    /// The bytes that went to the machine.
    sent: AtomicU64,
    /// How many more may go before it is cut.
    left: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

impl Cable {
    /// Lays a cable to a port.
    pub fn to(machine: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let wire = Arc::new(Wire {
            sent: AtomicU64::new(0),
            left: AtomicU64::new(u64::MAX),
            open: Mutex::default(),
        });
        let accepting = Arc::clone(&wire);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                // A machine that is off refuses, and so does the cable by closing.
                if let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, machine)) {
                    let _ = connect(&accepting, near, far);
                }
            }
        });
        Ok(Self { port, wire })
    }

    /// The near end.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many bytes went to the machine.
    pub fn sent(&self) -> u64 {
        self.wire.sent.load(Ordering::SeqCst)
    }

    /// Cuts all connections once, when this many more bytes have gone to the machine.
    pub fn cut_after(&self, bytes: u64) {
        self.wire.left.store(bytes, Ordering::SeqCst);
    }

    /// Whether a cut is still to come.
    pub fn is_whole(&self) -> bool {
        self.wire.left.load(Ordering::SeqCst) != u64::MAX
    }
}

fn connect(wire: &Arc<Wire>, near: TcpStream, far: TcpStream) -> io::Result<()> {
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (mut from, mut to) = (near.try_clone()?, far.try_clone()?);
    let mut open = wire.open.lock().unwrap_or_else(PoisonError::into_inner);
    open.extend([near.try_clone()?, far.try_clone()?]);
    drop(open);
    let counting = Arc::clone(wire);
    thread::spawn(move || pass(&mut from, &mut to, |bytes| counting.count(bytes)));
    let (mut from, mut to) = (far, near);
    thread::spawn(move || pass(&mut from, &mut to, |_| ()));
    Ok(())
}

/// Passes on what comes until one side ends, and tells the other side so.
fn pass(from: &mut TcpStream, to: &mut TcpStream, count: impl Fn(u64)) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(size @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..size]).is_err() {
            break;
        }
        count(u64::try_from(size).unwrap_or(u64::MAX));
    }
    // The other direction may have ended both.
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}

impl Wire {
    fn count(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::SeqCst);
        let left = self.left.load(Ordering::SeqCst);
        if left == u64::MAX {
            return;
        }
        if left > bytes {
            self.left.store(left - bytes, Ordering::SeqCst);
            return;
        }
        self.left.store(u64::MAX, Ordering::SeqCst);
        for stream in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // One that has ended needs no cutting.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_cable_is_whole_again_afterwards() -> io::Result<()> {
        let machine = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let cable = Cable::to(machine.local_addr()?.port())?;
        cable.cut_after(5);
        let mut near = TcpStream::connect((Ipv4Addr::LOCALHOST, cable.port()))?;
        let (mut far, _) = machine.accept()?;
        near.write_all(b"1234")?;
        let mut four = [0; 4];
        far.read_exact(&mut four)?;
        assert!(cable.is_whole());
        near.write_all(b"56")?;
        let mut rest = Vec::new();
        // Closed or reset: it ends.
        let _ = far.read_to_end(&mut rest);
        let _ = near.read_to_end(&mut rest);
        assert!(!cable.is_whole());

        let mut near = TcpStream::connect((Ipv4Addr::LOCALHOST, cable.port()))?;
        let (mut far, _) = machine.accept()?;
        far.write_all(b"back")?;
        near.read_exact(&mut four)?;
        assert_eq!((&four, cable.sent()), (b"back", 6));
        Ok(())
    }
}
