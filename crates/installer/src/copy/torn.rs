//! Paths that a power cut left without their contents.
//!
//! Nix registers a path as soon as its files are written, and leaves it to the kernel when they come to the disk. A target that is cut off in
//! the middle of a copy may so come back with paths that are valid and empty. They are found by their hashes and
//! forgotten, with those that refer to them, so that they are sent again.

use calve_image_core::inputs::store_path::StorePath;

use super::Error;
use super::server::{PROGRAM, Server};
use crate::target::{Answer, Call};

/// How `nix-store --verify` says that a path is not what it was.
const TORN: [&str; 3] =
    ["was modified!", "disappeared, but it still has valid referrers", "error: reading"];

/// Forgets what is torn.
pub(super) fn drop(server: &Server<'_>) -> Result<(), Error> {
    // It ends with 1 where it found something.
    let found = call(server, &["--verify", "--check-contents"], &[])?;
    let torn = torn(&found.err);
    if torn.is_empty() {
        return if found.is_good() { Ok(()) } else { Err(server.refused(&found)) };
    }
    let input = torn.iter().map(|path| format!("{path}\n")).collect::<String>();
    let referrers = call(server, &["--query", "--referrers-closure"], input.as_bytes())?;
    if !referrers.is_good() {
        return Err(server.refused(&referrers));
    }
    let deleted = call(server, &["--delete", "--ignore-liveness"], &referrers.out)?;
    if deleted.is_good() { Ok(()) } else { Err(server.refused(&deleted)) }
}

/// Runs `nix-store` on the store; paths are read, since so many words are too many for one command line of ssh.
fn call(server: &Server<'_>, words: &[&str], paths: &[u8]) -> Result<Answer, Error> {
    let uri = server.uri();
    let xargs: &[&str] = if paths.is_empty() { &[] } else { &["xargs", "-s", "1000000"] };
    let nix_store = [PROGRAM, "--store", &uri];
    let under = server.order.under.iter().copied();
    let words: Vec<&str> =
        under.chain(xargs.iter().copied()).chain(nix_store).chain(words.iter().copied()).collect();
    let call = Call { input: paths, as_root: true, ..Call::new(&words) };
    Ok(server.target.call(&call)?)
}

/// The paths that a verification complains about.
fn torn(text: &str) -> Vec<StorePath> {
    let lines = text.lines().filter(|line| TORN.iter().any(|torn| line.contains(torn)));
    let mut torn: Vec<StorePath> = lines.filter_map(super::error::path_in).collect();
    torn.sort();
    torn.dedup();
    torn
}
