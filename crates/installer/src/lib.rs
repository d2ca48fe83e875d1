//! Brings up machines from NixOS closures that are already built.
//!
//! - [`host_key`]: the SSH host key that a machine is given at its first boot
//! - [`journal`]: what of an installation was begun and done
//! - [`keys`]: where keys and passphrases come from
//! - `patience`: waiting that somebody can end
//! - [`refuse`]: what about a machine forbids an installation
//! - [`run`]: an installation, done: its steps over a target, with a journal
//! - [`steps`]: an installation, step by step, before any of it is done
//! - [`unlock`]: the encrypted disks of a host that starts, opened over SSH
//! - [`target`]: the machine that is surveyed or installed: this one, or one that the user's own ssh reaches
//! - [`survey`]: what a machine is, what disks it has, what is on them, and who uses them; changes nothing
//! - [`copy`]: a closure that comes into the store on a target's disk
//! - [`verify`]: an installed machine, after its restart, runs what was installed
//! - [`write`]: an image written to a stick or a disk
//!
//! Images came first, because an installed machine and a tested image are made from one layout
//! description (`calve_image_core::disk::Layout`; `docs/architecture.md`).
//!
//! Nothing here prints, prompts or logs: values come back, and errors that name the thing. What other machines say, and what
//! disks are called, comes back as it is: whoever shows it leaves out what a terminal would obey.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr))]

pub mod copy;
pub mod host_key;
pub mod journal;
pub mod keys;
mod patience;
pub mod refuse;
pub mod run;
pub mod steps;
pub mod survey;
pub mod target;
pub mod unlock;
pub mod verify;
pub mod write;
