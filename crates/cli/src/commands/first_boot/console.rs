//! A console on which somebody pastes a secret.
//!
//! Nothing typed is shown, and the terminal is as it was when this is over, however it ends. Bytes are
//! read as they come and not by lines: the kernel's line editor stops at 4096 bytes, and it would turn
//! Ctrl-C into a signal, which reaches nobody where the console is nobody's controlling terminal, as
//! during activation. So Ctrl-C and Ctrl-D are read like everything else; signals that come from elsewhere raise
//! a flag. A slow serial line needs no more than that somebody reads: a paste is over when its end has
//! come and the line is quiet.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use calve_installer::host_key::{LARGEST, block};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use zeroize::Zeroizing;

/// How often a signal is looked for.
const TICK: Duration = Duration::from_millis(100);

/// How long a line is quiet when a paste is over.
const QUIET: Duration = Duration::from_millis(500);

/// How long a console may refuse to take words, as after Ctrl-S.
const STUCK: Duration = Duration::from_secs(10);

/// Clears the screen, and what has scrolled off it stays.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// A console that shows nothing of what is typed, until this is dropped.
pub(super) struct Console {
    tty: OwnedFd,
    before: Termios,
    stop: Arc<AtomicBool>,
    clear: &'static str,
}

/// How an attempt to read a secret ended.
pub(super) enum Paste {
    /// With something typed.
    Text(Zeroizing<Vec<u8>>),
    /// With more than any secret has.
    TooLong,
    /// With Ctrl-D, or because the console went away.
    GivenUp,
    /// Nobody typed anything for long enough.
    Late,
    /// With Ctrl-C or a signal.
    Interrupted,
}

impl Console {
    /// Shows nothing of what is typed from now on; forgets what was typed before.
    pub(super) fn hush(tty: OwnedFd) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        // Caught before there is anything to restore.
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
            signal_hook::flag::register(signal, Arc::clone(&stop))?;
        }
        let before = tcgetattr(&tty)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(
            LocalModes::ECHO
                | LocalModes::ECHONL
                | LocalModes::ICANON
                | LocalModes::ISIG
                | LocalModes::IEXTEN,
        );
        quiet.input_modes.remove(InputModes::ICRNL | InputModes::INLCR | InputModes::IGNCR);
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        let term = std::env::var_os("TERM").unwrap_or_default();
        let clear = if term.is_empty() || term == "dumb" { "" } else { CLEAR };
        let console = Self { tty, before, stop, clear };
        tcsetattr(&console.tty, OptionalActions::Flush, &quiet)?;
        Ok(console)
    }

    /// Shows words; a console that takes none for long is left alone.
    pub(super) fn say(&self, words: &str) {
        let started = Instant::now();
        let mut rest = words.as_bytes();
        while !rest.is_empty() && started.elapsed() < STUCK && !self.stop.load(Ordering::Relaxed) {
            if !self.wait(PollFlags::OUT) {
                continue;
            }
            match rustix::io::write(&self.tty, rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(Errno::INTR | Errno::AGAIN) => {}
                // A console that went away is noticed by whoever reads it.
                Err(_) => return,
            }
        }
    }

    /// Clears the screen, where it is one.
    pub(super) fn clear(&self) {
        self.say(self.clear);
    }

    /// Reads until the end of a block, an empty line, or Ctrl-D; `patience` is how long nothing may come.
    pub(super) fn paste(&self, patience: Option<Duration>) -> io::Result<Paste> {
        let mut text = Zeroizing::new(Vec::with_capacity(LARGEST));
        let mut chunk = Zeroizing::new([0; 1024]);
        let mut is_too_long = false;
        let mut last = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            if !self.wait(PollFlags::IN) {
                let quiet = last.elapsed();
                if quiet >= QUIET && is_too_long {
                    return Ok(Paste::TooLong);
                }
                if quiet >= QUIET && is_over(&text) {
                    return Ok(Paste::Text(text));
                }
                if patience.is_some_and(|patience| quiet >= patience) {
                    return Ok(Paste::Late);
                }
                continue;
            }
            let count = match rustix::io::read(&self.tty, chunk.as_mut_slice()) {
                // The other end hung up.
                Ok(0) | Err(Errno::IO) => return Ok(Paste::GivenUp),
                Ok(count) => count,
                Err(Errno::INTR | Errno::AGAIN) => continue,
                Err(errno) => return Err(errno.into()),
            };
            last = Instant::now();
            for byte in chunk.iter().take(count).copied() {
                if self.is(SpecialCodeIndex::VINTR, byte) || self.is(SpecialCodeIndex::VQUIT, byte)
                {
                    return Ok(Paste::Interrupted);
                }
                if self.is(SpecialCodeIndex::VEOF, byte) {
                    let is_empty = text.iter().all(u8::is_ascii_whitespace);
                    return Ok(if is_empty { Paste::GivenUp } else { Paste::Text(text) });
                }
                if text.len() == LARGEST {
                    is_too_long = true;
                    text.clear();
                }
                text.push(byte);
            }
        }
        Ok(Paste::Interrupted)
    }

    /// Tells whether a byte is one that the terminal gives a meaning.
    fn is(&self, code: SpecialCodeIndex, byte: u8) -> bool {
        // Zero: the meaning is given to none.
        byte != 0 && self.before.special_codes[code] == byte
    }

    /// Lets the rest of a paste pass: it must neither show nor be read by whoever is next.
    fn drain(&self) {
        let mut chunk = Zeroizing::new([0; 1024]);
        let started = Instant::now();
        let mut last = started;
        while last.elapsed() < QUIET && started.elapsed() < STUCK {
            if !self.wait(PollFlags::IN) {
                continue;
            }
            match rustix::io::read(&self.tty, chunk.as_mut_slice()) {
                Ok(count) if count > 0 => last = Instant::now(),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Waits a moment for the console; tells whether it is ready.
    fn wait(&self, what: PollFlags) -> bool {
        let mut console = [PollFd::new(&self.tty, what)];
        let tick = Timespec::try_from(TICK).ok();
        // A signal ends it early; a console that hung up is ready, and says so when used.
        matches!(poll(&mut console, tick.as_ref()), Ok(ready) if ready > 0)
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.drain();
        // There is nobody left to tell of a failure.
        let _ = tcsetattr(self.tty.as_fd(), OptionalActions::Flush, &self.before);
    }
}

/// Tells whether a block, or what there is instead of one, has ended.
fn is_over(text: &[u8]) -> bool {
    let before_end = |line: &[u8]| -> Option<usize> {
        [b"\r\n".as_slice(), b"\n", b"\r"]
            .into_iter()
            .find_map(|end| line.strip_suffix(end))
            .map(<[u8]>::len)
    };
    let last = before_end(text).and_then(|end| text.get(..end));
    let is_empty_line = last.is_some_and(|last| last.is_empty() || before_end(last).is_some());
    is_empty_line || block::is_over(text)
}

#[cfg(test)]
mod tests {
    use super::is_over;

    #[test]
    fn an_empty_line_or_an_end_is_the_end() {
        for over in ["\n", "\r", "\r\n", "x\n\n", "x\r\r", "x\r\n\r\n", "-----END X-----"] {
            assert!(is_over(over.as_bytes()), "{over:?}");
        }
        for on in ["", "x", "x\n", "x\r\n", "\n\nx", "-----BEGIN X-----\n", "-----END X"] {
            assert!(!is_over(on.as_bytes()), "{on:?}");
        }
    }
}
