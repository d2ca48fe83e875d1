//! An installation that stopped: what the disks are, and how it goes on.

use calve_installer::run::{self, Error};
use calve_installer::target::Call;

use super::Session;
use crate::failure::{Failure, Kind};
use crate::interrupt::Interrupt;

/// The word that makes an installation go on.
const RESUME: &str = "--resume";

/// The command line, as a shell reads it. There are no secrets in it: sources are no keys.
pub(super) fn command() -> String {
    let words: Vec<String> = std::env::args().collect();
    line(&words)
}

/// The command that goes on.
fn again() -> String {
    with_resume(std::env::args().collect())
}

fn with_resume(mut words: Vec<String>) -> String {
    if !words.iter().any(|word| word == RESUME) {
        // What follows two dashes is no option.
        let at = words.iter().position(|word| word == "--").unwrap_or(words.len());
        words.insert(at, RESUME.to_owned());
    }
    line(&words)
}

fn line(words: &[String]) -> String {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Call::new(&words).line()
}

/// The failure to report for steps that stopped.
pub(super) fn stopped(error: Error, session: &Session<'_>) -> Failure {
    let state = error.state();
    let mut tail = String::new();
    if let Error::Step { tail: lines, .. } = &error {
        tail = lines.iter().map(|line| format!("  {line}\n")).collect();
    }
    let failure = Failure::from(error);
    let failure = if session.interrupt.came() { failure.of(Kind::Interrupted) } else { failure };
    let Some(state) = state else { return failure };
    let disks = if state == run::State::Untouched {
        "the disk is as it was".to_owned()
    } else {
        format!("the disk is {state}")
    };
    failure.note(tail).hint(disks).hint(format!("to go on: {}", again()))
}

/// The failure to report for what came after the steps.
pub(super) fn after(error: impl Into<Failure>) -> Failure {
    error.into().hint(format!("the system is installed; to look again: {}", again()))
}

/// The failure to report for what came before the steps.
pub(super) fn first(failure: Failure, interrupt: &Interrupt) -> Failure {
    if interrupt.came() { failure.of(Kind::Interrupted) } else { failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn the_same_command_goes_on() {
        let again = |text: &str| with_resume(words(text));
        assert_eq!(again("calve install web"), "calve install web --resume");
        assert_eq!(again("calve install web --resume"), "calve install web --resume");
        assert_eq!(again("calve install -- web x*"), "calve install --resume -- web 'x*'");
    }
}
