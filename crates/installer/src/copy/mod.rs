//! The closure comes onto the target's disk: into the store below ROOT, not into the installer's memory.
//!
//! - [`error`]: what can go wrong, read from Nix' own words
//! - [`progress`]: what the caller sees of it
//! - `server`: the target's store, and what it has already
//! - `files`: this machine's files, sent by ourselves
//! - `nix`: a `nix copy`, here or on the target; `log`: what it says meanwhile
//! - `reach`: how a `nix` of this machine reaches the target over our connection
//! - `torn`: paths that a power cut left without their contents
//! - [`root`]: what keeps the closure on this machine
//!
//! First the target is asked what it has, and gets from its own store and its caches what it can; then the
//! rest is sent, each path after those that it refers to and valid as soon as it is there. So whatever ends a copy, the next one
//! goes on where it was. That is the same for all three ways of sending ([`Source`]).
//!
//! Whoever writes into the store below ROOT is root there, and so nobody asks for signatures; but for paths that the target
//! pulls from a cache.

pub mod error;
mod files;
mod log;
mod nix;
pub mod progress;
mod reach;
pub mod root;
mod server;
mod torn;

use calve_image_core::inputs::closure::Closure;
use calve_image_core::inputs::store::HostStore;
use calve_image_core::inputs::store_path::StorePath;

pub use error::Error;
pub use progress::{Hear, Progress, Stage};
pub use root::gc_root;

use crate::keys;
use crate::target::{Login, Ssh, Target};
use server::Server;

/// What is copied to where.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The system.
    pub toplevel: &'a StorePath,
    /// Who has its closure.
    pub source: Source<'a>,
    /// The directory that will be the system's `/`.
    pub root: &'a str,
    /// Whether the target first takes what its own store and its caches have.
    pub substitutes: bool,
    /// Public keys of caches that are trusted besides those that the target trusts: `name:base64`.
    pub keys: &'a [String],
    /// What stands before each command on the target: a lock.
    pub under: &'a [&'a str],
    /// Sources of keys, whose variables no `nix` gets to see.
    pub hidden: &'a [keys::Source],
    /// Whether an earlier copy may have been cut off by the target's own end: what is registered may be torn then.
    pub doubts: bool,
}

/// Who has a closure, and who sends it.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// This machine has it, and calve sends it: no Nix is needed here, and it is the faster way.
    Files {
        /// What is registered.
        closure: &'a Closure,
        /// Where its files are.
        store: &'a HostStore,
    },
    /// This machine has it, and its Nix sends it.
    Nix {
        /// What is registered.
        closure: &'a Closure,
        /// Where its files are.
        store: &'a HostStore,
    },
    /// Another store has it. A cache (`http://`, `https://`, `s3://`) the target reads by itself; from any other store this
    /// machine's Nix streams it to the target, and keeps nothing.
    Store {
        /// As Nix calls it.
        url: &'a str,
    },
}

impl Source<'_> {
    /// The way in one word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Files { .. } => "calve",
            Self::Nix { .. } => "nix",
            Self::Store { .. } => "store",
        }
    }
}

/// Where it comes to.
#[derive(Clone, Copy)]
pub enum To<'a> {
    /// A machine at the other end of a connection.
    Ssh(&'a Ssh),
    /// This machine, or whatever answers in its place.
    Here(&'a dyn Target),
}

impl std::fmt::Debug for To<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "To({})", self.target().name())
    }
}

impl<'a> To<'a> {
    fn target(self) -> &'a dyn Target {
        match self {
            Self::Ssh(ssh) => ssh,
            Self::Here(target) => target,
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// How many paths were sent; for another store, how many came from it.
    pub paths: u64,
    /// The size of their NARs.
    pub bytes: u64,
    /// How many were there, or were got by the target itself.
    pub there: u64,
}

/// Copies a closure.
///
/// # Errors
/// See [`Error`]; what came whole until then is valid and need not come again.
pub fn copy(order: &Order<'_>, to: To<'_>, hear: &mut dyn Hear) -> Result<Copied, Error> {
    let copied = bring(order, to, hear)?;
    hear.progress(&copied.progress());
    Ok(copied)
}

fn bring(order: &Order<'_>, to: To<'_>, hear: &mut dyn Hear) -> Result<Copied, Error> {
    let target = to.target();
    if target.login() == Login::User {
        return Err(Error::Login { host: target.name().to_owned() });
    }
    let server = Server { target, order };
    if order.doubts {
        hear.progress(&Progress::at(Stage::Checking));
        torn::drop(&server)?;
    }
    match order.source {
        Source::Files { closure, store } => {
            let there = server.there(closure, hear)?;
            files::send(&server, closure, store, &there, hear)
        }
        Source::Nix { closure, store } => {
            let there = server.there(closure, hear)?;
            nix::send(&server, to, closure, store, &there, hear)
        }
        Source::Store { url } => nix::bring(&server, to, url, hear),
    }
}

impl Copied {
    fn progress(&self) -> Progress {
        let Self { paths, bytes, there: _ } = *self;
        Progress { paths, of_paths: paths, bytes, of_bytes: bytes, ..Progress::at(Stage::Ends) }
    }
}

#[cfg(test)]
mod tests;
