//! Keys of the real `ssh-keygen`.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Nothing where a program is not installed, which CI must not be.
pub(crate) fn need(program: &str) -> Option<()> {
    if Command::new(program).arg("--version").output().is_ok() {
        return Some(());
    }
    let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    assert!(!ci, "CI must not skip: {program} is not installed");
    eprintln!("SKIPPED: {program} is not installed");
    None
}

/// Somebody else's key generator, in a directory of its own.
pub(crate) struct Keygen {
    directory: tempfile::TempDir,
}

impl Keygen {
    /// Nothing where it is not installed.
    pub(crate) fn new() -> Option<Self> {
        need("ssh-keygen")?;
        Some(Self { directory: tempfile::tempdir().unwrap() })
    }

    /// Where the keys are.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Makes a key: two files, NAME and NAME.pub.
    pub(crate) fn generate(&self, name: &str, passphrase: &str) {
        let mut command = Command::new("ssh-keygen");
        command.current_dir(self.directory()).args(["-q", "-t", "ed25519", "-C", name]);
        assert!(command.args(["-f", name, "-N", passphrase]).status().unwrap().success());
    }

    /// One of the files.
    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.directory().join(name)).unwrap()
    }

    /// What it calls a key.
    pub(crate) fn fingerprint(&self, name: &str) -> String {
        let mut command = Command::new("ssh-keygen");
        let output = command.arg("-lf").arg(self.directory().join(name)).output().unwrap();
        String::from_utf8(output.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
    }
}
