//! Where this machine keeps what it knows of an installation: its journal, and the root of its closure.
//!
//! `$XDG_STATE_HOME/calve/install` by the XDG base directory specification: it must outlive a restart, and is
//! of no use on another machine.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use calve_image_core::output::{self, Existing, Output};

use crate::failure::Failure;

/// The files of one machine's installation.
#[derive(Debug, Clone)]
pub(super) struct State {
    directory: PathBuf,
    name: String,
}

impl State {
    /// The files of a machine, by what the user calls it.
    pub(super) fn of(machine: &str) -> Result<Self, Failure> {
        let (xdg, home) = (std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"));
        let directory = directory(xdg, home).ok_or_else(|| {
            Failure::usage("neither XDG_STATE_HOME nor HOME says where the journal would be")
                .hint("XDG_STATE_HOME=DIR calve install …")
        })?;
        Ok(Self { directory, name: file_name(machine) })
    }

    /// The journal of an installation, or of the mounting of one that is there.
    pub(super) fn journal(&self, installs: bool) -> PathBuf {
        let ending = if installs { "journal" } else { "mount.journal" };
        self.directory.join(format!("{}.{ending}", self.name))
    }

    /// The installed system's public host key.
    pub(super) fn key(&self) -> PathBuf {
        self.directory.join(format!("{}.pub", self.name))
    }

    /// Writes one of these files; one that is there is replaced.
    pub(super) fn keep(&self, path: &Path, line: &str) -> Result<(), Failure> {
        let output = Output::create(path, Existing::Replace)?;
        output.file().write_all(format!("{line}\n").as_bytes()).map_err(|source| {
            output::Error::Io { action: "write", path: path.to_owned(), source }
        })?;
        Ok(output.commit()?)
    }

    /// The link that keeps the closure from being collected here.
    pub(super) fn root(&self) -> PathBuf {
        self.directory.join(format!("{}.system", self.name))
    }
}

fn directory(xdg: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    // A relative path is to be ignored, says the specification.
    let absolute = |path: OsString| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    let state = xdg.and_then(absolute);
    let state = state.or_else(|| Some(home.and_then(absolute)?.join(".local/state")))?;
    Some(state.join("calve/install"))
}

/// A name for files: ssh takes nearly anything for a host's.
fn file_name(machine: &str) -> String {
    let plain = |letter: char| {
        if letter == '/' || letter.is_control() { '_' } else { letter }
    };
    let name: String = machine.chars().map(plain).collect();
    if name.starts_with('.') { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn directories_and_names() {
        let of = |xdg: &str, home: &str| directory(Some(xdg.into()), Some(home.into()));
        assert_eq!(of("/state", "/home/a").unwrap(), PathBuf::from("/state/calve/install"));
        assert_eq!(
            of("state", "/home/a").unwrap(),
            PathBuf::from("/home/a/.local/state/calve/install")
        );
        assert_eq!(of("", ""), None);
        assert_eq!(file_name("root@[fe80::1%eth0]"), "root@[fe80::1%eth0]");
        assert_eq!(file_name("../x"), "_.._x");
    }
}
