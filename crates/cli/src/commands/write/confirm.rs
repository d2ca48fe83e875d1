//! The user's word that everything on a device may go.
//!
//! The device's name has to be typed, and not a letter: a name is looked up, a letter is a reflex. Where
//! nobody can be asked, the name has to be an argument.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use super::survey::Subject;
use crate::failure::{Failure, Kind};

/// Asks, unless the name was given.
pub(super) fn confirm(subject: &Subject, yes_wipe: Option<&Path>) -> Result<(), Failure> {
    let name = &subject.device.name;
    if let Some(named) = yes_wipe {
        if subject.is(named) {
            return Ok(());
        }
        let (named, path) = (named.display(), subject.path.display());
        return Err(Failure::usage(format!("--yes-wipe names {named}, but {path} is {name}"))
            .hint("name the same device twice"));
    }
    // Who is in the background would be stopped for good.
    let stdin = rustix::stdio::stdin();
    let is_background = rustix::termios::tcgetpgrp(stdin)
        .is_ok_and(|foreground| foreground != rustix::process::getpgrp());
    if !io::stdin().is_terminal() || is_background {
        let message = format!("there is no terminal to ask whether {name} may be overwritten");
        return Err(
            Failure::new(Kind::Refused, message).hint(format!("if it may be: --yes-wipe {name}"))
        );
    }
    let answer = ask(&format!("Everything on {name} will be lost. Type its name to go on: "))
        .map_err(|error| Failure::new(Kind::Failed, error))?;
    if answer.trim() == name {
        return Ok(());
    }
    let message = format!("nobody said that {name} may be overwritten: nothing was written");
    Err(Failure::new(Kind::GivenUp, message).hint(format!("what is to be typed is {name}")))
}

/// Shows a question, whatever is quiet, and reads a line.
fn ask(question: &str) -> io::Result<String> {
    let mut stderr = io::stderr().lock();
    stderr.write_all(question.as_bytes())?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer)
}
