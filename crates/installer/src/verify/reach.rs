//! From the restart to a connection with the system's own SSH server.
//!
//! First the old connection ends, so that nobody asks the installer again; then the new one is tried until it is there.
//! A server with another key gets no login. That is not an error at once: the initrd of an encrypted system has
//! a key of its own.

use std::time::{Duration, Instant};

use super::{Error, News, Order, Watch, judge};
use crate::patience;
use crate::target::{self, Call, Ssh, Target};

/// How often the old connection is looked at, and the new one tried.
const PAUSE: Duration = Duration::from_secs(1);

/// A system that answered with its own key.
pub(super) struct Reached {
    pub(super) ssh: Ssh,
    pub(super) boot_id: String,
}

/// How long a target that says something every second is silent when it is gone. A machine that goes down takes its
/// network along first, and nobody tells the connection.
const SILENT: Duration = Duration::from_secs(6);

/// What a target says until it goes down.
const HERE: &str = "while echo here; do sleep 1; done";

/// Waits until a restarting target says no more.
///
/// # Errors
/// It did not stop within `patience`, or somebody said stop.
pub fn wait_gone(
    target: &dyn Target,
    patience: Duration,
    watch: &mut dyn Watch,
) -> Result<(), Error> {
    let started = Instant::now();
    match target.keep(&Call::new(&["sh", "-c", HERE])) {
        Ok(kept) => {
            while kept.hear(SILENT)? {
                if watch.is_over() {
                    return Err(Error::Interrupted);
                }
                if started.elapsed() >= patience {
                    return Err(Error::NotRestarted { host: target.name().to_owned(), patience });
                }
            }
        }
        Err(target::Error::Lost { .. } | target::Error::Silent { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    watch.tell(News::Gone);
    Ok(())
}

/// Connects, as soon as the system answers.
pub(super) fn reach(order: &Order<'_>, watch: &mut dyn Watch) -> Result<Reached, Error> {
    let started = Instant::now();
    let mut told = String::new();
    loop {
        if watch.is_over() {
            return Err(Error::Interrupted);
        }
        let last = match connect(order) {
            Ok(ssh) => {
                let boot_id = judge::boot_id(&ssh)?;
                if order.installer != Some(boot_id.as_str()) {
                    return Ok(Reached { ssh, boot_id });
                }
                if started.elapsed() >= order.patience {
                    let host = order.address.name.clone();
                    return Err(Error::NotRestarted { host, patience: order.patience });
                }
                "the installer still answers".to_owned()
            }
            Err(target::Error::Unreachable { said, .. } | target::Error::Lost { said, .. }) => said,
            Err(error) => return Err(error.into()),
        };
        if started.elapsed() >= order.patience {
            let host = order.address.name.clone();
            return Err(Error::NotUp { host, patience: order.patience, last });
        }
        if told != last {
            watch.tell(News::Waiting(&last));
            told = last;
        }
        if !patience::nap(PAUSE, &|| watch.is_over()) {
            return Err(Error::Interrupted);
        }
    }
}

fn connect(order: &Order<'_>) -> Result<Ssh, target::Error> {
    // What ssh says of hosts that are not there yet is news once, which the error tells.
    let mut quiet = |_: &str| {};
    match order.key {
        Some(key) => Ssh::connect_pinned(order.address, key, &mut quiet),
        None => Ssh::connect(order.address, &mut quiet),
    }
}

#[cfg(test)]
#[path = "reach_tests.rs"]
mod tests;
