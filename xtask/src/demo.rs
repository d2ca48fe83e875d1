//! `cargo xtask demo`: calve's main job on real input, from nothing to a login prompt.

use crate::program::{self, say};
use crate::{fixture, repo, setup, test};

/// Why the demo stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Setup(#[from] setup::Error),
    #[error(transparent)]
    Fixture(#[from] fixture::Error),
    #[error("cannot make {path}: {source}")]
    Dir { path: std::path::PathBuf, source: std::io::Error },
    #[error(transparent)]
    Program(#[from] program::Error),
}

/// `cargo xtask demo`.
pub(crate) fn run() -> Result<(), Error> {
    setup::run()?;
    fixture::build(&["full"])?;
    let (calve, target) = (test::build_calve()?, repo::target());
    let dir = target.join("demo");
    std::fs::create_dir_all(&dir).map_err(|source| Error::Dir { path: dir.clone(), source })?;
    let (calve, target) = (repo::typed(&calve), repo::typed(&target));
    let (system, image) = (target.join("fixture/full/system"), target.join("demo/disk.raw"));

    let mut build = program::command(&calve.to_string_lossy());
    build.args(["build", "disk"]).arg(&system).arg("--registration");
    build.arg(system.with_file_name("registration"));
    build.arg("-o").arg(&image).arg("--force");
    say(&format!("\n$ {}", program::line(&build)));
    program::run(&mut build)?;

    let mut boot = program::command(&calve.to_string_lossy());
    boot.arg("boot").arg(&image).args([
        "--expect",
        "login:",
        "--expect",
        "SAMPLE-SYSTEM-UP",
        "--timeout",
        "300",
    ]);
    say(&format!("\n$ {}", program::line(&boot)));
    program::run(&mut boot)?;

    let (calve, image) = (calve.display(), image.display());
    say(&format!("\nA system that was only a closure in /nix/store is now {image}: partitioned,"));
    say(
        "filled and made bootable without root, mounts or a VM; QEMU booted it to its login prompt.",
    );
    say(&format!("Next: `{calve} boot {image} --interactive`, or `{calve} build disk ./result`."));
    Ok(())
}
