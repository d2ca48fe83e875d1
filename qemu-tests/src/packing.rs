//! Packing that is stopped or runs out of room: what archives and media promise alike.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitStatus};

use crate::{Error, Images, Stopping};

/// Slow enough to be stopped in the middle.
const SLOW: [&str; 2] = ["--compress", "zstd:12"];

/// A format whose contents are packed.
#[derive(Debug, Clone, Copy)]
pub struct Packing<'a> {
    /// The command of `calve build`.
    pub format: &'a str,
    /// What a file of it is called.
    pub file: &'a str,
}

impl Packing<'_> {
    /// Starts packing with the scenario's cache, and sends a signal once something is in there.
    pub fn stop(
        &self,
        images: &Images,
        directory: &Path,
        signal: &str,
    ) -> Result<ExitStatus, Error> {
        let cache = images.scratch().join("cache");
        let _ = fs::remove_dir_all(&cache);
        fs::create_dir(&cache)?;
        let words = [&SLOW[..], &["--cache", "../cache", "-o", self.file]].concat();
        let Self { format, .. } = self;
        Stopping { format, words: &words, directory, watched: &cache }.stop(images, signal)
    }

    /// Requires that what was stopped left a cache that can be shown, and the bytes that a build without one makes.
    pub fn cache_is_whole(&self, images: &Images) -> Result<(), Error> {
        let Self { format, file } = self;
        let cache = images.scratch().join("cache").display().to_string();
        images.calve(&["cache", "show", "--cache", &cache].map(str::to_owned))?;
        let build = |name: &str, words: &[&str]| {
            images.archive(format, &format!("{name}-{file}"), &[&SLOW[..], words].concat())
        };
        let (with, without) =
            (build("with", &["--cache", &cache])?, build("without", &["--no-cache"])?);
        images.expect(Command::new("cmp").args([with, without])).map(drop)
    }

    /// Requires that a full disk is named and nothing unfinished stays on it: the output's, the one for
    /// what is compressed without a cache, and the cache's.
    pub fn runs_out_of_room(&self, images: &Images) -> Result<(), Error> {
        let Self { format, file } = self;
        let small = format!("small/{file}");
        for (what, words) in [
            ("output", ["--cache", "cache", "-o", &*small]),
            ("spool", ["--no-cache", "--force", "-o", &*small]),
            ("cache", ["--cache", "small", "-o", file]),
        ] {
            let directory = images.directory(what)?;
            fs::create_dir(directory.join("small"))?;
            let left = "find small -type f -size +0; ls -A | grep -v -x -e cache -e small";
            let script = format!(
                "mount -t tmpfs -o size=4m none small && {{ \"$@\"; echo $?; {left}; true; }}"
            );
            let mut command = Command::new("unshare");
            command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
            command.arg(images.calve_bin()).args(images.arguments_for(format)).args(words);
            let output = images.run(command.current_dir(&directory))?;
            let said = String::from_utf8_lossy(&output.stderr);
            let answer = String::from_utf8_lossy(&output.stdout).into_owned();
            // What was finished before may stay in the cache, and be used.
            let left = answer
                .lines()
                .skip(1)
                .filter(|line| what != "cache" || !line.starts_with("small/"));
            assert_eq!(answer.lines().next(), Some("1"), "{what}: {said}");
            assert_eq!(left.collect::<Vec<_>>(), [""; 0], "{what}: {said}");
            assert!(said.contains("No space left on device"), "{what}: {said}");
        }
        Ok(())
    }
}
