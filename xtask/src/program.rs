//! Running other programs, and speaking to the user.
//!
//! A command that fails becomes an error that holds the command line and what it said last.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Where programs may lie that are not in an ordinary user's `PATH` on Debian.
const SYSTEM_DIRS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Why another program did not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It could not be started.
    #[error("cannot start `{command}`: {source}")]
    Start { command: String, source: std::io::Error },
    /// It ran and said no.
    #[error("`{command}` failed ({status}){said}")]
    Failed { command: String, status: std::process::ExitStatus, said: String },
}

/// Says one line to the user.
pub(crate) fn say(line: &str) {
    // A closed stderr is no reason to stop a chore.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Finds a program by name, in `PATH` and in the system directories.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(SYSTEM_DIRS.iter().map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|candidate| candidate.is_file())
}

/// A command that also finds programs in the system directories.
pub(crate) fn command(name: &str) -> Command {
    let mut command = Command::new(find(name).unwrap_or_else(|| PathBuf::from(name)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(SYSTEM_DIRS.iter().map(PathBuf::from));
    if let Ok(joined) = std::env::join_paths(dirs) {
        command.env("PATH", joined);
    }
    command
}

/// Runs a command whose output goes to the user.
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    let status =
        command.status().map_err(|source| Error::Start { command: line(command), source })?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Failed { command: line(command), status, said: String::new() })
}

/// Runs a command and returns what it printed; its complaints are kept for the error.
pub(crate) fn read(command: &mut Command) -> Result<String, Error> {
    let Output { status, stdout, stderr } = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Error::Start { command: line(command), source })?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    let complaints = String::from_utf8_lossy(&stderr);
    let mut said: Vec<&str> = complaints.lines().rev().take(20).collect();
    said.push("");
    said.reverse();
    Err(Error::Failed { command: line(command), status, said: said.join("\n  ") })
}

/// Whether this process may do what only root may.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    Path::new("/proc/self").metadata().is_ok_and(|me| me.uid() == 0)
}

/// A command as a person would type it.
pub(crate) fn line(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy().into_owned()));
    words.join(" ")
}
