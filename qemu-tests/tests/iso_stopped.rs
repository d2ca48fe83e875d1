//! A medium that is stopped in the making, or runs out of room, is none, and leaves a cache from which
//! the next build makes the same bytes.
#![allow(missing_docs)]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};

use calve_qemu_tests::{Error, INTERRUPTED, Images, Sample, Stopping, names};

/// Slow enough to be stopped in the middle.
const SLOW: [&str; 2] = ["--compress", "zstd:12"];

#[test]
fn a_signal_while_packing_leaves_nothing_and_the_cache_whole() -> Result<(), Error> {
    let Some(images) = Images::new("iso-signals", Sample::LiveMini)? else { return Ok(()) };
    let directory = images.directory("out")?;
    for signal in ["INT", "TERM", "HUP"] {
        let status = stopped_packing(&images, &directory, signal)?;
        assert_eq!(status.code(), Some(INTERRUPTED), "after SIG{signal}");
        assert_eq!(names(&directory)?, [""; 0], "after SIG{signal}");
    }
    let status = stopped_packing(&images, &directory, "KILL")?;
    assert_eq!(status.signal(), Some(9));
    let names = names(&directory)?;
    assert!(names.iter().all(|name| name.ends_with(".partial")), "{names:?}");
    the_cache_is_whole(&images)
}

#[test]
fn a_signal_while_writing_leaves_nothing() -> Result<(), Error> {
    let Some(images) = Images::new("iso-writing", Sample::Live)? else { return Ok(()) };
    for signal in ["INT", "TERM"] {
        let directory = images.directory(signal)?;
        // The digest is made of what was written: the build takes a moment longer.
        let words = ["--compress", "lz4", "--digest", "-o", "live.iso"];
        let stopping =
            Stopping { format: "iso", words: &words, directory: &directory, watched: &directory };
        let status = stopping.stop(&images, signal)?;
        assert_eq!(status.code(), Some(INTERRUPTED), "after SIG{signal}");
        assert_eq!(names(&directory)?, [""; 0], "after SIG{signal}");
    }
    Ok(())
}

#[test]
fn a_full_disk_is_named_and_left_as_it_was() -> Result<(), Error> {
    let Some(images) = Images::new("iso-full", Sample::LiveMini)? else { return Ok(()) };
    // The output itself, what is compressed without a cache, and the cache.
    for (what, words) in [
        ("output", ["--cache", "cache", "-o", "small/live.iso"]),
        ("spool", ["--no-cache", "--force", "-o", "small/live.iso"]),
        ("cache", ["--cache", "small", "-o", "live.iso"]),
    ] {
        let directory = images.directory(what)?;
        fs::create_dir(directory.join("small"))?;
        let left = "find small -type f -size +0; ls -A | grep -v -x -e cache -e small";
        let script =
            format!("mount -t tmpfs -o size=4m none small && {{ \"$@\"; echo $?; {left}; true; }}");
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
        command.arg(images.calve_bin()).args(images.arguments_for("iso")).args(words);
        let output = images.run(command.current_dir(&directory))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        // What was finished before may stay in the cache, and be used.
        let left =
            answer.lines().skip(1).filter(|line| what != "cache" || !line.starts_with("small/"));
        assert_eq!(answer.lines().next(), Some("1"), "{what}: {said}");
        assert_eq!(left.collect::<Vec<_>>(), [""; 0], "{what}: {said}");
        assert!(said.contains("No space left on device"), "{what}: {said}");
    }
    Ok(())
}

/// Starts packing with the scenario's cache, and sends a signal once something is in there.
fn stopped_packing(images: &Images, directory: &Path, signal: &str) -> Result<ExitStatus, Error> {
    let cache = images.scratch().join("cache");
    let _ = fs::remove_dir_all(&cache);
    fs::create_dir(&cache)?;
    let words = [&SLOW[..], &["--cache", "../cache", "-o", "live.iso"]].concat();
    Stopping { format: "iso", words: &words, directory, watched: &cache }.stop(images, signal)
}

/// What was stopped left a cache from which a build makes what it makes without one.
fn the_cache_is_whole(images: &Images) -> Result<(), Error> {
    let cache = images.scratch().join("cache").display().to_string();
    let with = images.archive("iso", "with.iso", &[&SLOW[..], &["--cache", &cache]].concat())?;
    let without = images.archive("iso", "without.iso", &[&SLOW[..], &["--no-cache"]].concat())?;
    images.expect(Command::new("cmp").args([with, without])).map(drop)
}
