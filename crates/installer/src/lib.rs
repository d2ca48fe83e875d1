//! Brings up machines from NixOS closures that are already built. Nothing is here yet.
//!
//! Images came first, because an installed machine and a tested image are made from one layout
//! description (`calve_image_core::disk::Layout`). What goes here: survey of a host, the printable steps
//! of an installation, their journal, and the unlocking of encrypted roots over SSH
//! (`docs/architecture.md`).
