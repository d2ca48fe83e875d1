//! A console that shows nothing of what is typed: where secrets are asked for.
//!
//! The terminal is as it was when this is over, however it ends. Bytes are
//! read as they come and not by lines: the kernel's line editor stops at 4096 bytes, and it would turn
//! Ctrl-C into a signal, which reaches nobody where the console is nobody's controlling terminal, as
//! during activation. So Ctrl-C and Ctrl-D are read like everything else; signals that come from elsewhere raise
//! a flag. What the bytes are is for whoever asks: `ask_secret` takes a line, `first_boot::paste` a block.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

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
pub(crate) const QUIET: Duration = Duration::from_millis(500);

/// How long a console may refuse to take words, as after Ctrl-S.
const STUCK: Duration = Duration::from_secs(10);

/// Clears the screen, and what has scrolled off it stays.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// A console that shows nothing of what is typed, until this is dropped.
pub(crate) struct Console {
    tty: OwnedFd,
    before: Termios,
    stop: Arc<AtomicBool>,
    clear: &'static str,
}

/// What came of waiting for somebody to type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// So many bytes.
    Bytes(usize),
    /// Nothing, for a moment.
    Nothing,
    /// The console went away.
    Gone,
    /// A signal came.
    Signal,
}

/// What the terminal's settings say that a byte means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Itself.
    Plain,
    /// Stop: Ctrl-C.
    Interrupt,
    /// The end: Ctrl-D.
    End,
    /// Take the last character back.
    Erase,
    /// Take the line back: Ctrl-U.
    Kill,
}

impl Console {
    /// Shows nothing of what is typed from now on; forgets what was typed before.
    pub(crate) fn hush(tty: OwnedFd) -> io::Result<Self> {
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
    pub(crate) fn say(&self, words: &str) {
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
    pub(crate) fn clear(&self) {
        self.say(self.clear);
    }

    /// Reads what is typed, or waits a moment for it.
    pub(crate) fn read(&self, chunk: &mut [u8]) -> io::Result<Heard> {
        if self.stop.load(Ordering::Relaxed) {
            return Ok(Heard::Signal);
        }
        if !self.wait(PollFlags::IN) {
            return Ok(Heard::Nothing);
        }
        match rustix::io::read(&self.tty, chunk) {
            // The other end hung up.
            Ok(0) | Err(Errno::IO) => Ok(Heard::Gone),
            Ok(count) => Ok(Heard::Bytes(count)),
            Err(Errno::INTR | Errno::AGAIN) => Ok(Heard::Nothing),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Tells what a byte means on this terminal.
    pub(crate) fn meaning(&self, byte: u8) -> Meaning {
        let is = |code| byte != 0 && self.before.special_codes[code] == byte;
        if is(SpecialCodeIndex::VINTR) || is(SpecialCodeIndex::VQUIT) {
            Meaning::Interrupt
        } else if is(SpecialCodeIndex::VEOF) {
            Meaning::End
        } else if is(SpecialCodeIndex::VERASE) {
            Meaning::Erase
        } else if is(SpecialCodeIndex::VKILL) {
            Meaning::Kill
        } else {
            Meaning::Plain
        }
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
