//! The ways in which one build can differ from another without differing in a byte.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Images, is_root};

/// One way of building.
#[derive(Debug, Clone, Copy)]
pub struct Variation {
    /// What is different.
    pub name: &'static str,
    /// What is put before the command line.
    before: &'static [&'static str],
    /// What is put after it. Each build works in a directory of its own.
    after: &'static [&'static str],
}

/// What is tried beside a build with a cold cache in `../cache`.
pub const VARIATIONS: [Variation; 8] = [
    Variation { name: "a warm cache", before: &[], after: &["--cache", "../cache"] },
    Variation {
        name: "one processor and no cache",
        before: &["taskset", "--cpu-list", "0"],
        after: &["--no-cache"],
    },
    Variation {
        name: "one processor",
        before: &["taskset", "--cpu-list", "0"],
        after: &["--cache", "cold"],
    },
    Variation { name: "no cache", before: &[], after: &["--no-cache"] },
    Variation {
        name: "another umask",
        before: &["sh", "-c", "umask 077; exec \"$@\"", "sh"],
        after: &["--cache", "cold"],
    },
    Variation {
        name: "another time zone",
        before: &["env", "TZ=Asia/Tokyo", "LC_ALL=tr_TR.UTF-8"],
        after: &["--cache", "../cache"],
    },
    Variation { name: "an empty environment", before: &["env", "-i"], after: &[] },
    Variation {
        name: "another user",
        before: &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
        after: &["--cache", "cold"],
    },
];

impl Variation {
    /// The first build, with which the others are compared.
    pub const FIRST: Self =
        Self { name: "a cold cache", before: &[], after: &["--cache", "../cache"] };

    /// Whether this process may try it.
    pub fn is_possible(&self) -> bool {
        !self.before.contains(&"setpriv") || is_root()
    }

    /// The command that builds in this way, for `words` in between.
    pub fn command(&self, images: &Images, calve: &Path, format: &str, words: &[&str]) -> Command {
        let mut line: Vec<PathBuf> = self.before.iter().map(PathBuf::from).collect();
        line.push(calve.to_path_buf());
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).args(images.arguments_for(format)).args(words).args(self.after);
        command
    }
}
