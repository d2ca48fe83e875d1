//! A planned image on its way out: to a file that appears when it is complete, or down a pipe.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::path::Path;
use std::thread;

use calve_image_core::output::{Existing, Output};
use calve_image_core::plan::Plan;
use calve_image_core::region::{self, Cancel, FreshFile, Keys, Region, Written};

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::progress::Meter;
use crate::terminal::Terminal;

/// Writes an image to a file; whatever goes wrong, or a signal, leaves nothing behind.
pub(super) fn write(
    image: &Plan,
    path: &Path,
    existing: Existing,
    digest: bool,
    terminal: Terminal,
) -> Result<Written, Failure> {
    let cancel = Cancel::new();
    // Caught before there is anything to clean up.
    let interrupt = Interrupt::catch_with(cancel.flag())?;
    let output = Output::create(path, existing)?;
    let region = FreshFile::new(output.file());
    let written = land(image, Region::Random(&region), Habits { digest, cancel }, terminal)
        .map_err(|error| explained(error, path, &interrupt))?;
    output.commit()?;
    Ok(written)
}

/// Says where there was no room, if that is what went wrong.
fn explained(error: region::Error, path: &Path, interrupt: &Interrupt) -> Failure {
    let full = io::ErrorKind::StorageFull;
    let is_full = matches!(&error, region::Error::Write { source, .. } if source.kind() == full);
    let failure = interrupt.or(error);
    if is_full && !interrupt.came() {
        let path = path.display();
        failure.hint(format!("the file system that {path} goes to is full; nothing was left there"))
    } else {
        failure
    }
}

/// Writes an image to stdout.
pub(super) fn stream(image: &Plan, digest: bool, terminal: Terminal) -> Result<Written, Failure> {
    if io::stdout().is_terminal() {
        return Err(Failure::usage("an image is nothing to print on a terminal")
            .hint("lead it somewhere: calve build disk -o - | …, or name a file"));
    }
    // The standard stream would look for line ends in it.
    let stdout = io::stdout().as_fd().try_clone_to_owned().map_err(Failure::output)?;
    let cancel = Cancel::new();
    let interrupt = Interrupt::catch_with(cancel.flag())?;
    let mut stdout = File::from(stdout);
    land(image, Region::Forward(&mut stdout), Habits { digest, cancel }, terminal)
        .map_err(|error| interrupt.or(error))
}

/// How an image is written.
struct Habits {
    digest: bool,
    cancel: Cancel,
}

fn land(
    image: &Plan,
    region: Region<'_>,
    habits: Habits,
    terminal: Terminal,
) -> Result<Written, region::Error> {
    let meter = Meter::new(terminal);
    let options = region::Options {
        workers: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        progress: &meter,
        cancel: habits.cancel,
        digest: habits.digest,
        ..region::Options::default()
    };
    let written = region::write(image, region, &Keys::none(), &options);
    meter.end();
    written
}
