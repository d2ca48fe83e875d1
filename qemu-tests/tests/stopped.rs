//! A build that is stopped, or runs out of room, says so and leaves nothing that looks like an image.
#![allow(missing_docs)]

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use calve_qemu_tests::{Error, INTERRUPTED, Images, Sample, Stopping, names};

#[test]
fn a_signal_leaves_nothing_behind() -> Result<(), Error> {
    let Some(images) = Images::new("signals", Sample::Full)? else { return Ok(()) };
    for signal in ["INT", "TERM", "HUP"] {
        let directory = images.directory(signal)?;
        let status = stopping(&directory).stop(&images, signal)?;
        assert_eq!(status.code(), Some(INTERRUPTED), "after SIG{signal}");
        assert_eq!(names(&directory)?, [""; 0], "after SIG{signal}");
    }
    Ok(())
}

#[test]
fn a_build_that_is_killed_leaves_no_image() -> Result<(), Error> {
    let Some(images) = Images::new("killed", Sample::Full)? else { return Ok(()) };
    let directory = images.directory("killed")?;
    let status = stopping(&directory).stop(&images, "KILL")?;
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

fn stopping(directory: &Path) -> Stopping<'_> {
    // The digest is made of what was written: the build takes a moment longer.
    Stopping {
        format: "disk",
        words: &["-o", "disk.raw", "--digest"],
        directory,
        watched: directory,
    }
}
