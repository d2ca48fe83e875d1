//! That nobody else works on a target, and that nothing runs there beside what is run now.
//!
//! Two locks, of flock(1), below `/run/calve`. One is held by a command that runs for as long as the installation, and
//! ends with its connection: it says who is there. The other is held by every command while it runs, and by
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

/// What runs on the target.
const SCRIPT: &str = include_str!("lock.sh");

/// Takes the target: nobody else works on it until what comes back is dropped.
pub(super) fn take(target: &dyn Target, journal: &Journal) -> Result<Kept, Error> {
    let who = journal.holder().map(ToString::to_string).unwrap_or_default();
    let who = shown(&who);
    let words = ["sh", "-c", SCRIPT, "lock", journal.token(), &who];
    let kept = target.keep(&Call { as_root: true, ..Call::new(&words) }).map_err(failed)?;
    match kept.line().split_once(' ') {
        None if kept.line() == "free" => Ok(kept),
        Some(("held", holder)) => Err(Error::Locked { holder: shown(holder) }),
        Some(_) | None => Err(Error::Prepare { said: shown(kept.line()) }),
    }
}

/// Waits for what somebody left running there.
pub(super) fn wait(target: &dyn Target, waits: &mut dyn FnMut()) -> Result<(), Error> {
    let code = STILL_BUSY.to_string();
    let at_once = ["flock", "-n", "-E", &code, BUSY, "true"];
    let answer = target.call(&Call { as_root: true, ..Call::new(&at_once) }).map_err(failed)?;
    if answer.code != Some(STILL_BUSY) {
        if answer.is_good() {
            return Ok(());
        }
        return Err(Error::Prepare { said: answer.last_words().to_owned() });
    }
    waits();
    let words = ["true".to_owned()];
    let patient = alone(&words);
    let answer = target.call(&Call { as_root: true, ..Call::new(&patient) }).map_err(failed)?;
    if answer.is_good() { Ok(()) } else { Err(Error::Busy { minutes: MINUTES }) }
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
    let said = shown(String::from_utf8_lossy(&answer.out).trim());
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

/// What another machine said, without what a terminal would obey.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(400).collect()
}

/// Nothing was done yet.
pub(super) fn failed(source: target::Error) -> Error {
    if let target::Error::Silent { said, .. } = source {
        return Error::Prepare { said: shown(&said) };
    }
    Error::Reach(source)
}
