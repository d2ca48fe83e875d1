//! One command of a step: behind the lock on what runs, and the guard of its disk; and what came of it.

use std::io;

use super::error::Ended;
use super::{Error, Run, State, lock};
use crate::steps::{Command, Input, Step, guard};
use crate::target::{Answer, Call};

/// How many of its last lines are kept of a command that failed.
const LINES: usize = 16;

/// How long one of them may be.
const LONGEST: usize = 400;

impl Run<'_> {
    /// Runs a command as root, and says what happened if it is not well.
    pub(super) fn command(&mut self, step: &Step, command: &Command) -> Result<(), Error> {
        if self.desk.is_over() {
            return Err(self.interrupted(step));
        }
        let guarded = match &command.guards {
            None => command.words.clone(),
            Some(disk) => {
                let Some((device, identity)) = self.disks.get(disk) else {
                    let said = "nobody said which one it is".to_owned();
                    let state = self.state_without(step, command);
                    let (step, disk) = (step.name.clone(), disk.clone());
                    return Err(Error::Disk { step, disk, said, state });
                };
                guard::guarded(device, identity, &command.words)
            }
        };
        let words: Vec<&str> = lock::alone(&guarded);
        let text = if let Input::Text(text) = &command.input { text.as_bytes() } else { &[] };
        let call = Call { input: text, as_root: true, ..Call::new(&words) };
        let mut fed = Ok(());
        let answer = match &command.input {
            Input::Nothing | Input::Text(_) => self.target.call(&call),
            input @ (Input::Passphrase { .. }
            | Input::Both { .. }
            | Input::Secret(_)
            | Input::Files(_)) => self.target.stream(&call, &mut |sink| {
                fed = self.desk.input(input, sink);
                // It ends the input; what it was is told below.
                fed.as_ref().map_err(|error| io::Error::from(error.kind())).copied()
            }),
        };
        let answer = answer.map_err(|source| self.lost(step, source))?;
        match fed {
            // A command may have all that it needs before the end of what it is given.
            Err(source) if source.kind() != io::ErrorKind::BrokenPipe => Err(Error::Input {
                step: step.name.clone(),
                input: command.input.to_string(),
                source,
                state: self.state(),
            }),
            Ok(()) | Err(_) => self.judge(step, command, &answer),
        }
    }

    /// The state of the disks where a command was kept from running: nothing is lost if it is the first of all.
    fn state_without(&self, step: &Step, command: &Command) -> State {
        let is_first = step.commands().first().is_some_and(|first| std::ptr::eq(first, command));
        let mut others = self.steps.iter().filter(|other| other.name != step.name);
        let was_touched = others.any(|other| self.journal.is_begun(&other.name));
        if is_first && !was_touched && self.journal.is_first_try(&step.name) {
            return State::Untouched;
        }
        self.state()
    }

    fn judge(&self, step: &Step, command: &Command, answer: &Answer) -> Result<(), Error> {
        if answer.is_good() {
            return Ok(());
        }
        let tail = tail(answer);
        if answer.code == Some(lock::STILL_BUSY) {
            return Err(Error::Busy { minutes: lock::MINUTES });
        }
        if let (Some(disk), Some(guard::CHANGED)) = (&command.guards, answer.code) {
            let said = tail.last().cloned().unwrap_or_default();
            let state = self.state_without(step, command);
            return Err(Error::Disk { step: step.name.clone(), disk: disk.clone(), said, state });
        }
        let (step, state) = (step.name.clone(), self.state());
        Err(Error::Step { step, command: command.line(), ended: Ended::of(answer), tail, state })
    }
}

/// The last lines that a command said: what it complained about last, as that comes last.
fn tail(answer: &Answer) -> Vec<String> {
    let out = String::from_utf8_lossy(&answer.out);
    let mut lines: Vec<String> = out.lines().chain(answer.err.lines()).filter_map(line).collect();
    lines.drain(..lines.len().saturating_sub(LINES));
    lines
}

/// A line as it is shown: of progress only the last.
fn line(text: &str) -> Option<String> {
    let text = text.trim_end().rsplit(['\r', '\u{8}']).next().unwrap_or_default();
    let text: String = text.chars().take(LONGEST).collect();
    let text = text.trim_end();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_said_last_is_shown() {
        let mut answer =
            Answer { code: Some(1), out: b"one\n\ntwo\r50%\r100%\n".to_vec(), err: String::new() };
        answer.err = "\u{1b}[31mno space left\u{1b}[0m\n\n".to_owned();
        assert_eq!(tail(&answer), ["one", "100%", "\u{1b}[31mno space left\u{1b}[0m"]);
        answer.err = (0..100).map(|line| format!("{line}\n")).collect();
        assert_eq!(tail(&answer).len(), LINES);
        assert_eq!(tail(&answer).last().unwrap(), "99");
    }
}
