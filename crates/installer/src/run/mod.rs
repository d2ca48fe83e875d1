//! An installation, done: its steps over a target, with a journal.
//!
//! - `lock`: that nobody else works on the target, and nothing runs there that a killed operator left
//! - `command`: one command of a step, and what came of it
//! - [`state`]: what state the disks are in, in plain words
//! - `error`: why it stopped
//! - `fake`: a machine in a temporary directory, for tests
//!
//! What the journal has as done is not done again, unless it is of those steps that do not outlive a restart of the
//! machine and ask first whether they are needed. What was begun and not done is done again as a whole. So it
//! may be killed at any time, and goes on from there. A step is noted as done when its effects are on the
//! disk: the machine is told to `sync` first. Nothing here prints or asks: a [`Desk`] has the secrets and hears the news.

mod command;
mod error;
#[cfg(test)]
pub(crate) mod fake;
mod lock;
pub mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};

pub use error::{Ended, Error};
pub use lock::{BUSY, holder, journal_of};
pub use state::State;

use lock::Lock;

use crate::journal::Journal;
use crate::steps::{Action, Input, Phase, Step};
use crate::survey::Identity;
use crate::target::{self, Call, Target};

/// Who has what commands read, and is told what happens.
pub trait Desk {
    /// Writes what a command reads; texts never come here.
    ///
    /// # Errors
    /// It cannot be had. That the command reads no more (a broken pipe) is to be handed on.
    fn input(&mut self, input: &Input, sink: &mut (dyn Write + Send)) -> io::Result<()>;

    /// Brings the closure below [`ROOT`](crate::steps::ROOT).
    ///
    /// # Errors
    /// Why it is not there.
    fn copy(&mut self, target: &dyn Target)
    -> Result<(), Box<dyn std::error::Error + Send + Sync>>;

    /// Hears what happened.
    fn tell(&mut self, news: News<'_>);

    /// Tells whether somebody said stop. The flag that the target has ends what runs.
    fn is_over(&self) -> bool;
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum News<'a> {
    /// A step begins.
    Begins(&'a Step),
    /// A step was done earlier.
    Skips(&'a Step),
    /// A step is done.
    Ends {
        /// Which.
        step: &'a Step,
        /// How long it took.
        after: Duration,
    },
    /// Something still runs on the target that somebody left there; its end comes first.
    Waits,
}

/// What is to be done.
pub struct Run<'a> {
    /// On which machine.
    pub target: &'a dyn Target,
    /// All steps, in order; also those of other phases, from which the disks' state is told.
    pub steps: &'a [Step],
    /// The phases whose steps are done.
    pub phases: &'a [Phase],
    /// The disks by their names: where the machine has them, and what they must be.
    pub disks: &'a BTreeMap<String, (String, Identity)>,
    /// Where it is noted.
    pub journal: &'a mut Journal,
    /// Who has the secrets.
    pub desk: &'a mut dyn Desk,
}

impl std::fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Run");
        shown.field("target", &self.target.name()).field("phases", &self.phases);
        shown.field("journal", &self.journal.path()).finish_non_exhaustive()
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// How many steps.
    pub done: usize,
    /// How many were done before.
    pub skipped: usize,
    /// How long it took.
    pub after: Duration,
}

impl Run<'_> {
    /// Does it.
    ///
    /// # Errors
    /// What stopped it; the journal then says where, and it may go on from there.
    pub fn run(mut self) -> Result<Done, Error> {
        let begun = Instant::now();
        let mut counted = Done { done: 0, skipped: 0, after: Duration::ZERO };
        let steps = self.steps.iter().filter(|step| self.phases.contains(&step.phase));
        let steps: Vec<&Step> = steps.collect();
        // A machine that was restarted runs its new system: nothing is mounted there again.
        let is_restarted = self.steps.iter().any(|step| {
            matches!(step.action, Action::Restart(_)) && self.journal.is_done(&step.name)
        });
        let is_had = |journal: &Journal, step: &Step| {
            is_restarted || (!step.is_volatile && journal.is_done(&step.name))
        };
        if steps.iter().all(|step| is_had(self.journal, step)) {
            steps.iter().for_each(|step| self.desk.tell(News::Skips(step)));
            return Ok(Done { done: 0, skipped: steps.len(), after: begun.elapsed() });
        }
        let mut lock = self.prepare().map_err(|error| self.at_first(error))?;
        for step in steps {
            if is_had(self.journal, step) {
                self.desk.tell(News::Skips(step));
                counted.skipped += 1;
                continue;
            }
            if self.desk.is_over() {
                return Err(Error::Interrupted { step: None, state: self.state() });
            }
            self.step(&mut lock, step)?;
            counted.done += 1;
        }
        Ok(Done { after: begun.elapsed(), ..counted })
    }

