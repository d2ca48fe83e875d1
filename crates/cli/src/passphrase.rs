//! A passphrase, typed on the terminal and not shown.
//!
//! It is a line like any other: the kernel's line editor takes it, only without echo, so backspace and
//! Ctrl-U work as ever. A signal ends the waiting, and the terminal is then as it was before; whoever
//! asks catches signals. Where stdin is no terminal there is nobody to ask.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::interrupt::Interrupt;
use crate::terminal::harmless;
use crate::tty;

/// How often a signal is looked for.
const TICK: Duration = Duration::from_millis(100);

/// The most that cryptsetup reads of a passphrase that is typed.
const LONGEST: usize = 512;

/// How often two answers may differ.
const TRIES: usize = 3;

/// Asks for a line.
///
/// # Errors
/// That there is nobody to ask, no answer, or a signal.
pub(crate) fn ask(words: &str, interrupt: &Interrupt) -> io::Result<Zeroizing<Vec<u8>>> {
    let nobody = || io::Error::new(ErrorKind::NotFound, "stdin is no terminal to ask on");
    let quiet = Quiet::on(tty::find(None).ok_or_else(nobody)?)?;
    quiet.say(words)?;
    let line = quiet.line(interrupt)?;
    if line.len() > LONGEST {
        let message = "an answer of more than 512 bytes, which no prompt takes";
        return Err(io::Error::new(ErrorKind::InvalidInput, message));
    }
    Ok(line)
}

/// Asks for a new passphrase until it was typed twice alike.
///
/// # Errors
/// As [`ask`], and answers that are empty or differ again and again.
pub(crate) fn ask_twice(what: &str, interrupt: &Interrupt) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut words = format!("new passphrase for {what}: ");
    for _ in 0..TRIES {
        let first = ask(&words, interrupt)?;
        if first.is_empty() {
            words = format!("it must not be empty; new passphrase for {what}: ");
            continue;
        }
        let again = ask("the same again: ", interrupt)?;
        if *first == *again {
            return Ok(first);
        }
        words = format!("they differ; new passphrase for {what}: ");
    }
    Err(io::Error::new(ErrorKind::InvalidInput, "no two answers were alike"))
}

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Quiet {
    tty: OwnedFd,
    before: Termios,
}

impl Quiet {
    /// Shows nothing from now on, and forgets what was typed before anybody asked.
    fn on(tty: OwnedFd) -> io::Result<Self> {
        let before = tcgetattr(&tty)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        // The end of the line shows, so that what is said next begins a new one.
        quiet.local_modes.insert(LocalModes::ECHONL | LocalModes::ICANON);
        let quieted = Self { tty, before };
        tcsetattr(&quieted.tty, OptionalActions::Flush, &quiet)?;
        Ok(quieted)
    }

    fn say(&self, words: &str) -> io::Result<()> {
        let words = harmless(words);
        let mut rest = words.as_bytes();
        while !rest.is_empty() {
            match rustix::io::write(&self.tty, rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.wait(PollFlags::OUT);
                }
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    fn line(&self, interrupt: &Interrupt) -> io::Result<Zeroizing<Vec<u8>>> {
        // Never grown, so that no copy is left behind: the kernel's line has at most 4095 bytes.
        let mut line = Zeroizing::new(vec![0; 4096]);
        let mut length = 0;
        while !interrupt.came() {
            if !self.wait(PollFlags::IN) {
                continue;
            }
            let room = line.get_mut(length..).unwrap_or_default();
            match rustix::io::read(&self.tty, room) {
                // Ctrl-D, or the other end hung up.
                Ok(0) | Err(Errno::IO) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => length += count,
                Err(Errno::INTR | Errno::AGAIN) => continue,
                Err(errno) => return Err(errno.into()),
            }
            let end = line.iter().take(length).position(|byte| *byte == b'\n');
            if end.is_some() || length == line.len() {
                line.truncate(end.unwrap_or(length));
                return Ok(line);
            }
        }
        Err(ErrorKind::Interrupted.into())
    }

    /// Waits a moment; tells whether the terminal is ready.
    fn wait(&self, what: PollFlags) -> bool {
        let mut terminal = [PollFd::new(&self.tty, what)];
        let tick = Timespec::try_from(TICK).ok();
        // A signal ends it early; a terminal that hung up is ready, and says so when used.
        matches!(poll(&mut terminal, tick.as_ref()), Ok(ready) if ready > 0)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // What was typed and not read must not reach whoever reads next; of a failure nobody can be told.
        let _ = tcsetattr(&self.tty, OptionalActions::Flush, &self.before);
    }
}
