//! Control groups: one of its own for `systemd-nspawn`, and the removal of what stays.
//!
//! It makes groups called `payload` and `supervisor` below the one it is started in: two
//! containers, or a scenario that runs beside another program's, would meet there.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use super::POLL;
use crate::Error;

/// Where systemd looks for groups: alone in charge, beside the older hierarchies, and among them.
const HIERARCHIES: [&str; 3] =
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"];

/// A group in every hierarchy that systemd uses; it goes when this does.
#[derive(Debug)]
pub(super) struct Cgroup {
    groups: Vec<PathBuf>,
}

impl Cgroup {
    pub(super) fn make(name: &str) -> Result<Self, Error> {
        let mut made = Self { groups: Vec::new() };
        for hierarchy in HIERARCHIES.map(Path::new) {
            if hierarchy.join("cgroup.procs").exists() {
                let group = hierarchy.join(name);
                fs::create_dir(&group)?;
                made.groups.push(group);
            }
        }
        Ok(made)
    }

    /// The words before a program that is to run in it.
    pub(super) fn enter(&self) -> Vec<String> {
        let script = "while [ \"$1\" != -- ]; do echo $$ >\"$1/cgroup.procs\"; shift; done; \
                      shift; exec \"$@\"";
        let mut words = ["sh", "-ec", script, "sh"].map(str::to_owned).to_vec();
        words.extend(self.groups.iter().map(|group| group.display().to_string()));
        words.push("--".to_owned());
        words
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        sweep(&self.groups);
    }
}

/// The groups of this name in every hierarchy.
pub(super) fn called(name: &str) -> Vec<PathBuf> {
    let inner = fs::read_dir(HIERARCHIES[0]).into_iter().flatten().flatten();
    let hierarchies = inner.map(|entry| entry.path()).chain([PathBuf::from(HIERARCHIES[0])]);
    hierarchies.map(|hierarchy| hierarchy.join(name)).filter(|group| group.is_dir()).collect()
}

/// Removes groups and those in them. A process that has just been killed keeps its group for a
/// moment; what stays for longer is empty or somebody else's, and nobody could mend it.
pub(super) fn sweep(groups: &[PathBuf]) {
    for _ in 0..20 {
        groups.iter().for_each(|group| remove(group));
        if !groups.iter().any(|group| group.exists()) {
            return;
        }
        thread::sleep(POLL);
    }
}

fn remove(group: &Path) {
    let inner = fs::read_dir(group).into_iter().flatten().flatten();
    for entry in inner.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove(&entry.path());
    }
    // Tried again, if it is too early.
    let _ = fs::remove_dir(group);
}