    /// Takes the target, and gives it the journal.
    fn prepare(&mut self) -> Result<Lock, Error> {
        let mut lock = Lock::take(self.target, self.journal)?;
        if lock.is_busy() {
            self.desk.tell(News::Waits);
            lock::wait(self.target)?;
        }
        if lock.note_all(&self.journal.shared()).map_err(lock::failed)? {
            return Ok(lock);
        }
        Err(unwritten())
    }

    fn step(&mut self, lock: &mut Lock, step: &Step) -> Result<(), Error> {
        let begun = Instant::now();
        self.desk.tell(News::Begins(step));
        self.journal.begin_step(&step.name)?;
        self.note(lock, step, false)?;
        let is_last = match &step.action {
            Action::Run(commands) => {
                commands.iter().try_for_each(|command| self.command(step, command))?;
                false
            }
            Action::Copy => {
                let copied = self.desk.copy(self.target);
                if self.desk.is_over() && copied.is_err() {
                    return Err(self.interrupted(step));
                }
                copied.map_err(|source| Error::Copy {
                    step: step.name.clone(),
                    source,
                    state: self.state(),
                })?;
                false
            }
            Action::Restart(commands) => {
                self.restart(step, commands)?;
                true
            }
        };
        if !is_last {
            self.note(lock, step, true)?;
        }
        self.journal.end_step(&step.name)?;
        self.desk.tell(News::Ends { step, after: begun.elapsed() });
        Ok(())
    }

    /// The last command may take the connection with it, which is what it is for.
    fn restart(&mut self, step: &Step, commands: &[crate::steps::Command]) -> Result<(), Error> {
        let Some((last, before)) = commands.split_last() else { return Ok(()) };
        before.iter().try_for_each(|command| self.command(step, command))?;
        match self.command(step, last) {
            Err(Error::Target { source: target::Error::Lost { .. }, .. }) => Ok(()),
            ended => ended,
        }
    }

    /// Notes on the target that a step begins, or is done.
    fn note(&self, lock: &mut Lock, step: &Step, is_done: bool) -> Result<(), Error> {
        let line = Journal::step_line(&step.name, is_done);
        match lock.note(&line, is_done && !step.is_volatile) {
            Ok(true) => Ok(()),
            Ok(false) => Err(unwritten()),
            Err(target::Error::Interrupted) => Err(self.interrupted(step)),
            Err(_) => {
                // The lock is gone, or the connection, which says so.
                self.target
                    .call(&Call::new(&["true"]))
                    .map_err(|source| self.lost(step, source))?;
                Err(Error::LockLost { state: self.state() })
            }
        }
    }

    fn state(&self) -> State {
        State::of(self.steps, self.journal)
    }

    /// Somebody may say stop before the first step.
    fn at_first(&self, error: Error) -> Error {
        if matches!(error, Error::Reach(target::Error::Interrupted)) {
            return Error::Interrupted { step: None, state: self.state() };
        }
        error
    }

    fn interrupted(&self, step: &Step) -> Error {
        Error::Interrupted { step: Some(step.name.clone()), state: self.state() }
    }

    fn lost(&self, step: &Step, source: target::Error) -> Error {
        if matches!(source, target::Error::Interrupted) {
            return self.interrupted(step);
        }
        Error::Target { step: step.name.clone(), source, state: self.state() }
    }
}

fn unwritten() -> Error {
    Error::Prepare { said: "its journal cannot be written".to_owned() }
}
