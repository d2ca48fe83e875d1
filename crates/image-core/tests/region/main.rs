//! The contracts of the loop: what lands, whatever the region, the workers or the state of a disk.
//!
//! - `model`: a plan rendered by the slowest code that could work, with another XTS
//! - `landing`: every region and any number of workers against the model; poisoned devices
//! - `copying`: ranges that the kernel copies, clones or refuses to
//! - `failing`: changed sources, full disks, closed pipes, missing keys, cancelling

#![allow(clippy::unwrap_used, clippy::panic, clippy::as_conversions, missing_docs)]
#![allow(clippy::print_stderr)]
// Tests run outside tools, look whether they run in CI, and hang up on pipes.
#![allow(clippy::disallowed_methods)]

#[path = "../contract/mod.rs"]
mod contract;
mod copying;
mod failing;
mod landing;
mod model;
