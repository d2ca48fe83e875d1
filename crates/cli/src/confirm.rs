//! The user's word that everything on a device may go.
//!
//! The device's name has to be typed, and not a letter: a name is looked up, a letter is a reflex. Where
//! nobody can be asked, the name has to be an argument.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

use crate::failure::{Failure, Kind};
use crate::interrupt::Interrupt;
use crate::terminal::{Terminal, harmless};
use crate::tty;

/// How often a signal is looked for.
const TICK: Duration = Duration::from_millis(100);

/// What the user is asked about.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    /// The device's name, which is what has to be typed.
    pub(crate) name: &'a str,
    /// Whose it is, to follow the name: ` of root@web`; nothing for this machine's.
    pub(crate) whose: &'a str,
    /// How the device was named as an argument.
    pub(crate) typed: &'a str,
    /// What is on it, and what comes.
    pub(crate) words: &'a str,
    /// The word that was given as an argument.
    pub(crate) given: Option<Given>,
    /// Who catches signals; none: they end the program.
    pub(crate) interrupt: Option<&'a Interrupt>,
}

/// The word as an argument.
#[derive(Debug)]
pub(crate) struct Given {
    /// What `--yes-wipe` names.
    pub(crate) named: String,
    /// Whether it is the device.
    pub(crate) is_it: bool,
}

/// Shows what will be lost, and asks, unless the name was given.
pub(crate) fn confirm(question: &Question<'_>, terminal: Terminal) -> Result<(), Failure> {
    let Question { name, whose, typed, words, .. } = question;
    if let Some(Given { named, is_it }) = &question.given {
        terminal.say(words.trim_end());
        if *is_it {
            return Ok(());
        }
        return Err(Failure::usage(format!("--yes-wipe names {named}, but {typed} is {name}"))
            .hint("name the same device twice"));
    }
    let Some(tty) = tty::find(None) else {
        terminal.say(words.trim_end());
        let message = format!("there is no terminal to ask whether {name} may be overwritten");
        return Err(
            Failure::new(Kind::Refused, message).hint(format!("if it may be: --yes-wipe {name}"))
        );
    };
    // Whoever is asked sees what about, however quiet the rest is.
    let asked =
        format!("{words}\nEverything on {name}{whose} will be lost. Type its name to go on: ");
    let answer = ask(tty, &asked, question.interrupt).map_err(|error| {
        let failure = Failure::new(Kind::Failed, error);
        match question.interrupt {
            Some(interrupt) => interrupt.or(failure),
            None => failure,
        }
    })?;
    if answer.trim_ascii() == name.as_bytes() {
        return Ok(());
    }
    let message = format!("nobody said that {name} may be overwritten: nothing was written");
    Err(Failure::new(Kind::GivenUp, message).hint(format!("what is to be typed is {name}")))
}

/// Shows a question and reads a line.
fn ask(tty: OwnedFd, question: &str, interrupt: Option<&Interrupt>) -> io::Result<Vec<u8>> {
    // It was opened so as not to wait for a modem; an answer is waited for.
    rustix::fs::fcntl_setfl(&tty, OFlags::RDWR)?;
    let mut tty = File::from(tty);
    tty.write_all(harmless(question).as_bytes())?;
    let mut answer = Vec::new();
    let mut chunk = [0; 256];
    let tick = Timespec::try_from(TICK).ok();
    while !answer.contains(&b'\n') {
        if interrupt.is_some_and(Interrupt::came) {
            return Err(ErrorKind::Interrupted.into());
        }
        // A signal ends the waiting early; a terminal that hung up is ready, and says so when read.
        if !matches!(poll(&mut [PollFd::new(&tty, PollFlags::IN)], tick.as_ref()), Ok(1..)) {
            continue;
        }
        match tty.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => answer.extend(chunk.iter().take(count)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(answer)
}
