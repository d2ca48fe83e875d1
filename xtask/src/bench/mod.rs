//! `cargo xtask bench`: calve beside the other ways of doing the same work, in one run.
//!
//! These machines are noisy, so only ratios within one run mean anything: every round runs every
//! contender once, in turn, and medians over the rounds are compared. Both sides of a comparison are
//! timed up to `sync -f` of what they wrote. Nothing here is asserted: a benchmark is read by people.
//!
//! - [`measure`]: one run of one contender: wall, CPU, peak memory, size
//! - [`table`]: rounds into medians and ratios, as Markdown
//! - [`report`]: docs/benchmarks.md, of which every benchmark owns a section
//! - [`stage`]: the trees that contenders work on
//! - [`peers`]: other programs that do the same work, installed where they are missing
//! - [`disk`]: the comparisons for disk images
//! - [`archive`]: the comparisons for compressed archives
//! - [`iso`]: the comparison for installation media
//! - [`luks`]: the comparisons for encrypted volumes
//! - [`install`]: the comparison for copying a closure to a machine
//! - [`verdict`]: promises beside figures

mod archive;
mod disk;
mod install;
mod iso;
mod luks;
mod measure;
mod peers;
mod report;
mod stage;
mod table;
mod verdict;

use std::path::PathBuf;

use crate::program::{self, say};
use crate::setup::Need;
use crate::{fixture, repo, setup};

/// What to measure, and how often.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    subject: Subject,
}

/// The benchmarks there are.
#[derive(Debug, clap::Subcommand)]
enum Subject {
    /// Disk images and ext4, beside tar, mke2fs, nixpkgs' way and the peers.
    Disk(How),
    /// LXC and WSL archives, beside tar into zstd, xz and gzip; and rebuilding them.
    Archive(archive::Args),
    /// Installation media, beside mksquashfs and xorriso; and rebuilding them.
    Iso(iso::Args),
    /// Encrypted volumes, beside plain ones, cryptsetup, OpenSSL and the peers.
    Luks(How),
    /// A closure copied over SSH, beside nix copy.
    Install(install::Args),
}

/// What all benchmarks ask.
#[derive(Debug, clap::Args)]
struct How {
    /// Rounds; each runs every contender once. As many as a comparison deserves when not given.
    #[arg(long)]
    rounds: Option<usize>,
    /// Only comparisons whose title holds one of these texts.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Write the tables to docs/benchmarks.md.
    #[arg(long)]
    write: bool,
}

impl How {
    /// What of the report the tables of this run take the place of.
    fn replaces(&self) -> report::Replaces {
        if self.only.is_empty() { report::Replaces::Section } else { report::Replaces::Tables }
    }

    fn wants(&self, title: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| title.contains(only.as_str()))
    }
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
const NEEDS: [Need; 4] = [
    Need { file: "/usr/bin/time", package: "time" },
    Need { file: "genext2fs", package: "genext2fs" },
    Need { file: "openssl", package: "openssl" },
    Need { file: "cryptsetup", package: "cryptsetup-bin" },
];

/// `cargo xtask bench`.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    setup::with(&NEEDS)?;
    let (section, text, how) = match &args.subject {
        Subject::Disk(how) => ("disk", disk::run(how)?, how),
        Subject::Archive(args) => ("archive", archive::run(args)?, &args.how),
        Subject::Iso(args) => ("iso", iso::run(args)?, &args.how),
        Subject::Luks(how) => ("luks", luks::run(how)?, how),
        Subject::Install(args) => ("install", install::run(args)?, &args.how),
    };
    say(&text);
    if how.write {
        let path = report::write(section, &text, how.replaces())?;
        say(&format!("written to {}", path.display()));
    }
    Ok(())
}

/// Builds what is measured, as it is shipped.
fn build_calve() -> Result<PathBuf, Error> {
    let args = ["build", "--release", "--quiet", "--package=calve"];
    program::run(program::command("cargo").args(args))?;
    Ok(repo::target().join("release/calve"))
}
