//! `cargo xtask check`: what must hold before anything is tested.

use crate::program::{self, say};
use crate::repo;

/// Most packages that Cargo.lock may name. Each one is code somebody has to trust: raise this
/// only together with the reason in Cargo.toml.
const MOST_PACKAGES: usize = 236;

/// Checkers that no Debian package brings: used where they are installed.
const OPTIONAL: [(&str, &[&str]); 2] =
    [("cargo-deny", &["--all-features", "check", "--hide-inclusion-graph"]), ("typos", &[])];

/// Why the checks did not pass.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("Cargo.lock names {found} packages, at most {MOST_PACKAGES} are allowed")]
    TooManyPackages { found: usize },
    #[error("cannot read {path}: {source}")]
    Read { path: std::path::PathBuf, source: std::io::Error },
    #[error(transparent)]
    Program(#[from] program::Error),
}

/// `cargo xtask check`.
pub(crate) fn run() -> Result<(), Error> {
    program::run(repo::cargo().args(["fmt", "--all", "--check"]))?;
    program::run(repo::cargo().args([
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    ceiling()?;
    for (name, args) in OPTIONAL {
        if program::find(name).is_some() {
            program::run(program::command(name).args(args).current_dir(repo::root()))?;
        } else {
            say(&format!("check: SKIPPED: {name} is not installed"));
        }
    }
    say("check: passed");
    Ok(())
}

fn ceiling() -> Result<(), Error> {
    let path = repo::root().join("Cargo.lock");
    let text = std::fs::read_to_string(&path).map_err(|source| Error::Read { path, source })?;
    let found = text.lines().filter(|line| *line == "[[package]]").count();
    if found > MOST_PACKAGES {
        return Err(Error::TooManyPackages { found });
    }
    Ok(())
}
