//! File systems and archives: pure functions from a tree to a plan.
//!
//! - [`ext4`]: everything that Unix knows about files, for root
//! - [`fat`]: the EFI system partition
//! - [`squashfs`]: the store of live systems
//! - [`tar`]: container templates and WSL distributions

pub mod ext4;
pub mod fat;
pub mod squashfs;
pub mod tar;
