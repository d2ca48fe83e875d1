//! The two things that `nix` is asked for: what a closure holds, and to build a flake's system.
//!
//! `calve` works without Nix; where a `nix` is in the search path it knows best what its own store
//! holds. Its output is text here and gets parsed by the library. Words of `nix build` go straight to
//! the user; those of `nix path-info` are kept for the error.

use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use calve_image_core::inputs::store_path::StorePath;
use calve_installer::keys::Source;

/// Stable for years, and still called experimental.
const FEATURES: [&str; 2] = ["--extra-experimental-features", "nix-command flakes"];

/// How `nix` is run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How<'a> {
    /// The directory of a chroot store.
    pub(crate) store: Option<&'a Path>,
    /// Keys that its environment must not hold.
    pub(crate) hidden: &'a [Source],
}

/// Why `nix` gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It is not installed.
    #[error("nix is not in the search path")]
    Absent,
    /// It cannot be run.
    #[error("nix cannot be run")]
    Start(#[source] io::Error),
    /// It failed.
    #[error("{command} failed with {status}{}", said(.words))]
    Failed {
        /// What was run.
        command: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// What it said, where the user has not seen it yet.
        words: String,
    },
    /// Its answer is none that is known.
    #[error("nix path-info printed what cannot be understood")]
    Unexpected(#[source] Box<calve_image_core::inputs::path_info::Error>),
    /// Its answer is not even text.
    #[error("{command} printed what is not UTF-8")]
    NotText {
        /// What was run.
        command: &'static str,
    },
}

fn said(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(": {words}") }
}

/// What `nix path-info --recursive --json` prints of a path, in the shape of whichever Nix it is.
pub(crate) fn path_info(path: &StorePath, how: How<'_>) -> Result<String, Error> {
    told(nix(how), path)
}

/// Builds the system of a flake's host and leaves a link to it, which keeps it from collection.
///
/// Gives the toplevel's path as `nix` prints it.
pub(crate) fn build_system(flake: &Flake, link: &Path, how: How<'_>) -> Result<String, Error> {
    let mut command = nix(how);
    command.args(["build", "--print-out-paths", "--out-link"]).arg(link);
    command.arg(flake.installable());
    let printed = run(command, "nix build")?;
    Ok(printed.trim_end().to_owned())
}

/// The same of another store, as Nix calls it.
pub(crate) fn path_info_of(
    url: &str,
    path: &StorePath,
    hidden: &[Source],
) -> Result<String, Error> {
    told(nix_of(url, hidden), path)
}

fn told(mut command: Command, path: &StorePath) -> Result<String, Error> {
    command.args(["path-info", "--recursive", "--json"]).arg(path.to_string());
    command.stderr(Stdio::piped());
    run(command, "nix path-info")
}

/// Puts a path of another store into a directory, under its own name; nothing else of that name comes to be.
pub(crate) fn fetch(
    url: &str,
    path: &StorePath,
    directory: &Path,
    hidden: &[Source],
) -> io::Result<()> {
    let part = directory.join(format!(".part-{}", path.base_name()));
    let mut dump = nix_of(url, hidden);
    dump.args(["store", "dump-path"]).arg(path.to_string());
    let mut dump = dump.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut restore = Command::new("nix-store");
    hidden.iter().for_each(|source| source.hide_from(&mut restore));
    restore
        .arg("--restore")
        .arg(&part)
        .stdin(dump.stdout.take().map_or(Stdio::null(), Stdio::from));
    let restored = restore.stdout(Stdio::null()).stderr(Stdio::piped()).output()?;
    let dumped = dump.wait_with_output()?;
    // Each fails when the other does; whoever has a reason says it.
    let failed: Vec<_> =
        [dumped, restored].into_iter().filter(|output| !output.status.success()).collect();
    if !failed.is_empty() {
        let words = failed.iter().map(|output| String::from_utf8_lossy(&output.stderr));
        let words = words.map(|words| words.trim().to_owned()).find(|words| !words.is_empty());
        return Err(io::Error::other(
            words.unwrap_or_else(|| "nix ended without a word".to_owned()),
        ));
    }
    std::fs::rename(part, directory.join(path.base_name()))
}

/// A `nix` for another store.
fn nix_of(url: &str, hidden: &[Source]) -> Command {
    let mut command = nix(How { store: None, hidden });
    command.args(["--store", url]);
    command
}

fn nix(how: How<'_>) -> Command {
    let mut command = Command::new("nix");
    command.args(FEATURES);
    for source in how.hidden {
        source.hide_from(&mut command);
    }
    if let Some(store) = how.store {
        // Nix takes a relative path for the name of a kind of store.
        let store = std::path::absolute(store).unwrap_or_else(|_| store.to_owned());
        command.arg("--store").arg(store);
    }
    command.stdin(Stdio::null());
    command
}

fn run(mut command: Command, name: &'static str) -> Result<String, Error> {
    tracing::debug!(?command, "running");
    let spawned = command.stdout(Stdio::piped()).spawn();
    let output = match spawned.and_then(std::process::Child::wait_with_output) {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Error::Absent),
        Err(error) => return Err(Error::Start(error)),
    };
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::Failed { command: name, status: output.status, words });
    }
    String::from_utf8(output.stdout).map_err(|_| Error::NotText { command: name })
}

/// A host of a flake: `REF#HOST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flake {
    reference: String,
    host: String,
}

impl Flake {
    /// The host's name.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// What `nix build` calls the host's toplevel.
    fn installable(&self) -> String {
        let Self { reference, host } = self;
        format!("{reference}#nixosConfigurations.\"{host}\".config.system.build.toplevel")
    }
}

impl std::str::FromStr for Flake {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected REF#HOST, such as .#web or github:me/config#web";
        let (reference, host) =
            text.rsplit_once('#').ok_or_else(|| format!("{expected}: HOST is missing"))?;
        if host.is_empty() || host.contains(['"', '\\', '$', '/']) {
            return Err(format!("{expected}: {host:?} is no name of a host"));
        }
        let reference = if reference.is_empty() { "." } else { reference };
        Ok(Self { reference: reference.to_owned(), host: host.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn hosts_of_flakes() {
        let flake: Flake = "github:me/config#web.example".parse().unwrap();
        assert_eq!(
            flake.installable(),
            "github:me/config#nixosConfigurations.\"web.example\".config.system.build.toplevel"
        );
        assert_eq!("#a".parse::<Flake>().unwrap().reference, ".");
        for text in [".", ".#", ".#a\"b", ".#nixosConfigurations/a"] {
            assert!(text.parse::<Flake>().is_err(), "{text}");
        }
    }
}
