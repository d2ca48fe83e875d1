//! The machine that is surveyed or installed: this one, or one that the user's own ssh reaches.
//!
//! - [`call`]: one command: its words, what it reads, and what came of it
//! - [`local`]: on this machine
//! - [`ssh`]: on another: one connection, and every command over it
//!
//! Whatever a target is asked to do is a [`Call`]: words that anyone may see, and bytes on its standard input
//! that nobody may. So a passphrase is never a word, every step can be shown before it is done, and a test
//! stands in for a machine by answering calls.

pub mod call;
pub mod local;
pub mod ssh;

use std::io;

pub use call::{Answer, Call};
pub use local::Local;
pub use ssh::Ssh;

/// Where commands run.
pub trait Target {
    /// What people call it: `root@web`, or `this machine`.
    fn name(&self) -> &str;

    /// As whom commands run.
    fn login(&self) -> Login;

    /// Runs a command to its end.
    ///
    /// # Errors
    /// It could not be run; that it failed is an [`Answer`].
    fn call(&self, call: &Call<'_>) -> Result<Answer, Error>;
}

/// As whom commands run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// As root.
    Root,
    /// As somebody whom `sudo` makes root without asking.
    Sudo,
    /// As somebody else.
    User,
}

/// Why a command did not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program of this machine could not be started.
    #[error("{program} cannot be run")]
    Start {
        /// Which.
        program: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A program of this machine did not take what it was given, or what it said could not be read.
    #[error("{program} cannot be talked to")]
    Talk {
        /// Which.
        program: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A command said more than any of ours does.
    #[error("{program} says more than {most} bytes")]
    Endless {
        /// Which.
        program: String,
        /// How much is taken.
        most: usize,
    },
    /// There is no connection.
    #[error("{host} cannot be reached: {said}")]
    Unreachable {
        /// Which host.
        host: String,
        /// ssh's own last words.
        said: String,
    },
    /// There was one.
    #[error("the connection to {host} is lost: {said}")]
    Lost {
        /// Which host.
        host: String,
        /// ssh's own last words.
        said: String,
    },
    /// A name that ssh would take for something else.
    #[error("{found:?} is no name of a host: expected [USER@]HOST")]
    Name {
        /// As it was given.
        found: String,
    },
}
