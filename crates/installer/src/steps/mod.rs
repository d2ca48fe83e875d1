//! An installation, step by step, before any of it is done.
//!
//! - [`step`]: one step: what it does in words, and the commands that do it
//! - `listing`: all of them as text, to be read before they are done
//! - `disk`: the partition table and what is in the partitions, from the same geometry as images
//! - `luks`, `format`: what makes an encrypted volume, a file system, a swap area
//! - `mount`: volumes opened and mounted, as the running system will have them
//! - [`existing`]: where the partitions of an installation are that was made before
//! - [`finish`]: what follows when the closure is there: files, keys, `nixos-install`
//! - `host_key`: who the installed system says that it is
//! - `engine`: what does the work of `nixos-install` where there is none
//! - `restart`: the machine starts what was installed
//! - [`guard`]: what stands before every command that destroys something
//!
//! Steps are values: they are listed by a dry run, noted in the journal when they are done, and run by
//! somebody else. Nothing here reaches a machine. A command says by name which secret it reads; the secret
//! itself is with whoever runs it.
//!
//! Each can be done again from its beginning. Those that are volatile ask first whether they are needed:
//! what they do is gone when the machine restarts, so it is done again whenever an installation goes on.

mod disk;
mod engine;
pub mod existing;
pub mod finish;
mod format;
pub mod guard;
mod host_key;
mod listing;
mod luks;
mod mount;
mod restart;
pub mod step;

pub use disk::{Place, disk};
pub use engine::Engine;
pub use existing::{Existing, Named, parts};
pub use finish::{Chown, Finish, install, is_kept};
pub use host_key::{HostKeyWay, host_key_path};
#[cfg(test)]
pub(crate) use listing::IN_SCRIPTS;
pub use listing::{listing, programs};
pub use mount::{Spot, mount};
pub use restart::restart;
pub use step::{Action, Command, Input, Phase, Step, copy};

/// Where the new system's file systems are mounted while it is installed.
pub const ROOT: &str = "/mnt";

/// Returns where a path of the new system lies while it is installed.
fn below_root(path: &calve_image_core::tree::TreePath) -> String {
    if path.is_root() { ROOT.to_owned() } else { format!("{ROOT}{path}") }
}

#[cfg(test)]
mod lab;
#[cfg(test)]
pub(crate) mod tests;
