//! How far a build is: a bar on a terminal, now and then a line elsewhere.
//!
//! The library tells each chunk, from several workers at once; here it is decided how often that is
//! worth a redraw. A build that is over in a few seconds prints no line at all, so that logs stay
//! short and the same from run to run.

use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use calve_image_core::region::{Current, Progress};
use calve_image_core::units::Bytes;
use indicatif::{ProgressBar, ProgressStyle};

use crate::terminal::{self, Terminal};

/// How often a bar's words change: more often than this nobody can read them.
const REDRAW: Duration = Duration::from_millis(100);

/// How often a line is printed.
const LINE: Duration = Duration::from_secs(10);

/// Watches a build and tells the user.
#[derive(Debug)]
pub(crate) struct Meter {
    /// What is being done: `writing`.
    verb: &'static str,
    terminal: Terminal,
    /// `None` where no terminal shows it.
    bar: Option<ProgressBar>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    total: Bytes,
    done: Bytes,
    began: Instant,
    told: Instant,
}

impl Meter {
    /// A meter that shows nothing until the work begins.
    pub(crate) fn new(verb: &'static str, terminal: Terminal) -> Self {
        let is_drawn = terminal::stderr_is_lively() && !terminal.is_quiet();
        let state = Mutex::new(State::new(Bytes::ZERO));
        Self { verb, terminal, bar: is_drawn.then(|| bar(verb)), state }
    }

    /// Takes the bar away: what comes next is words.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(verb: &str) -> ProgressBar {
    let rest = "{bar:32} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left  {msg}";
    let style = ProgressStyle::with_template(&format!("{verb:<9} {rest}"));
    // The template is right, or the bar is a plain one.
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::no_length().with_style(style.progress_chars("━╸ "))
}

impl State {
    fn new(total: Bytes) -> Self {
        let now = Instant::now();
        Self { total, done: Bytes::ZERO, began: now, told: now }
    }

    /// How far, how fast and how long still.
    fn text(&self) -> String {
        let Self { total, done, began, .. } = self;
        let seconds = began.elapsed().as_secs().max(1);
        let rate = Bytes::new(done.get() / seconds);
        if done > total {
            // Nobody knows yet how much it will be.
            return format!("{done}, {rate}/s");
        }
        let percent = u128::from(done.get()) * 100 / u128::from(total.get().max(1));
        let left = (*total - *done).get() / rate.get().max(1);
        format!("{done} of {total} ({percent} %), {rate}/s, {left} s left")
    }
}

impl Meter {
    /// Learns how many bytes will be done in the end.
    pub(crate) fn start(&self, total: Bytes) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = State::new(total);
        if let Some(bar) = &self.bar {
            bar.set_length(total.get());
        }
    }

    /// Learns that it will be more, or less, than was known at the start.
    pub(crate) fn expect(&self, total: Bytes) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.total = total;
        if let Some(bar) = &self.bar {
            bar.set_length(total.get());
        }
    }

    /// Learns that so many more bytes are done, the last of them those of `current`.
    pub(crate) fn step(&self, done: Bytes, current: &dyn Display) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.done += done;
        match &self.bar {
            Some(bar) => {
                bar.set_position(state.done.get());
                if state.told.elapsed() >= REDRAW {
                    state.told = Instant::now();
                    bar.set_message(current.to_string());
                }
            }
            None if state.told.elapsed() >= LINE => {
                state.told = Instant::now();
                let (verb, text, current) = (self.verb, state.text(), current.to_string());
                let comma = if current.is_empty() { "" } else { ", " };
                self.terminal.say(format!("{verb:<9} {text}{comma}{current}"));
            }
            None => {}
        }
    }
}

impl Progress for Meter {
    fn begin(&self, total: Bytes) {
        self.start(total);
    }

    fn advance(&self, done: Bytes, current: Current<'_>) {
        self.step(done, &current);
    }
}

/// Counts bytes whose sum nobody knows beforehand.
#[derive(Debug)]
pub(crate) struct Count {
    verb: &'static str,
    terminal: Terminal,
    bar: Option<ProgressBar>,
    done: Bytes,
    told: Instant,
}

impl Count {
    /// A count of nothing.
    pub(crate) fn new(verb: &'static str, terminal: Terminal) -> Self {
        let is_drawn = terminal::stderr_is_lively() && !terminal.is_quiet();
        let style =
            ProgressStyle::with_template(&format!("{verb:<9} {{bytes}}, {{bytes_per_sec}}"));
        let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = is_drawn.then(|| ProgressBar::new_spinner().with_style(style));
        Self { verb, terminal, bar, done: Bytes::ZERO, told: Instant::now() }
    }

    /// Counts more bytes.
    pub(crate) fn add(&mut self, bytes: Bytes) {
        self.done += bytes;
        let elapsed = self.told.elapsed();
        let Self { verb, done, .. } = self;
        match &self.bar {
            Some(bar) if elapsed >= REDRAW => bar.set_position(done.get()),
            None if elapsed >= LINE => self.terminal.say(format!("{verb:<9} {done}")),
            Some(_) | None => return,
        }
        self.told = Instant::now();
    }

    /// Takes the bar away: what comes next is words.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_is_told_with_and_without_an_end() {
        let began = Instant::now();
        let mut state = State { total: Bytes::ZERO, done: Bytes::new(5 << 20), began, told: began };
        assert_eq!(state.text(), "5 MiB, 5 MiB/s");
        state.total = Bytes::new(20 << 20);
        assert_eq!(state.text(), "5 MiB of 20 MiB (25 %), 5 MiB/s, 3 s left");
    }
}
