//! Packing that is stopped, or runs out of room, or may not read, leaves no archive, and a cache from
//! which the next build makes the same bytes.
#![allow(missing_docs)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};

use calve_qemu_tests::{Error, INTERRUPTED, Images, Sample, Stopping, is_root, names};

/// Slow enough to be stopped in the middle.
const SLOW: [&str; 2] = ["--compress", "zstd:12"];

#[test]
fn a_signal_while_packing_leaves_nothing_and_the_cache_whole() -> Result<(), Error> {
    let Some(images) = Images::new("archive-signals", Sample::Mini)? else { return Ok(()) };
    let directory = images.directory("out")?;
    for signal in ["INT", "TERM", "HUP"] {
        let status = stopped_packing(&images, &directory, signal)?;
        assert_eq!(status.code(), Some(INTERRUPTED), "after SIG{signal}");
        assert_eq!(names(&directory)?, [""; 0], "after SIG{signal}");
    }
    the_cache_is_whole(&images)
}

#[test]
fn a_build_that_is_killed_leaves_the_cache_whole() -> Result<(), Error> {
    let Some(images) = Images::new("archive-killed", Sample::Mini)? else { return Ok(()) };
    let directory = images.directory("out")?;
    let status = stopped_packing(&images, &directory, "KILL")?;
    assert_eq!(status.signal(), Some(9));
    let names = names(&directory)?;
    assert!(names.iter().all(|name| name.ends_with(".partial")), "{names:?}");
    the_cache_is_whole(&images)
}

#[test]
fn a_signal_while_writing_leaves_nothing() -> Result<(), Error> {
    let Some(images) = Images::new("archive-writing", Sample::Full)? else { return Ok(()) };
    for signal in ["INT", "TERM"] {
        let directory = images.directory(signal)?;
        // Not compressed, there is nothing but writing; the digest makes it take a moment longer.
        let words = ["--compress", "none", "--digest", "-o", "template.tar"];
        let status = stopping(&words, &directory, &directory).stop(&images, signal)?;
        assert_eq!(status.code(), Some(INTERRUPTED), "after SIG{signal}");
        assert_eq!(names(&directory)?, [""; 0], "after SIG{signal}");
    }
    Ok(())
}

#[test]
fn a_full_disk_is_named_and_left_as_it_was() -> Result<(), Error> {
    let Some(images) = Images::new("archive-full", Sample::Mini)? else { return Ok(()) };
    // The output itself, what is compressed without a cache, and the cache.
    for (what, words) in [
        ("output", ["--cache", "cache", "-o", "small/template.tar.zst"]),
        ("spool", ["--no-cache", "--force", "-o", "small/template.tar.zst"]),
        ("cache", ["--cache", "small", "-o", "template.tar.zst"]),
    ] {
        let directory = images.directory(what)?;
        fs::create_dir(directory.join("small"))?;
        let left = "find small -type f -size +0; ls -A | grep -v -x -e cache -e small";
        let script =
            format!("mount -t tmpfs -o size=4m none small && {{ \"$@\"; echo $?; {left}; true; }}");
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
        command.arg(images.calve_bin()).args(images.arguments_for("lxc")).args(words);
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

#[test]
fn a_path_that_may_not_be_read_is_named() -> Result<(), Error> {
    let Some(images) = Images::new("archive-unreadable", Sample::Mini)? else { return Ok(()) };
    let root = images.directory("copy")?;
    fs::create_dir_all(root.join("nix/store"))?;
    let paths = images.store_paths()?;
    images.expect(Command::new("cp").arg("-dR").args(&paths).arg(root.join("nix/store")))?;
    let secret = paths.iter().find(|path| path.ends_with("-etc")).expect("the sample has an etc");
    let secret = root.join(secret.trim_start_matches('/')).join("etc/hostname");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000))?;

    let directory = images.directory("out")?;
    let mut words = vec!["env"];
    if is_root() {
        words = vec!["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    }
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg(images.calve_for_anyone()?).args(images.arguments_for("lxc"));
    command.arg("--store").arg(&root).args(["--no-cache", "-o", "template.tar.zst"]);
    let output = images.run(command.current_dir(&directory))?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("etc/hostname") && said.contains("Permission denied"), "{said}");
    assert_eq!(names(&directory)?, [""; 0], "{said}");
    Ok(())
}

/// Starts packing with the scenario's cache, and sends a signal once something is in there.
fn stopped_packing(images: &Images, out: &Path, signal: &str) -> Result<ExitStatus, Error> {
    let cache = images.scratch().join("cache");
    let _ = fs::remove_dir_all(&cache);
    fs::create_dir(&cache)?;
    let words = [&SLOW[..], &["--cache", "../cache", "-o", "template.tar.zst"]].concat();
    stopping(&words, out, &cache).stop(images, signal)
}

fn stopping<'a>(words: &'a [&'a str], directory: &'a Path, watched: &'a Path) -> Stopping<'a> {
    Stopping { format: "lxc", words, directory, watched }
}

/// What was stopped left a cache that can be shown, and the bytes that a build without one makes.
fn the_cache_is_whole(images: &Images) -> Result<(), Error> {
    let cache = images.scratch().join("cache").display().to_string();
    images.calve(&["cache", "show", "--cache", &cache].map(str::to_owned))?;
    let with =
        images.archive("lxc", "with.tar.zst", &[&SLOW[..], &["--cache", &cache]].concat())?;
    let without =
        images.archive("lxc", "without.tar.zst", &[&SLOW[..], &["--no-cache"]].concat())?;
    images.expect(Command::new("cmp").args([with, without])).map(drop)
}
