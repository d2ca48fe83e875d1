//! Bootable images, computed from NixOS closures that are already built.
//!
//! ```text
//!   inputs ──► Tree ──► (pack) ──► Plan ──► one loop ──► Region
//!   closure    what the            which bytes           where they
//!   bootspec   files are           go where              land
//! ```
//!
//! - A [`tree::Tree`] says what the files are: ordered entries, parents first, no duplicates.
//! - A [`plan::Plan`] is the image written down: ordered, non-overlapping pieces, each an offset, a
//!   label and a content. A writer is a pure function from tree to plan; a partition is a plan
//!   nested in another one.
//! - A [`region::Region`] is where bytes land: a file, a device or a stream. There is one loop,
//!   [`region::write`], and it is the only code that reads files' data or writes anything.
//!
//! Nothing here mounts, runs a process, asks the clock, reads the environment or keeps global
//! state: the same inputs give the same bytes, on any machine, for any architecture, without
//! privileges. `clippy.toml` beside this crate makes the compiler hold us to it.
//!
//! The modules, in the order data flows:

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, clippy::as_conversions))]

pub mod base64;
pub mod epoch;
pub mod ids;
pub mod units;
pub mod xts;

pub mod inputs;

pub mod tree;

pub mod boot;
pub mod cache;
pub mod pack;
pub mod plan;
pub mod writers;

pub mod disk;
pub mod formats;
pub mod report;

pub mod inspect;
pub mod output;
pub mod region;
