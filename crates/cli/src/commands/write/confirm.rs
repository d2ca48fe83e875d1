//! The user's word that everything on a device may go.
//!
//! The device's name has to be typed, and not a letter: a name is looked up, a letter is a reflex. Where
//! nobody can be asked, the name has to be an argument.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::OFlags;

use super::survey::Subject;
use crate::failure::{Failure, Kind};
use crate::terminal::Terminal;
use crate::tty;

/// Shows what will be lost, and asks, unless the name was given.
pub(super) fn confirm(
    subject: &Subject,
    yes_wipe: Option<&Path>,
    words: &str,
    terminal: Terminal,
) -> Result<(), Failure> {
    let name = &subject.device.name;
    if let Some(named) = yes_wipe {
        terminal.say(words.trim_end());
        if subject.is(named) {
            return Ok(());
        }
        let (named, path) = (named.display(), subject.path.display());
        return Err(Failure::usage(format!("--yes-wipe names {named}, but {path} is {name}"))
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
    let question = format!("{words}\nEverything on {name} will be lost. Type its name to go on: ");
    let answer = ask(tty, &question).map_err(|error| Failure::new(Kind::Failed, error))?;
    if answer.trim() == name {
        return Ok(());
    }
    let message = format!("nobody said that {name} may be overwritten: nothing was written");
    Err(Failure::new(Kind::GivenUp, message).hint(format!("what is to be typed is {name}")))
}

/// Shows a question and reads a line.
fn ask(tty: OwnedFd, question: &str) -> io::Result<String> {
    // It was opened so as not to wait for a modem; an answer is waited for.
    rustix::fs::fcntl_setfl(&tty, OFlags::RDWR)?;
    let mut tty = File::from(tty);
    tty.write_all(question.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(tty).read_line(&mut answer)?;
    Ok(answer)
}
