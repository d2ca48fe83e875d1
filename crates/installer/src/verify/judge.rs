//! What a system says of itself: which one it is, whether all of it is up, whether it is healthy.
//!
//! systemd's own words decide (`systemctl is-system-running`, systemctl(1)). Where something is wrong, the units that
//! failed and the last errors of the journal are fetched before the connection ends: of the start before, too, as
//! with boot counting a bad start is followed by another.

use super::{Error, News, Order, Report, Watch, answer};
use crate::target::Target;

/// How many lines of a journal are told.
const LINES: &str = "20";

/// Which system it began with, and which one it runs.
const WHICH: [&str; 4] = ["readlink", "-f", "/run/booted-system", "/run/current-system"];

/// What was found.
pub(super) struct Found {
    pub(super) state: String,
    pub(super) boots: usize,
}

/// Asks a target which start this is: no two have the same (`random(4)`).
///
/// # Errors
/// It does not say.
pub fn boot_id(target: &dyn Target) -> Result<String, Error> {
    let answer = answer(target, &["cat", "/proc/sys/kernel/random/boot_id"], false)?;
    let id = String::from_utf8_lossy(&answer.out).trim().to_owned();
    if id.len() == 36 {
        return Ok(id);
    }
    Err(Error::Garbled {
        host: target.name().to_owned(),
        command: "cat /proc/sys/kernel/random/boot_id",
        expected: "a UUID",
        found: id,
    })
}

/// Asks everything.
pub(super) fn judge(
    target: &dyn Target,
    order: &Order<'_>,
    watch: &mut dyn Watch,
) -> Result<Found, Error> {
    is_it(target, order)?;
    let state = state(target, order)?;
    watch.tell(News::State(&state));
    let host = || target.name().to_owned();
    if state != "running" {
        let report = report(target)?;
        return Err(Error::State { host: host(), state, report });
    }
    for command in order.health {
        if watch.is_over() {
            return Err(Error::Interrupted);
        }
        let answer = answer(target, &["sh", "-c", command], false)?;
        if !answer.is_good() {
            let out = String::from_utf8_lossy(&answer.out);
            let said = [answer.last_words(), out.trim().lines().last().unwrap_or_default()];
            let said = said.into_iter().find(|said| !said.is_empty()).unwrap_or_default();
            return Err(Error::Health {
                host: host(),
                command: command.clone(),
                code: answer.code,
                said: said.to_owned(),
                report: report(target)?,
            });
        }
        watch.tell(News::Healthy(command));
    }
    Ok(Found { state, boots: boots(target)? })
}

/// Whether it is the system that was installed.
fn is_it(target: &dyn Target, order: &Order<'_>) -> Result<(), Error> {
    let answer = answer(target, &WHICH, false)?;
    let out = String::from_utf8_lossy(&answer.out);
    let [booted, current] = out.lines().collect::<Vec<_>>()[..] else {
        return Err(Error::Garbled {
            host: target.name().to_owned(),
            command: "readlink -f /run/booted-system /run/current-system",
            expected: "two store paths",
            found: out.trim().to_owned(),
        });
    };
    let expected = order.system.to_string();
    for found in [booted, current] {
        if found != expected {
            let (host, found) = (target.name().to_owned(), found.to_owned());
            return Err(Error::OtherSystem { host, expected, found });
        }
    }
    Ok(())
}

/// What systemd says once it has started everything, or when patience ends.
fn state(target: &dyn Target, order: &Order<'_>) -> Result<String, Error> {
    let seconds = order.patience.as_secs().to_string();
    let words = ["timeout", &seconds, "systemctl", "is-system-running", "--wait"];
    let said = answer(target, &words, false)?;
    let mut state = String::from_utf8_lossy(&said.out).trim().to_owned();
    if state.is_empty() {
        // It was still starting when its time was over.
        let said = answer(target, &["systemctl", "is-system-running"], false)?;
        state = String::from_utf8_lossy(&said.out).trim().to_owned();
    }
    if state.is_empty() {
        return Err(Error::Garbled {
            host: target.name().to_owned(),
            command: "systemctl is-system-running",
            expected: "a state",
            found: said.last_words().to_owned(),
        });
    }
    Ok(state)
}

/// What is wrong.
fn report(target: &dyn Target) -> Result<Box<Report>, Error> {
    let units = ["systemctl", "list-units", "--state=failed", "--plain", "--no-legend"];
    let units = answer(target, &[&units[..], &["--no-pager"]].concat(), false)?;
    let units = String::from_utf8_lossy(&units.out);
    let units = units.lines().filter_map(|line| line.split_whitespace().next());
    let boots = boots(target)?;
    let mut errors = errors(target, "0")?;
    if boots > 1 {
        let before = self::errors(target, "-1")?;
        errors.splice(0..0, before);
    }
    Ok(Box::new(Report { units: units.map(str::to_owned).collect(), errors, boots }))
}

/// The last errors of a start.
fn errors(target: &dyn Target, boot: &str) -> Result<Vec<String>, Error> {
    let words = ["journalctl", "-b", boot, "-p", "err", "-n", LINES, "-q", "--no-pager"];
    let answer = answer(target, &words, true)?;
    let out = String::from_utf8_lossy(&answer.out);
    Ok(out.lines().map(str::to_owned).collect())
}

/// How many starts the journal knows; one where it is not kept.
fn boots(target: &dyn Target) -> Result<usize, Error> {
    let answer = answer(target, &["journalctl", "--list-boots", "-q", "--no-pager"], true)?;
    let out = String::from_utf8_lossy(&answer.out);
    let is_boot = |line: &&str| line.split_whitespace().next().is_some_and(is_index);
    Ok(out.lines().filter(is_boot).count().max(1))
}

/// `0`, `-1`: newer versions of journalctl have a line of titles, too.
fn is_index(word: &str) -> bool {
    word.parse::<i64>().is_ok_and(|index| index <= 0)
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
