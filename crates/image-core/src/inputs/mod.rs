//! What calve reads: a closure's description and the files in it that decide whether it boots.
//!
//! - [`store_path`], [`nix_base32`], [`nar_hash`], [`nar`]: names and hashes of the store
//! - [`closure`]: the paths of a system; read from a [`registration`], from `nix path-info` JSON
//!   ([`path_info`]) or from a store's database ([`store_db`])
//! - [`store`]: the store's files on this machine, also of a chroot store
//! - [`bootspec`]: kernel, initrd and command line, per specialisation
//! - [`fstab`], [`crypttab`] (each a [`table`]), [`device_spec`]: what a system mounts and how it names
//!   the devices; [`binds`]: what it shows in a second place
//! - [`initrd`], [`stage1`]: what the first stage has at hand and what it will do; [`remote_unlock`]: how it can
//!   be reached; [`secret_appender`]: which secrets it needs
//! - [`installer`]: which boot loader the closure would install; [`builder`]: how it is configured
//! - [`script`]: what starts a program; [`first_boot`]: what a closure does once
//! - [`activation`]: what the first activation would make
//! - [`system`]: a toplevel with all of the above
//!
//! And what an image is filled with:
//!
//! - [`store_tree`]: the closure's files
//! - [`generated`]: Nix' state around them, its database ([`nix_db`]) included
//! - [`users`]: the accounts that the first activation makes
//! - [`overlay`]: files that the user adds, and where those for `/etc` go ([`etc_dir`])
//! - [`host_key`]: an SSH host key, or its public half
//!
//! Readers start no processes, read no environment and no clock. They never run code of the closure.

pub mod activation;
pub mod binds;
pub mod bootspec;
pub mod builder;
pub mod closure;
pub mod crypttab;
pub mod device_spec;
pub mod etc_dir;
pub mod first_boot;
pub mod fstab;
pub mod generated;
pub mod host_key;
pub mod initrd;
pub mod installer;
pub mod nar;
pub mod nar_hash;
pub mod nix_base32;
pub mod nix_db;
pub mod overlay;
pub mod path_info;
pub mod registration;
pub mod remote_unlock;
pub mod script;
pub mod secret_appender;
pub mod stage1;
pub mod store;
pub mod store_db;
pub mod store_path;
pub mod store_tree;
pub mod system;
pub mod table;
pub mod users;
