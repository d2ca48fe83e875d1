//! A medium that is stopped in the making, or runs out of room, is none, and leaves a cache from which
//! the next build makes the same bytes.
#![allow(missing_docs)]

use std::os::unix::process::ExitStatusExt;

use calve_qemu_tests::{Error, INTERRUPTED, Images, Packing, Sample, Stopping, names};

const PACKING: Packing<'_> = Packing { format: "iso", file: "live.iso" };

#[test]
fn a_signal_while_packing_leaves_nothing_and_the_cache_whole() -> Result<(), Error> {
    let Some(images) = Images::new("iso-signals", Sample::LiveMini)? else { return Ok(()) };
    let directory = images.directory("out")?;
    for signal in ["INT", "TERM", "HUP"] {
        let status = PACKING.stop(&images, &directory, signal)?;
        assert_eq!(status.code(), Some(INTERRUPTED), "after SIG{signal}");
        assert_eq!(names(&directory)?, [""; 0], "after SIG{signal}");
    }
    let status = PACKING.stop(&images, &directory, "KILL")?;
    assert_eq!(status.signal(), Some(9));
    let names = names(&directory)?;
    assert!(names.iter().all(|name| name.ends_with(".partial")), "{names:?}");
    PACKING.cache_is_whole(&images)
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
    PACKING.runs_out_of_room(&images)
}
