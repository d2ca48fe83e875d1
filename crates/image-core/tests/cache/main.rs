//! The contracts of the cache: what is in it is whole, stays while it is used, and goes when it is
//! too much; whoever else works in the directory, and whoever was killed there.
//!
//! - `sample`: entries whose bytes follow from their number
//! - `keeping`: what goes in comes out; drafts leave nothing
//! - `damage`: whatever is wrong with an entry, it counts as missing
//! - `trimming`: the bound, who goes first, who stays
//! - `together`: threads and processes at once; processes killed at any moment
//! - `places`: directories that are full, read-only, somebody else's

#![allow(clippy::unwrap_used, clippy::panic, clippy::as_conversions, missing_docs)]
#![allow(clippy::print_stderr)]
// Tests run outside tools and themselves, and look at the directory with their own eyes.
#![allow(clippy::disallowed_methods)]

#[path = "../contract/mod.rs"]
mod contract;
mod damage;
mod keeping;
mod places;
mod sample;
mod together;
mod trimming;
