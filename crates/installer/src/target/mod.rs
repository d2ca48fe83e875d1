//! The machine that is surveyed or installed: this one, or one that the user's own ssh reaches.
//!
//! - [`call`]: one command: its words, what it reads, and what came of it
//! - `child`, [`kept`]: a program of this machine that runs to its end, and one that runs on
//! - [`local`]: on this machine
//! - [`ssh`]: on another: one connection, and every command over it
//! - `cipher`, `pin`: what that connection is encrypted with, and the key that the other end must have
//!
//! Whatever a target is asked to do is a [`Call`]: words that anyone may see, and bytes on its standard input
//! that nobody may. So a passphrase is never a word, every step can be shown before it is done, and a test
//! stands in for a machine by answering calls.

pub mod call;
pub(crate) mod child;
mod cipher;
pub mod kept;
pub mod local;
pub(crate) mod pin;
pub mod ssh;
#[cfg(test)]
pub(crate) mod sshd;

use std::io::{self, Write};

pub use call::{Answer, Call};
pub use kept::Kept;
pub use local::Local;
pub use ssh::Ssh;

/// Writes what a command reads, while it runs.
pub type Feed<'f> = dyn FnMut(&mut (dyn Write + Send)) -> io::Result<()> + 'f;

/// Where commands run.
///
/// They run in process groups of their own, so a Ctrl-C at the terminal does not reach them; whoever makes
/// a target may give it a flag, which does.
pub trait Target {
    /// What people call it: `root@web`, or `this machine`.
    fn name(&self) -> &str;

    /// As whom commands run.
    fn login(&self) -> Login;

    /// Runs a command to its end.
    ///
    /// # Errors
    /// It could not be run; that it failed is an [`Answer`].
    fn call(&self, call: &Call<'_>) -> Result<Answer, Error> {
        self.stream(call, &mut |_| Ok(()))
    }

    /// Runs a command to its end that reads, after its input, what `feed` writes.
    ///
    /// Nothing of that is held here: it goes straight into a pipe. A `feed` that fails ends the input, and the
    /// answer comes all the same; a broken pipe only means that the command did not read all.
    ///
    /// # Errors
    /// It could not be run; that it failed is an [`Answer`].
    fn stream(&self, call: &Call<'_>, feed: &mut Feed<'_>) -> Result<Answer, Error>;

    /// Runs a command to its end, and hands on what it says on its standard error, line by line, while it runs.
    ///
    /// # Errors
    /// As those of [`call`](Self::call).
    fn listen(&self, call: &Call<'_>, hear: &mut dyn FnMut(&str)) -> Result<Answer, Error> {
        let answer = self.call(call)?;
        answer.err.lines().for_each(hear);
        Ok(answer)
    }

    /// Starts a command that runs on until it is dropped, and waits for its first line.
    ///
    /// # Errors
    /// It could not be run, or ended without a word.
    fn keep(&self, call: &Call<'_>) -> Result<Kept, Error>;
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
    /// A command that should run on did not.
    #[error("{line} ended without a word: {said}")]
    Silent {
        /// Which, as a shell reads it.
        line: String,
        /// What it complained about.
        said: String,
    },
    /// Somebody said stop while a command ran.
    #[error("interrupted")]
    Interrupted,
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
