//! Waits for the system that starts once its disks are open.
//!
//! It is known by its host key, and nobody logs in for that: a server shows its key before it asks who is there. The
//! initrd's key means that the host is still in its initrd; no key at all that it is on its way.

use std::path::Path;
use std::time::{Duration, Instant};

use super::answer::nap;
use super::process::{Event, Process};
use super::ssh::{Host, Pin, Purpose};
use super::words::{Trouble, Words};
use super::{Error, Keeper, News, Unlocked};

/// How often the host is looked at.
const PAUSE: Duration = Duration::from_secs(1);

/// How long one look may take.
const LOOK: Duration = Duration::from_secs(20);

/// A system that is up.
#[derive(Clone, Debug)]
pub struct Up {
    /// From the last answer until the initrd was gone.
    pub switch: Duration,
    /// From then until the system's SSH server answered.
    pub up: Duration,
    /// The fingerprint of its host key.
    pub found: String,
}

/// What a look at the host showed.
enum Seen {
    System(String),
    Initrd,
    Nothing(Trouble),
    Stranger(Trouble),
}

/// Waits until the system answers; `host` has the system's port and key.
pub(super) fn wait(
    host: &Host,
    unlocked: &Unlocked,
    patience: Duration,
    keeper: &mut dyn Keeper,
) -> Result<Up, Error> {
    let directory = host.prepare().map_err(Error::Prepare)?;
    let directory = directory.as_ref().map(tempfile::TempDir::path);
    let mut gone = unlocked.is_gone.then(Instant::now);
    let mut is_told = false;
    loop {
        let seen = look(host, directory, unlocked.found.as_deref(), gone.is_some(), keeper)?;
        let last = match seen {
            Seen::System(found) => {
                let gone = gone.unwrap_or_else(Instant::now);
                let switch = gone.saturating_duration_since(unlocked.at);
                return Ok(Up { switch, up: gone.elapsed(), found });
            }
            Seen::Stranger(trouble) => {
                return Err(Error::Host { host: host.name.clone(), trouble });
            }
            Seen::Initrd => "its initrd still answers".to_owned(),
            Seen::Nothing(trouble) => {
                gone.get_or_insert_with(Instant::now);
                trouble.to_string()
            }
        };
        if unlocked.at.elapsed() >= patience {
            return Err(Error::NotUp { host: host.name.clone(), patience, last });
        }
        if gone.is_some() && !is_told {
            is_told = true;
            keeper.tell(News::Gone { after: unlocked.at.elapsed() });
        }
        nap(PAUSE, keeper)?;
    }
}

fn look(
    host: &Host,
    directory: Option<&Path>,
    initrd: Option<&str>,
    was_gone: bool,
    keeper: &mut dyn Keeper,
) -> Result<Seen, Error> {
    let started = Instant::now();
    let command = host.command(directory, Purpose::Look);
    let mut process = Process::start(command).map_err(Error::Start)?;
    let mut words = Words::default();
    while started.elapsed() < LOOK {
        if keeper.is_over() {
            return Err(Error::Interrupted);
        }
        match process.next(Duration::from_millis(100)).map_err(Error::Start)? {
            Event::Words(line) => {
                words.hear(&line);
            }
            Event::Over(_) => break,
            Event::Said(_) | Event::Nothing => {}
        }
    }
    let pinned = match &host.pin {
        Pin::Key(key) => Some(key.to_string()),
        Pin::Known | Pin::AcceptNew => None,
    };
    // Some give both the same key; then only a pause tells them apart.
    let are_same = pinned.as_deref() == initrd && was_gone;
    let seen = match words.found() {
        Some(found) if Some(found) == initrd && !are_same => Seen::Initrd,
        Some(found) if words.is_vouched_for() => Seen::System(found.to_owned()),
        Some(_) | None => match words.trouble(pinned.as_deref()) {
            trouble if trouble.may_pass() => Seen::Nothing(trouble),
            trouble => Seen::Stranger(trouble),
        },
    };
    Ok(seen)
}
