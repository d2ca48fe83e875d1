//! Unlocks the encrypted disks of a host that starts, over SSH, and waits for its system.
//!
//! - [`ticket`]: what a build told about the host
//! - `remote.sh`, `script`: what is run on the host
//! - `said`, `dialogue`: what it says, and what to do about that
//! - [`ssh`], `words`, `process`: the user's own ssh
//! - `answer`: from the first connection to the last answer
//! - [`system`]: from there to the system
//!
//! A passphrase goes only to a host whose key was pinned before; it passes through pipes, and is never an
//! argument or a variable of any process, here or there. Nothing prints or prompts: a [`Keeper`] does.

mod answer;
mod dialogue;
mod process;
mod said;
mod script;
pub mod ssh;
pub mod system;
pub mod ticket;
#[cfg(test)]
mod ticket_tests;
mod words;

use std::io;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

pub use dialogue::Question;
pub use said::Kind;
pub use ssh::{Host, Pin};
pub use system::Up;
pub use ticket::{Asks, Ticket};
pub use words::Trouble;

use crate::host_key::PublicKey;
use crate::keys::Untypable;

/// What is to be unlocked.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The host in its initrd.
    pub host: &'a Host,
    /// How it asks; the host is looked at if that is not known.
    pub asks: Option<&'a Asks>,
    /// The mapper names of the volumes to open; none if they are not known.
    pub volumes: &'a [String],
    /// The host key of the system, if it is known: who has it is no initrd.
    pub system_key: Option<&'a PublicKey>,
    /// How long nothing may happen.
    pub patience: Duration,
}

/// Who has the passphrases, and is told what happens.
pub trait Keeper {
    /// Gives a passphrase, and nothing to give up.
    fn answer(&mut self, question: &Question) -> Option<Zeroizing<Vec<u8>>>;

    /// Hears what happened.
    fn tell(&mut self, news: News<'_>);

    /// Tells whether somebody said stop; asked often.
    fn is_over(&self) -> bool;
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum News<'a> {
    /// The host cannot be reached yet.
    Waiting(&'a Trouble),
    /// The host was reached.
    Reached {
        /// How long that took.
        after: Duration,
    },
    /// A volume was opened.
    Opened(&'a str),
    /// The initrd is gone.
    Gone {
        /// How long after the last answer.
        after: Duration,
    },
    /// ssh has words for the user.
    Words(&'a str),
}

/// A host whose questions were all answered.
#[derive(Clone, Debug)]
pub struct Unlocked {
    /// How it asked.
    pub kind: Kind,
    /// The volumes that were seen to be opened.
    pub opened: Vec<String>,
    /// From the beginning until it was reached.
    pub reach: Duration,
    /// From then until it was done.
    pub unlock: Duration,
    /// The fingerprint of its key.
    pub found: Option<String>,
    /// Whether it ended the connection.
    pub is_gone: bool,
    /// When it was done.
    pub at: Instant,
}

/// Why a host is not unlocked, or not up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No place for the pinned key.
    #[error("no directory for the host key can be made")]
    Prepare(#[source] io::Error),
    /// There is no ssh.
    #[error("ssh cannot be run")]
    Start(#[source] io::Error),
    /// Somebody said stop.
    #[error("interrupted")]
    Interrupted,
    /// Nobody gave a passphrase.
    #[error("nobody gave the passphrase of {}", .0.volume)]
    GivenUp(Question),
    /// What was given cannot be typed.
    #[error("the key of {volume} is no passphrase")]
    Untypable {
        /// The volume.
        volume: String,
        /// Why.
        source: Untypable,
    },
    /// The host is not what it should be.
    #[error("{host}: {trouble}")]
    Host {
        /// The host.
        host: String,
        /// What is wrong with it.
        trouble: Trouble,
    },
    /// It could not be reached.
    #[error("{host} could not be reached in {} s; at last: {last}", patience.as_secs())]
    Unreached {
        /// The host.
        host: String,
        /// For how long it was tried.
        patience: Duration,
        /// What was seen last.
        last: Trouble,
    },
    /// Its system runs.
    #[error("{host} is not in its initrd: its system answers, with the host key {found}")]
    AlreadyUp {
        /// The host.
        host: String,
        /// The fingerprint of the system's key.
        found: String,
    },
    /// Nothing on it is known to ask.
    #[error(
        "{host} asks in no way that is known: neither systemd's agent nor NixOS' stage 1 is there"
    )]
    NoWay {
        /// The host.
        host: String,
    },
    /// It does not ask.
    #[error("{host} asked for no passphrase in {} s", patience.as_secs())]
    NobodyAsks {
        /// The host.
        host: String,
        /// For how long.
        patience: Duration,
    },
    /// Nobody took the answers.
    #[error("the passphrase of {volume} was given, and nobody on the host took it")]
    Stuck {
        /// The volume.
        volume: String,
    },
    /// It was answered, and nothing came of it.
    #[error("{host} was given the passphrase, and nothing happened for {} s", patience.as_secs())]
    Stalled {
        /// The host.
        host: String,
        /// For how long.
        patience: Duration,
    },
    /// Its system does not answer.
    #[error("{host} was unlocked, but its system did not answer in {} s; at last: {last}", patience.as_secs())]
    NotUp {
        /// The host.
        host: String,
        /// For how long.
        patience: Duration,
        /// What was seen last.
        last: String,
    },
}

/// Unlocks a host.
///
/// # Errors
/// Why it was not; what a passphrase is was never told to a host with another key.
pub fn unlock(order: &Order<'_>, keeper: &mut dyn Keeper) -> Result<Unlocked, Error> {
    answer::unlock(order, keeper)
}

/// Waits until the system of an unlocked host answers; `host` has the system's port and key.
///
/// # Errors
/// What was seen last.
pub fn wait(
    host: &Host,
    unlocked: &Unlocked,
    patience: Duration,
    keeper: &mut dyn Keeper,
) -> Result<Up, Error> {
    system::wait(host, unlocked, patience, keeper)
}
