//! The writing itself, and what the device is after each way to stop.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use calve_image_core::region::Cancel;
use calve_image_core::units::Bytes;
use calve_installer::write::finish::{self, Backup};
use calve_installer::write::image::Kind as ImageKind;
use calve_installer::write::{
    Act, BlockDevice, Error, HEAD, Image, Job, Target, Watch, compare, copy,
};

use super::reread;
use super::survey::Subject;
use crate::failure::{Failure, Kind};
use crate::interrupt::Interrupt;
use crate::progress::Meter;
use crate::terminal::Terminal;

/// What is to be done.
#[derive(Debug)]
pub(super) struct Work<'a> {
    pub(super) image: &'a Image,
    pub(super) verify: bool,
    pub(super) terminal: Terminal,
}

/// What was done.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) size: Bytes,
    pub(super) compared: bool,
    pub(super) backup_moved: bool,
}

/// How far the work came when it stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The device is as it was.
    Untouched,
    /// The device is blank at its beginning.
    Blank,
    /// Everything is written.
    Written,
}

impl Work<'_> {
    /// Does it.
    pub(super) fn run(&self, subject: &Subject) -> Result<Done, Failure> {
        let started = Instant::now();
        let target = BlockDevice::open(&subject.path)?;
        subject.check_again(self.image, target.number()?)?;
        let cancel = Cancel::new();
        // From here on there is something to say about the device.
        let interrupt = Interrupt::catch_with(cancel.flag())?;
        let name = &subject.device.name;
        let watch = Watcher {
            terminal: self.terminal,
            meter: Mutex::new(None),
            state: Mutex::new(State::Untouched),
        };
        let stopped = |error: Error| stopped(interrupt.or(error), name, watch.state());
        let job = Job { image: self.image, target: &target, watch: &watch, cancel: &cancel };
        let size = copy::copy(&job);
        watch.end();
        let size = size.map_err(stopped)?;
        if self.verify {
            let compared = compare::compare(&job, size);
            watch.end();
            compared.map_err(|error| {
                let differs = matches!(error, Error::Differs { .. });
                if differs { differs_hint(error, name) } else { stopped(error) }
            })?;
        }
        let backup = self.finish(subject, &target)?;
        // The lock goes with it, and udev looks again.
        drop(target);
        reread::reread(subject, self.image, self.terminal);
        let backup_moved = backup == Some(Backup::Moved);
        self.say(name, size, started, backup_moved);
        Ok(Done { size, compared: self.verify, backup_moved })
    }

    /// Moves the backup of a GPT to the end, where the device is larger than the image.
    fn finish(&self, subject: &Subject, target: &dyn Target) -> Result<Option<Backup>, Failure> {
        let is_disk = subject.device.disk.is_none();
        if is_disk && self.image.about().kind == ImageKind::Gpt {
            return Ok(Some(finish::move_backup(target)?));
        }
        Ok(None)
    }

    fn say(&self, name: &str, size: Bytes, started: Instant, backup_moved: bool) {
        let compared = if self.verify {
            "read back and found the same"
        } else {
            "not read back, as --no-verify says"
        };
        let moved = if backup_moved { "\n          backup GPT moved to the end" } else { "" };
        let seconds = started.elapsed().as_secs();
        let time = if seconds > 0 { format!(", in {seconds} s") } else { String::new() };
        self.terminal.say(format!("written   /dev/{name}: {size}, {compared}{moved}{time}"));
    }
}

/// The failure to report, with what the device is now.
fn stopped(failure: Failure, name: &str, state: State) -> Failure {
    match state {
        State::Untouched => failure.hint(format!("{name} is as it was: nothing was written")),
        State::Blank => failure.hint(format!(
            "nothing starts from {name} now: its first {HEAD} are blank, the rest is partly written"
        )),
        State::Written => {
            failure.hint(format!("{name} is written, but was not compared to its end"))
        }
    }
}

fn differs_hint(error: Error, name: &str) -> Failure {
    Failure::new(Kind::Failed, error).hint(format!(
        "{name} does not give back what was written to it: do not trust it; its first {HEAD} were \
         blanked, so that nothing starts from it"
    ))
}

/// Shows each act as a bar, or now and then as a line.
struct Watcher {
    terminal: Terminal,
    meter: Mutex<Option<Meter>>,
    state: Mutex<State>,
}

impl Watcher {
    fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        if let Some(meter) = self.meter.lock().unwrap_or_else(PoisonError::into_inner).take() {
            meter.end();
        }
    }
}

impl Watch for Watcher {
    fn begin(&self, act: Act, total: Bytes) {
        let (verb, state) = match act {
            Act::Write => ("writing", State::Blank),
            Act::Compare => ("comparing", State::Written),
        };
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        let meter = Meter::new(verb, self.terminal);
        meter.start(total);
        *self.meter.lock().unwrap_or_else(PoisonError::into_inner) = Some(meter);
    }

    fn advance(&self, done: Bytes) {
        if let Some(meter) = &*self.meter.lock().unwrap_or_else(PoisonError::into_inner) {
            meter.step(done, &"");
        }
    }
}
