//! `cargo xtask test`: everything a test needs, then every test.
//!
//! Boot scenarios run the built `calve` (`CALVE_BIN`) on the sample systems. How many guests run
//! side by side is decided in `.config/nextest.toml`, where nextest is installed.

use std::path::PathBuf;

use crate::program::{self, say};
use crate::{fixture, repo, setup};

/// The samples that tests boot; `big` and `big-live` are for benchmarks only.
const SAMPLES: [&str; 12] = [
    "mini",
    "full",
    "full-systemd",
    "encrypted",
    "encrypted-systemd",
    "encrypted-two",
    "container",
    "wsl",
    "live-mini",
    "live",
    "live-systemd",
    "installer",
];

/// Arguments of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Given to the test runner as they are, after `--`: a part of a test's name, for instance.
    #[arg(last = true)]
    runner: Vec<String>,
}

/// Why the tests did not pass, or could not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Setup(#[from] setup::Error),
    #[error(transparent)]
    Fixture(#[from] fixture::Error),
    #[error(transparent)]
    Program(#[from] program::Error),
}

/// `cargo xtask test`.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    setup::run()?;
    fixture::build(&SAMPLES)?;
    let calve = build_calve()?;
    let mut runner = repo::cargo();
    if program::find("cargo-nextest").is_some() {
        // nextest does not run what is in doc comments.
        program::run(repo::cargo().args(["test", "--quiet", "--doc", "--workspace"]))?;
        runner.args(["nextest", "run", "--workspace"]).args(&args.runner);
    } else {
        say("test: cargo-nextest is not installed; its limit on guests does not hold");
        runner.args(["test", "--workspace"]).args(&args.runner);
    }
    program::run(runner.env("CALVE_BIN", calve))?;
    Ok(())
}

/// Builds `calve` as users get it.
pub(crate) fn build_calve() -> Result<PathBuf, program::Error> {
    program::run(repo::cargo().args(["build", "--release", "--package", "calve"]))?;
    Ok(repo::target().join("release/calve"))
}
