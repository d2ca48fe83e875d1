//! An installation, step by step, before any of it is done.
//!
//! - `disk`: the partition table and what is in the partitions, from the same geometry as images
//! - [`step`]: one step: what it does in words, and the commands that do it
//! - [`guard`]: what stands before every command that destroys something
//!
//! Steps are values: they are listed by a dry run, noted in the journal when they are done, and run by
//! somebody else. Nothing here reaches a machine. A command says by name which secret it reads; the secret
//! itself is with whoever runs it.

mod disk;
pub mod guard;
pub mod step;

pub use disk::{Place, disk};
pub use step::{Command, Input, Phase, Step};

/// Where the new system's file systems are mounted while it is installed.
pub const ROOT: &str = "/mnt";
