//! File systems and archives: pure functions from a tree to a plan.
//!
//! - [`ext4`]: everything that Unix knows about files, for root
//! - [`fat`]: the EFI system partition
//! - [`iso9660`]: CDs and sticks that start
//! - [`squashfs`]: the store of live systems
//! - [`swap`]: room for memory that is not used
//! - [`tar`]: container templates and WSL distributions

pub mod ext4;
pub mod fat;
pub mod iso9660;
mod ondisk;
pub mod squashfs;
pub mod swap;
pub mod tar;
