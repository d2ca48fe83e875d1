//! A build that is stopped, or runs out of room, says so and leaves nothing that looks like an image.
#![allow(missing_docs)]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use calve_qemu_tests::{Error, Images, Sample};

/// An interrupted program's exit code, as the command line documents it.
const INTERRUPTED: i32 = 130;

#[test]
fn a_signal_leaves_nothing_behind() -> Result<(), Error> {
    let Some(images) = Images::new("signals", Sample::Full)? else { return Ok(()) };
    for signal in ["INT", "TERM", "HUP"] {
        let directory = images.directory(signal)?;
        let status = stopped(&images, &directory, signal)?;
        assert_eq!(status.code(), Some(INTERRUPTED), "after SIG{signal}");
        assert_eq!(names(&directory)?, [""; 0], "after SIG{signal}");
    }
    Ok(())
}

#[test]
fn a_build_that_is_killed_leaves_no_image() -> Result<(), Error> {
    let Some(images) = Images::new("killed", Sample::Full)? else { return Ok(()) };
    let directory = images.directory("killed")?;
    let status = stopped(&images, &directory, "KILL")?;
    assert_eq!(status.signal(), Some(9));
    let names = names(&directory)?;
    assert!(matches!(&names[..], [name] if name.ends_with(".partial")), "{names:?}");
    Ok(())
}

#[test]
fn a_full_disk_is_named_and_left_as_it_was() -> Result<(), Error> {
    let Some(images) = Images::new("full-disk", Sample::Mini)? else { return Ok(()) };
    images.directory("small")?;
    let script = "mount -t tmpfs -o size=16m none small && { \"$@\"; echo $?; ls -A small; }";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]);
    command.arg(images.calve_bin()).args(images.arguments()).args(["-o", "small/disk.raw"]);
    let output = images.run(&mut command)?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1\n", "{said}");
    assert!(said.contains("No space left on device") && said.contains("small/disk.raw"), "{said}");
    Ok(())
}

/// Starts a build, sends it a signal while it writes, and gives how it ended.
fn stopped(images: &Images, directory: &Path, signal: &str) -> Result<ExitStatus, Error> {
    let mut command = Command::new(images.calve_bin());
    // The digest is made of what was written: the build takes a moment longer.
    command.args(images.arguments()).args(["-o", "disk.raw", "--digest"]).current_dir(directory);
    let mut build = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_writing(directory)? && build.try_wait()?.is_none() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
    }
    let mut kill = Command::new("kill");
    images.run(kill.args([format!("-{signal}"), build.id().to_string()]))?;
    Ok(build.wait()?)
}

/// Whether some of the image has reached the directory.
fn is_writing(directory: &Path) -> Result<bool, Error> {
    let mut entries = fs::read_dir(directory)?;
    // The file may go between being named and being looked at.
    Ok(entries.any(|entry| entry.and_then(|entry| entry.metadata()).is_ok_and(|m| m.blocks() > 0)))
}

fn names(directory: &Path) -> Result<Vec<String>, Error> {
    let names = fs::read_dir(directory)?.map(|entry| {
        let name = entry?.file_name();
        Ok::<_, Error>(name.to_string_lossy().into_owned())
    });
    names.collect()
}
