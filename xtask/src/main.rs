//! calve's own chores, one file each; `cargo xtask --help` lists them.
//!
//! They install what a fresh machine lacks, build the sample systems, run the tests and show the
//! program at work. Nothing of calve itself lives here.

mod bench;
mod check;
mod demo;
mod fixture;
mod program;
mod repo;
mod setup;
mod test;

use std::process::ExitCode;

use clap::Parser;
use program::say;

/// The chores of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
enum Chore {
    /// Install the programs that tests and the demo need.
    Setup,
    /// Build sample systems: closures in the shape of NixOS, below target/fixture.
    Fixture(fixture::Args),
    /// Set up, build the sample systems, run every test.
    Test(test::Args),
    /// Build a disk image from a sample system and boot it.
    Demo,
    /// Measure calve beside the other ways of doing the same work.
    Bench(bench::Args),
    /// Formatting, lints, and the ceiling on dependencies.
    Check,
}

/// Why a chore stopped.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Setup(#[from] setup::Error),
    #[error(transparent)]
    Fixture(#[from] fixture::Error),
    #[error(transparent)]
    Test(#[from] test::Error),
    #[error(transparent)]
    Demo(#[from] demo::Error),
    #[error(transparent)]
    Bench(#[from] bench::Error),
    #[error(transparent)]
    Check(#[from] check::Error),
}

fn main() -> ExitCode {
    match run(&Chore::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(&format!("xtask: {failure}"));
            ExitCode::FAILURE
        }
    }
}

fn run(chore: &Chore) -> Result<(), Failure> {
    match chore {
        Chore::Setup => setup::run()?,
        Chore::Fixture(args) => fixture::run(args)?,
        Chore::Test(args) => test::run(args)?,
        Chore::Demo => demo::run()?,
        Chore::Bench(args) => bench::run(args)?,
        Chore::Check => check::run()?,
    }
    Ok(())
}
