//! The same work where files can share blocks: store and output on one loop-mounted btrfs or XFS.
//!
//! Needs root and a loop device; without them the report says that this was not measured.

use std::path::{Path, PathBuf};

use super::super::measure::Contender;
use super::super::table::{self, Comparison};
use super::super::{Error, stage};
use super::{EXT4, Places};
use crate::program::{self, say};

pub(super) const TITLE: &str = "On file systems that clone";

const FILE_SYSTEMS: [(&str, &str); 2] =
    [("btrfs", "mkfs.btrfs -q -f"), ("xfs", "mkfs.xfs -q -f -m reflink=1")];

/// Measures on each file system in turn.
pub(super) fn run(places: &Places, rounds: usize) -> Result<String, Error> {
    let mut report = String::new();
    for (kind, mkfs) in FILE_SYSTEMS {
        let image = places.bench.join(format!("{kind}.img"));
        match Mounted::new(kind, mkfs, &image) {
            Ok(mounted) => report.push_str(&on(places, kind, &mounted.at, rounds)?),
            Err(error) => {
                say(&format!("NOT MEASURED on {kind}: {error}"));
                report.push_str(&format!("### {TITLE}: {kind}\n\nNot measured here: {error}\n\n"));
            }
        }
    }
    Ok(report)
}

fn on(places: &Places, kind: &str, at: &Path, rounds: usize) -> Result<String, Error> {
    let large = stage::large_files(50, &at.join("large"))?;
    let staged =
        stage::closure(&places.bench.join("../fixture/big/store-paths"), &at.join("staged"))?;
    let env = |tree: &Path| {
        let mut env = places.env.clone();
        env.retain(|(name, _)| *name != "TREE");
        env.push(("TREE", tree.to_path_buf()));
        env
    };
    let contender = |name, script: &str, tree: &Path| Contender {
        name,
        script: script.to_owned(),
        env: env(tree),
        ..Contender::default()
    };
    let tar = r#"tar cf "$OUT" -C "$TREE" ."#;
    let copied = format!("{EXT4} --no-clone");
    let comparison = |text: &str, tree: &Path| Comparison {
        title: TITLE,
        text: format!("{kind}: {text}"),
        contenders: vec![
            contender("tar", tar, tree),
            contender("calve's ext4", EXT4, tree),
            contender("calve's ext4, cloning off", &copied, tree),
        ],
    };
    let run = at.join("run");
    let first = table::run(&comparison("50 files of 24 MiB.", &large), rounds, &run)?;
    let second =
        table::run(&comparison("the sample closure `big`, staged there.", &staged), rounds, &run)?;
    Ok(format!("{first}\n{second}\n"))
}

/// A file system in a file, mounted until dropped.
struct Mounted {
    at: PathBuf,
    image: PathBuf,
}

impl Mounted {
    fn new(kind: &str, mkfs: &str, image: &Path) -> Result<Self, program::Error> {
        let at = image.with_extension("mnt");
        let script = format!(
            r#"rm -f "$0"; truncate -s 12G "$0"; {mkfs} "$0"; mkdir -p "$1"; mount -o loop -t {kind} "$0" "$1""#
        );
        program::run(program::command("bash").args(["-euc", &script]).arg(image).arg(&at))?;
        Ok(Self { at, image: image.to_path_buf() })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(error) = program::run(program::command("umount").arg(&self.at)) {
            say(&format!("{error}"));
        }
        // Left behind it would only take room; the next run makes it anew.
        let _ = std::fs::remove_file(&self.image);
    }
}
