//! What state the disks of a machine are in, wherever an installation stopped, in plain words.

use std::fmt;

use crate::journal::Journal;
use crate::steps::{Phase, Step};

/// The state of the disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// As they were.
    Untouched,
    /// What was on them is lost, and nothing else is there yet.
    Wiped,
    /// They have file systems.
    Formatted,
    /// Those are mounted.
    Ready,
    /// Some of the system is there.
    PartlyCopied,
    /// All of it is there.
    Copied,
    /// Some of what makes it start is there.
    PartlyInstalled,
    /// It can start.
    Installed,
    /// It was told to.
    Restarted,
}

impl State {
    /// What a journal says.
    pub fn of(steps: &[Step], journal: &Journal) -> Self {
        let of = |phases: &[Phase], is: &dyn Fn(&Step) -> bool| {
            // What is mounted is; other steps that are done again and again do not count.
            let counts = |step: &&Step| step.phase == Phase::Mount || !step.is_volatile;
            let steps = steps.iter().filter(|step| phases.contains(&step.phase));
            let mut steps = steps.filter(counts).peekable();
            let is_any = steps.peek().is_some();
            let found: Vec<bool> = steps.map(is).collect();
            (is_any && found.iter().all(|is| *is), found.iter().any(|is| *is))
        };
        let done = |phases: &[Phase]| of(phases, &|step| journal.is_done(&step.name)).0;
        let begun = |phases: &[Phase]| of(phases, &|step| journal.is_begun(&step.name)).1;
        let (makes, mounts) = ([Phase::Partition, Phase::Format], [Phase::Mount]);
        let is_made = !steps.iter().any(|step| makes.contains(&step.phase)) || done(&makes);
        match () {
            () if done(&[Phase::Reboot]) => Self::Restarted,
            () if done(&[Phase::Install]) => Self::Installed,
            () if begun(&[Phase::Install]) => Self::PartlyInstalled,
            () if done(&[Phase::Copy]) => Self::Copied,
            () if begun(&[Phase::Copy]) => Self::PartlyCopied,
            () if is_made && done(&mounts) => Self::Ready,
            () if done(&makes) => Self::Formatted,
            () if begun(&makes) => Self::Wiped,
            () => Self::Untouched,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // After "the disk is".
        f.write_str(match self {
            Self::Untouched => "untouched",
            Self::Wiped => "wiped, and not usable yet",
            Self::Formatted => "partitioned and formatted, and not mounted",
            Self::Ready => "ready, with its file systems mounted",
            Self::PartlyCopied => "ready, with a part of the system on it",
            Self::Copied => "ready, with the system on it, which does not start yet",
            Self::PartlyInstalled => "installed in part, and may not start",
            Self::Installed => "installed, and the machine was not restarted",
            Self::Restarted => "installed, and the machine was restarted",
        })
    }
}
