//! What makes an image start: the boot loader's files, and the checks that come before all else.
//!
//! - [`preflight`]: holds what a closure expects against what a layout gives, before any output
//! - [`systemd_boot`]: the files of the ESP, as NixOS' own builder would leave them
//! - [`esp`]: those files as entries of a tree, and the room that an ESP must have for them
//! - [`grub`]: GRUB's images for CD drives and UEFI, linked here from a closure's own GRUB
//! - [`initrd_secrets`]: what is appended to the initrd on the ESP, and kept for later rebuilds
//! - [`remote_unlock`]: whether somebody can unlock it from afar, and what that takes
//! - [`live_menu`]: what a live medium offers to start, in the words of each boot loader

pub mod esp;
pub mod grub;
pub mod initrd_secrets;
pub mod live_menu;
pub mod preflight;
pub mod remote_unlock;
pub mod systemd_boot;

#[cfg(test)]
pub(crate) mod sample;
