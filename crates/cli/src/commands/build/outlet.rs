//! Where an image goes: a file that appears when it is complete, or a pipe.
//!
//! An outlet is opened before the work begins, so that a name that is taken is told at once, and it
//! is the work's only way out: a signal, a full disk or any other failure leaves nothing behind.

use std::error::Error;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::thread;

use calve_image_core::output::{self, Existing, Output};
use calve_image_core::pack;
use calve_image_core::plan::Plan;
use calve_image_core::region::{self, Cancel, FreshFile, Keys, Region, Written};

use super::delivery::Destination;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::progress::Meter;
use crate::secrets::beside::Beside;
use crate::terminal::Terminal;

/// An open way out, and the request to stop that signals raise from now on.
#[derive(Debug)]
pub(super) struct Outlet {
    target: Target,
    cancel: Cancel,
    interrupt: Interrupt,
    terminal: Terminal,
}

#[derive(Debug)]
enum Target {
    File(Output),
    Stdout(File),
}

impl Outlet {
    /// Opens the way to a destination; `None` where nothing is to be written.
    pub(super) fn open(
        destination: &Destination,
        existing: Existing,
        terminal: Terminal,
    ) -> Result<Option<Self>, Failure> {
        Self::to(destination, terminal, |path| Output::create(path, existing))
    }

    /// The same for an image that holds secrets: a file is for its owner alone.
    pub(super) fn open_private(
        destination: &Destination,
        existing: Existing,
        terminal: Terminal,
    ) -> Result<Option<Self>, Failure> {
        Self::to(destination, terminal, |path| Output::create_private(path, existing))
    }

    fn to(
        destination: &Destination,
        terminal: Terminal,
        create: impl FnOnce(&Path) -> Result<Output, output::Error>,
    ) -> Result<Option<Self>, Failure> {
        let cancel = Cancel::new();
        // Caught before there is anything to clean up.
        let catch = || Interrupt::catch_with(cancel.flag());
        let (interrupt, target) = match destination {
            Destination::Nowhere | Destination::Named => return Ok(None),
            Destination::Stdout => (catch()?, Target::Stdout(stdout()?)),
            Destination::File(path) => (catch()?, Target::File(create(path)?)),
        };
        Ok(Some(Self { target, cancel, interrupt, terminal }))
    }

    /// Whether the user said stop, for what has to be done before the image is written.
    pub(super) fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Where the image goes, in words.
    pub(super) fn name(&self) -> String {
        match &self.target {
            Target::File(output) => output.path().display().to_string(),
            Target::Stdout(_) => "to stdout".to_owned(),
        }
    }

    /// Where data may lie that is needed until the image is written: beside it, where there is room.
    pub(super) fn directory(&self) -> PathBuf {
        match &self.target {
            Target::File(output) => match output.path().parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
                Some(_) | None => PathBuf::from("."),
            },
            Target::Stdout(_) => std::env::temp_dir(),
        }
    }

    /// Does a part of the work, with as many workers as there are cores, and shows how far it is.
    pub(super) fn work<T, E: Into<Failure> + Error + 'static>(
        &self,
        verb: &'static str,
        act: impl FnOnce(region::Options<'_>) -> Result<T, E>,
    ) -> Result<T, Failure> {
        let meter = Meter::new(verb, self.terminal);
        let workers = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let done = act(region::Options {
            workers,
            progress: &meter,
            cancel: self.cancel.clone(),
            ..region::Options::default()
        });
        meter.end();
        done.map_err(|error| self.explained(error))
    }

    /// Writes the image.
    pub(super) fn write(self, image: &Plan, keys: &Keys, digest: bool) -> Result<Written, Failure> {
        self.write_with(image, keys, digest, Beside::default())
    }

    /// The same, with files beside it: they get their names with the image, or not at all.
    pub(super) fn write_with(
        self,
        image: &Plan,
        keys: &Keys,
        digest: bool,
        beside: Beside,
    ) -> Result<Written, Failure> {
        let written = self.work("writing", |options| {
            let options = region::Options { digest, ..options };
            match &self.target {
                Target::File(output) => {
                    let region = FreshFile::new(output.file());
                    region::write(image, Region::Random(&region), keys, &options)
                }
                Target::Stdout(stdout) => {
                    let mut stdout = stdout;
                    region::write(image, Region::Forward(&mut stdout), keys, &options)
                }
            }
        })?;
        if let Target::File(output) = self.target {
            let named = beside.commit()?;
            if let Err(error) = output.commit() {
                named.remove();
                return Err(error.into());
            }
        }
        Ok(written)
    }

    /// Says where there was no room, if that is what went wrong.
    fn explained(&self, error: impl Into<Failure> + Error + 'static) -> Failure {
        // A full cache has a hint of its own.
        let is_full = is_full(&error) && !is_of_cache(&error);
        let failure = self.interrupt.or(error);
        match &self.target {
            Target::File(output) if is_full && !self.interrupt.came() => {
                let path = output.path().display();
                failure.hint(format!(
                    "the file system that {path} goes to is full; nothing was left there"
                ))
            }
            Target::File(_) | Target::Stdout(_) => failure,
        }
    }
}

/// Whether a full file system is at the bottom of an error.
fn is_full(error: &(dyn Error + 'static)) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::StorageFull)
        || error.source().is_some_and(is_full)
}

/// Whether an error is about the cache.
fn is_of_cache(error: &(dyn Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(pack::Error::Cache(_)))
}

/// Stdout as a file.
fn stdout() -> Result<File, Failure> {
    if io::stdout().is_terminal() {
        return Err(Failure::usage("an image is nothing to print on a terminal")
            .hint("lead it somewhere: … -o - | …, or name a file"));
    }
    // The standard stream would look for line ends in it.
    io::stdout().as_fd().try_clone_to_owned().map(File::from).map_err(Failure::output)
}
