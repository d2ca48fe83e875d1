//! Why an installation stopped.

use std::fmt;
use std::io;

use super::State;
use crate::journal;
use crate::target::{self, Answer};

/// Why an installation stopped. Nothing in it is secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A command failed.
    #[error("step {step:?}: {command} {ended}")]
    Step {
        /// Of which step.
        step: String,
        /// The command, as a shell reads it.
        command: String,
        /// How it ended.
        ended: Ended,
        /// The last lines that it said.
        tail: Vec<String>,
        /// What state the disks are in.
        state: State,
    },
    /// A disk is not the one that was surveyed, so nothing was done to it.
    #[error("step {step:?} was not done: disk {disk} is not the one that was surveyed: {said}")]
    Disk {
        /// Which step.
        step: String,
        /// What the layout calls the disk.
        disk: String,
        /// What is different.
        said: String,
        /// What state the disks are in.
        state: State,
    },
    /// The target could not be asked.
    #[error("step {step:?} was not finished")]
    Target {
        /// Which step.
        step: String,
        /// Why.
        source: target::Error,
        /// What state the disks are in.
        state: State,
    },
    /// What a command reads could not be had.
    #[error("step {step:?}: {input} cannot be had")]
    Input {
        /// Of which step.
        step: String,
        /// What it is; not its bytes.
        input: String,
        /// Why.
        source: io::Error,
        /// What state the disks are in.
        state: State,
    },
    /// The closure is not there.
    #[error("step {step:?}: the system was not copied")]
    Copy {
        /// Which step.
        step: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
        /// What state the disks are in.
        state: State,
    },
    /// Somebody said stop.
    #[error("interrupted{}", step.as_ref().map(|step| format!(" in step {step:?}")).unwrap_or_default())]
    Interrupted {
        /// In which step; none between two.
        step: Option<String>,
        /// What state the disks are in.
        state: State,
    },
    /// Somebody else installs there.
    #[error("the machine is in use by {holder}")]
    Locked {
        /// Who, as they said it there.
        holder: String,
    },
    /// Somebody there ended what kept others away.
    #[error("the lock on the machine was lost, so somebody else may work on it")]
    LockLost {
        /// What state the disks are in.
        state: State,
    },
    /// What somebody left running there does not end.
    #[error("a command of an earlier installation still runs there after {minutes} minutes")]
    Busy {
        /// How long was waited.
        minutes: u32,
    },
    /// The target cannot keep a lock or a journal.
    #[error("the machine cannot be prepared (/run/calve): {said}")]
    Prepare {
        /// What it said.
        said: String,
    },
    /// The target could not be asked before anything began.
    #[error(transparent)]
    Reach(target::Error),
    /// The journal here.
    #[error(transparent)]
    Journal(#[from] journal::Error),
}

impl Error {
    /// What state the disks are in; none where nothing was done this time.
    pub fn state(&self) -> Option<State> {
        match self {
            Self::Step { state, .. }
            | Self::Disk { state, .. }
            | Self::Target { state, .. }
            | Self::Input { state, .. }
            | Self::Copy { state, .. }
            | Self::Interrupted { state, .. }
            | Self::LockLost { state } => Some(*state),
            Self::Locked { .. }
            | Self::Busy { .. }
            | Self::Prepare { .. }
            | Self::Reach(_)
            | Self::Journal(_) => None,
        }
    }
}

/// How a command ended that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With an exit code.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// By a signal, of which nothing is known.
    Killed,
}

impl Ended {
    /// flock(1) and sudo(8) say 128 more than the number of the signal that ended what they ran, as shells do.
    pub(super) fn of(answer: &Answer) -> Self {
        match answer.code {
            Some(code @ 129..=192) => Self::Signal(code - 128),
            Some(code) => Self::Code(code),
            None => Self::Killed,
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "failed with exit code {code}"),
            Self::Signal(signal) => write!(f, "was ended by signal {signal}"),
            Self::Killed => f.write_str("was ended by a signal"),
        }
    }
}
