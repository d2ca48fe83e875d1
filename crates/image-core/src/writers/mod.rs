//! File systems and archives: pure functions from a tree to a plan.
//!
//! - [`fat`]: the EFI system partition

pub mod fat;
