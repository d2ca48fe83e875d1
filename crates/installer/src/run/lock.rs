//! That nobody else works on a target, and that nothing runs there beside what is run now.
//!
//! Two locks, of flock(1), below `/run/calve`. One is held by a command that runs for as long as the installation, and
//! ends with its connection: it says who is there, and takes the journal's lines, which so cost no session of their own. The other is held by every command while it runs, and by
//! what it started: a command whose operator was killed runs on, and the next one waits for its end.
//!
//! A connection that was cut may be held by the target for hours, and the lock with it. Whoever has the journal of the
//! operator that holds it, which is locked as well, knows that they are gone: then what held it is ended.

use super::Error;
use crate::journal::Journal;
use crate::target::{self, Call, Kept, Target};

/// What every command on the target holds while it runs.
pub const BUSY: &str = "/run/calve/busy";

/// How long a command waits for what was left running.
pub(super) const MINUTES: u32 = 10;

/// The exit code that says that this was not long enough; no other program of ours has it.
pub(super) const STILL_BUSY: i32 = 91;

/// What it says when it has a line.
const NOTED: &str = "noted";

/// What runs on the target.
const SCRIPT: &str = include_str!("lock.sh");

/// Nobody else works on a target until this is dropped; it has the journal's copy there.
#[derive(Debug)]
pub(super) struct Lock {
    kept: Kept,
}

impl Lock {
    /// Takes a target.
    pub(super) fn take(target: &dyn Target, journal: &Journal) -> Result<Self, Error> {
        let who = journal.holder().map(ToString::to_string).unwrap_or_default();
        let who = short(&who);
        let words = ["sh", "-c", SCRIPT, "lock", journal.token(), &who];
        let kept = target.keep(&Call { as_root: true, ..Call::new(&words) }).map_err(failed)?;
        match kept.line().split_once(' ') {
            None if ["free", "busy"].contains(&kept.line()) => Ok(Self { kept }),
            Some(("held", holder)) => Err(Error::Locked { holder: short(holder) }),
            Some(_) | None => Err(Error::Prepare { said: short(kept.line()) }),
        }
    }

    /// Tells whether something still ran there when it was taken.
    pub(super) fn is_busy(&self) -> bool {
        self.kept.line() == "busy"
    }

    /// Gives the target the whole journal; tells whether it has it.
    pub(super) fn note_all(&mut self, lines: &str) -> Result<bool, target::Error> {
        let text = format!("anew {}\n{}", lines.lines().count(), lines.trim_end());
        Ok(self.kept.ask(&text)? == NOTED)
    }

    /// Gives the target a line; `is_done`: when all that was done is on its disks.
    pub(super) fn note(&mut self, line: &str, is_done: bool) -> Result<bool, target::Error> {
        let word = if is_done { "done" } else { "begun" };
        Ok(self.kept.ask(&format!("{word} {}", line.trim_end()))? == NOTED)
    }
}

/// Waits for what somebody left running there.
pub(super) fn wait(target: &dyn Target) -> Result<(), Error> {
    let words = ["true".to_owned()];
    let answer = target.call(&Call { as_root: true, ..Call::new(&alone(&words)) });
    let answer = answer.map_err(failed)?;
    match answer.code {
        Some(0) => Ok(()),
        Some(STILL_BUSY) => Err(Error::Busy { minutes: MINUTES }),
        Some(_) | None => Err(Error::Prepare { said: short(answer.last_words()) }),
    }
}

/// The words of a command that runs alone on its machine.
pub(super) fn alone(words: &[String]) -> Vec<&str> {
    // 10 minutes, and the exit code of above.
    let flock = ["flock", "-w", "600", "-E", "91", BUSY];
    flock.into_iter().chain(words.iter().map(String::as_str)).collect()
}

/// Tells who installs on a machine, if somebody does; changes nothing.
///
/// # Errors
/// It cannot be asked.
pub fn holder(target: &dyn Target) -> Result<Option<String>, Error> {
    let script = "[ -e /run/calve/lock ] || exit 0; flock -n /run/calve/lock true || sed -n 3p /run/calve/holder";
    let words = ["sh", "-c", script];
    let answer = target.call(&Call { as_root: true, ..Call::new(&words) }).map_err(failed)?;
    let said = short(String::from_utf8_lossy(&answer.out).trim());
    Ok((!said.is_empty()).then_some(said))
}

/// Reads the target's copy of the journal, if it has one.
///
/// # Errors
/// It cannot be asked.
pub fn journal_of(target: &dyn Target) -> Result<Option<Vec<u8>>, Error> {
    let words = ["sh", "-c", "[ ! -e /run/calve/journal ] || exec cat /run/calve/journal"];
    let answer = target.call(&Call { as_root: true, ..Call::new(&words) }).map_err(failed)?;
    if !answer.is_good() {
        return Err(Error::Prepare { said: answer.last_words().to_owned() });
    }
    Ok((!answer.out.is_empty()).then_some(answer.out))
}

/// As much of what another machine said as an error may hold.
fn short(text: &str) -> String {
    text.chars().take(400).collect()
}

/// Nothing was done yet.
pub(super) fn failed(source: target::Error) -> Error {
    if let target::Error::Silent { said, .. } = source {
        return Error::Prepare { said: short(&said) };
    }
    Error::Reach(source)
}
