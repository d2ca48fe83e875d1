//! `cargo xtask bench`: calve beside the other ways of doing the same work, in one run.
//!
//! These machines are noisy, so only ratios within one run mean anything: every round runs every
//! contender once, in turn, and medians over the rounds are compared. Both sides of a comparison are
//! timed up to `sync -f` of what they wrote. Nothing here is asserted: a benchmark is read by people.
//!
//! - [`measure`]: one run of one contender: wall, CPU, peak memory, size
//! - [`table`]: rounds into medians and ratios, as Markdown
//! - [`stage`]: the trees that contenders work on
//! - [`peers`]: other programs that do the same work, installed where they are missing
//! - [`disk`]: the comparisons for disk images

mod disk;
mod measure;
mod peers;
mod stage;
mod table;

use std::path::PathBuf;

use crate::program::{self, say};
use crate::setup::Need;
use crate::{fixture, repo, setup};

/// What to measure, and how often.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to measure.
    subject: Subject,
    /// Rounds; each runs every contender once.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only comparisons whose title holds this text.
    #[arg(long)]
    only: Option<String>,
    /// Write the tables to docs/benchmarks.md.
    #[arg(long)]
    write: bool,
}

/// The benchmarks there are.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Subject {
    /// Disk images and ext4, beside tar, mke2fs, nixpkgs' way and the peers.
    Disk,
}

/// Why a benchmark stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Setup(#[from] setup::Error),
    #[error(transparent)]
    Fixture(#[from] fixture::Error),
    #[error(transparent)]
    Program(#[from] program::Error),
    #[error("cannot {what} {path}: {source}")]
    File { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{contender} failed in round {round}: {said}")]
    Contender { contender: String, round: usize, said: String },
}

/// What only benchmarks use.
const NEEDS: [Need; 3] = [
    Need { file: "/usr/bin/time", package: "time" },
    Need { file: "genext2fs", package: "genext2fs" },
    Need { file: "openssl", package: "openssl" },
];

/// `cargo xtask bench`.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    setup::with(&NEEDS)?;
    let report = match args.subject {
        Subject::Disk => disk::run(args)?,
    };
    say(&report);
    if args.write {
        let path = repo::root().join("docs/benchmarks.md");
        std::fs::write(&path, report).map_err(|source| Error::File {
            what: "write",
            path: path.clone(),
            source,
        })?;
        say(&format!("written to {}", path.display()));
    }
    Ok(())
}
