//! Other programs that do the same work.
//!
//! They come from the package registry by exact version, are built once below `target/peers`, and
//! are linked into nothing.

use std::path::PathBuf;

use super::Error;
use crate::program::{self, say};
use crate::repo;

/// `fstool`: a general image tool in Rust, the nearest competitor.
pub(super) fn fstool() -> Result<PathBuf, Error> {
    install("fstool", &["fstool", "--version", "=0.5.2"])
}

/// `mkext4`: an ext4 writer in Rust; its example program makes an image of a directory.
pub(super) fn mkext4() -> Result<PathBuf, Error> {
    install("mkfs", &["mkext4", "--version", "=0.0.3", "--example", "mkfs"])
}

fn install(binary: &str, args: &[&str]) -> Result<PathBuf, Error> {
    let root = repo::target().join("peers");
    let path = root.join("bin").join(binary);
    if !path.exists() {
        say(&format!("building the peer {}", args[0]));
        let mut command = program::command("cargo");
        command.args(["install", "--quiet", "--locked", "--root"]).arg(&root).args(args);
        command.env("CARGO_TARGET_DIR", root.join("build"));
        program::run(&mut command)?;
    }
    Ok(path)
}
