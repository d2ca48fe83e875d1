//! Packing that is stopped, or runs out of room, or may not read, leaves no archive, and a cache from
//! which the next build makes the same bytes.
#![allow(missing_docs)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use calve_qemu_tests::{Error, INTERRUPTED, Images, Packing, Sample, Stopping, is_root, names};

const PACKING: Packing<'_> = Packing { format: "lxc", file: "template.tar.zst" };

#[test]
fn a_signal_while_packing_leaves_nothing_and_the_cache_whole() -> Result<(), Error> {
    let Some(images) = Images::new("archive-signals", Sample::Mini)? else { return Ok(()) };
    let directory = images.directory("out")?;
    for signal in ["INT", "TERM", "HUP"] {
        let status = PACKING.stop(&images, &directory, signal)?;
        assert_eq!(status.code(), Some(INTERRUPTED), "after SIG{signal}");
        assert_eq!(names(&directory)?, [""; 0], "after SIG{signal}");
    }
    PACKING.cache_is_whole(&images)
}

#[test]
fn a_build_that_is_killed_leaves_the_cache_whole() -> Result<(), Error> {
    let Some(images) = Images::new("archive-killed", Sample::Mini)? else { return Ok(()) };
    let directory = images.directory("out")?;
    let status = PACKING.stop(&images, &directory, "KILL")?;
    assert_eq!(status.signal(), Some(9));
    let names = names(&directory)?;
    assert!(names.iter().all(|name| name.ends_with(".partial")), "{names:?}");
    PACKING.cache_is_whole(&images)
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
    PACKING.runs_out_of_room(&images)
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

fn stopping<'a>(words: &'a [&'a str], directory: &'a Path, watched: &'a Path) -> Stopping<'a> {
    Stopping { format: "lxc", words, directory, watched }
}
