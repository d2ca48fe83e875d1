//! Proves that an installed machine runs the system that was installed on it.
//!
//! - `reach`: from the restart to a connection with the system's own SSH server
//! - `judge`: what it says of itself then: which system it runs, whether all of it is up, whether it is healthy
//! - [`key`]: the host keys that the target has made or got, to be pinned before it restarts
//!
//! The installed system is known by its host key, which was pinned while the installer still ran. Whoever answers with
//! another key, be it the installer on its way down or the initrd, is not logged in to and counts as "not yet".
//! What unlocks an encrypted root in between is [`crate::unlock`]'s affair.

mod judge;
pub mod key;
mod reach;

use std::time::{Duration, Instant};

use calve_image_core::inputs::store_path::StorePath;

use crate::host_key::PublicKey;
use crate::target::ssh::Address;
use crate::target::{self, Target};

pub use judge::boot_id;
pub use reach::wait_gone;

/// Which machine, and what it should be.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// Where the installed system is.
    pub address: &'a Address,
    /// Its host key; none: the user's own known_hosts decide.
    pub key: Option<&'a PublicKey>,
    /// The boot id of the installer, to tell the two apart should they share a host key.
    pub installer: Option<&'a str>,
    /// The system that was installed.
    pub system: &'a StorePath,
    /// Commands that must succeed, as a shell of the system reads them.
    pub health: &'a [String],
    /// How long it may take until it answers, and again until all of it is up.
    pub patience: Duration,
}

/// Who is told what happens.
pub trait Watch {
    /// Hears what happened.
    fn tell(&mut self, news: News<'_>);

    /// Tells whether somebody said stop; asked often.
    fn is_over(&self) -> bool;
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News<'a> {
    /// The installer has gone.
    Gone,
    /// The system cannot be reached yet; said once for each reason.
    Waiting(&'a str),
    /// It was reached.
    Reached {
        /// How long that took.
        after: Duration,
    },
    /// What systemd says of it: `running`.
    State(&'a str),
    /// A health command succeeded.
    Healthy(&'a str),
}

/// A system that is what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// From the beginning until it was reached.
    pub reached: Duration,
    /// From then until all of it was up and healthy.
    pub settled: Duration,
    /// What systemd said of it.
    pub state: String,
    /// How often it has started since it was installed, as far as its journal knows.
    pub boots: usize,
    /// The id of this start.
    pub boot_id: String,
}

/// Why a machine is not what it should be, or is not known to be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody said stop.
    #[error("interrupted")]
    Interrupted,
    /// A command could not be run.
    #[error(transparent)]
    Target(#[from] target::Error),
    /// It does not answer.
    #[error("{host} did not answer with the system's host key in {} s; at last: {last}", patience.as_secs())]
    NotUp {
        /// Which host.
        host: String,
        /// For how long it was tried.
        patience: Duration,
        /// What ssh said last.
        last: String,
    },
    /// It is still the installer.
    #[error("{host} did not restart in {} s: what was the installer still answers", patience.as_secs())]
    NotRestarted {
        /// Which host.
        host: String,
        /// For how long.
        patience: Duration,
    },
    /// It runs something else.
    #[error("{host} runs another system: expected {expected}, found {found}")]
    OtherSystem {
        /// Which host.
        host: String,
        /// What was installed.
        expected: String,
        /// What runs.
        found: String,
    },
    /// Not all of it is up.
    #[error("{host} is {state}: expected running{}", listed(.report))]
    State {
        /// Which host.
        host: String,
        /// What systemd says of it.
        state: String,
        /// What is wrong.
        report: Box<Report>,
    },
    /// A health command failed.
    #[error("{host} is not healthy: `{command}` failed with {}: {said}", ended(*.code))]
    Health {
        /// Which host.
        host: String,
        /// The command.
        command: String,
        /// Its exit code; none where a signal ended it.
        code: Option<i32>,
        /// The last that it said.
        said: String,
        /// What else is wrong.
        report: Box<Report>,
    },
    /// An answer that is none.
    #[error("{host}: `{command}` says {found:?}: expected {expected}")]
    Garbled {
        /// Which host.
        host: String,
        /// What was asked.
        command: &'static str,
        /// What should have come.
        expected: &'static str,
        /// What came.
        found: String,
    },
}

/// What a system that is not well says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Units that failed.
    pub units: Vec<String>,
    /// The last errors of its journal, of an earlier start too where there was one.
    pub errors: Vec<String>,
    /// How often it has started, where that is known.
    pub boots: usize,
}

fn listed(report: &Report) -> String {
    let units = &report.units;
    if units.is_empty() { String::new() } else { format!("; failed: {}", units.join(", ")) }
}

fn ended(code: Option<i32>) -> String {
    code.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"))
}

/// Waits for the installed system, and asks what it is.
///
/// # Errors
/// It does not answer with its host key, runs another system, or is not well; see [`Error`].
pub fn verify(order: &Order<'_>, watch: &mut dyn Watch) -> Result<Verified, Error> {
    let started = Instant::now();
    let reached = reach::reach(order, watch)?;
    let after = started.elapsed();
    watch.tell(News::Reached { after });
    let asked = Instant::now();
    let found = judge::judge(&reached.ssh, order, watch)?;
    Ok(Verified {
        reached: after,
        settled: asked.elapsed(),
        state: found.state,
        boots: found.boots,
        boot_id: reached.boot_id,
    })
}

/// Whether anything of a target can be asked for.
fn answer(
    target: &dyn Target,
    words: &[&str],
    as_root: bool,
) -> Result<target::Answer, target::Error> {
    target.call(&target::Call { as_root, ..target::Call::new(words) })
}
