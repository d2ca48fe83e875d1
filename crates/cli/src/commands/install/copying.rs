//! How far the copy is: a bar on a terminal, now and then a line elsewhere.

use calve_image_core::units::Bytes;
use calve_installer::copy::{Hear, Progress, Stage};

use crate::interrupt::Interrupt;
use crate::progress::Meter;
use crate::terminal::Terminal;

/// Tells the user.
pub(super) struct Copying<'a> {
    interrupt: &'a Interrupt,
    terminal: Terminal,
    stage: Option<Stage>,
    meter: Option<Meter>,
    done: Bytes,
}

impl<'a> Copying<'a> {
    pub(super) fn new(interrupt: &'a Interrupt, terminal: Terminal) -> Self {
        Self { interrupt, terminal, stage: None, meter: None, done: Bytes::ZERO }
    }

    /// Takes the bar away: what comes next is words.
    pub(super) fn end(&mut self) {
        if let Some(meter) = self.meter.take() {
            meter.end();
        }
    }

    fn begin(&mut self, stage: Stage) {
        self.end();
        self.stage = Some(stage);
        self.done = Bytes::ZERO;
        let words = match stage {
            Stage::Checking => "checking  what an earlier copy left",
            Stage::Pulling => "pulling   what the machine's own caches have",
            Stage::Sending => {
                self.meter = Some(Meter::new("copying", self.terminal));
                return;
            }
            Stage::Asking | Stage::Ends => return,
        };
        self.terminal.say(words);
    }
}

impl Hear for Copying<'_> {
    fn progress(&mut self, progress: &Progress) {
        let Progress { stage, paths, of_paths, bytes, of_bytes } = *progress;
        if self.stage != Some(stage) {
            self.begin(stage);
            if let Some(meter) = &self.meter {
                meter.start(Bytes::new(of_bytes));
            }
        }
        let done = Bytes::new(bytes);
        if let Some(meter) = &self.meter {
            // Another store tells bit by bit how much there is.
            meter.expect(Bytes::new(of_bytes));
            meter.step(done.saturating_sub(self.done), &format_args!("path {paths} of {of_paths}"));
        }
        self.done = self.done.max(done);
    }

    fn is_over(&self) -> bool {
        self.interrupt.came()
    }
}
