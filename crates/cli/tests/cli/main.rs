//! The real binary on a fake system: every word it prints, and its exit code, without Nix or QEMU.
//!
//! One file per command. [`fake`] makes what a command is run on, [`run`] runs it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, missing_docs)]

mod boot;
mod build_disk;
mod build_iso;
mod build_lxc;
mod build_secrets;
mod build_wsl;
mod cache;
mod check;
mod encrypted;
mod fake;
mod first_boot;
mod help;
mod host_key;
mod initrd;
mod install;
mod installer;
mod keygen;
mod luks;
mod profiles;
mod pty;
mod reproducible;
mod run;
mod schema;
mod show;
mod sources;
mod unlock;
mod unlock_trust;
mod watched;
mod write;

/// A test file that is not listed above would pass by never being run.
#[test]
fn every_file_is_listed() {
    let listed = include_str!("main.rs");
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli");
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_test = path.extension().is_some_and(|extension| extension == "rs");
        assert!(!is_test || name == "main" || listed.contains(&format!("mod {name};")), "{path:?}");
    }
}
