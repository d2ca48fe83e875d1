//! The guest's serial console: read by a thread, logged to files, searched with deadlines.
//!
//! What arrives is kept twice on disk, as it came (`console.raw`) and without escape sequences
//! (`console.log`); the second form is what is searched. A wait moves the cursor past what it
//! found, so each wait looks only at what is new to it. A wait also ends when the guest prints a
//! line that means nothing more will come ([`Fatal`]). It does not emulate a terminal.

mod search;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::ansi::Stripper;
use search::{Search, Watch};

/// The log without escape sequences, within the directory given to [`Console::new`].
pub const LOG: &str = "console.log";
/// The bytes as they came.
pub const RAW_LOG: &str = "console.raw";

/// Text kept for searching; what is older is in the log only. A guest prints less than a
/// thousandth of this on its way up, so only one that loops gets here.
const KEPT: usize = 16 << 20;

/// In which order several texts must come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// In any order.
    Any,
    /// One after the other.
    Sequence,
}

/// Lines after which a guest will not come up any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fatal {
    /// The firmware found nothing to start and went to its shell or menu.
    NothingToBoot,
    /// The kernel panicked.
    KernelPanic,
    /// NixOS' scripted stage 1 gave up and asks what to do.
    StageOne,
    /// systemd gave up and offers an emergency shell.
    Emergency,
}

impl Fatal {
    /// All of them: what a machine watches for unless told otherwise.
    pub const ALL: [Self; 4] =
        [Self::NothingToBoot, Self::KernelPanic, Self::StageOne, Self::Emergency];

    /// The texts that tell it.
    fn texts(self) -> &'static [&'static str] {
        match self {
            Self::NothingToBoot => {
                &["UEFI Interactive Shell v", "BdsDxe: No bootable option or device was found"]
            }
            Self::KernelPanic => &["Kernel panic - not syncing"],
            Self::StageOne => &["An error occurred in stage 1 of the boot process"],
            Self::Emergency => &["You are in emergency mode"],
        }
    }

    /// What happened, in words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::NothingToBoot => "the firmware found nothing to boot",
            Self::KernelPanic => "the kernel panicked",
            Self::StageOne => "stage 1 failed",
            Self::Emergency => "systemd went into emergency mode",
        }
    }
}

/// Why a wait ended without the text, or a text could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The deadline passed.
    #[error("{} did not appear within {} s", quoted(.missing), waited.as_secs())]
    Deadline {
        /// The texts that did not come.
        missing: Vec<String>,
        /// How long was waited.
        waited: Duration,
    },
    /// The console was closed: the machine is gone.
    #[error("the console closed before {} appeared", quoted(.missing))]
    Closed {
        /// The texts that did not come.
        missing: Vec<String>,
    },
    /// The guest printed that it will not come up.
    #[error("{}: {line:?}", fatal.meaning())]
    Fatal {
        /// What kind of end.
        fatal: Fatal,
        /// The line that tells it.
        line: String,
        /// The texts that did not come.
        missing: Vec<String>,
    },
    /// The guest's console takes no input any more.
    #[error("nothing can be sent to the console")]
    Send {
        /// What the system says.
        source: io::Error,
    },
}

pub(crate) fn quoted(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
    texts.join(", ")
}

/// What the reader thread and the waits share.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
}

/// The text so far.
#[derive(Debug, Default)]
struct State {
    text: Vec<u8>,
    /// How much text was dropped before `text`.
    dropped: usize,
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A serial console.
pub struct Console {
    shared: Arc<Shared>,
    input: Box<dyn Write + Send>,
    reader: Option<JoinHandle<()>>,
    cursor: usize,
    fatal: Vec<Fatal>,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}

impl Console {
    /// Starts reading `output` until its end, logging into the directory `logs`.
    pub fn new(
        output: impl Read + Send + 'static,
        input: impl Write + Send + 'static,
        logs: &Path,
    ) -> io::Result<Self> {
        let log = File::create(logs.join(LOG))?;
        let raw = File::create(logs.join(RAW_LOG))?;
        let shared = Arc::new(Shared::default());
        let reader = {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new()
                .name("console".to_owned())
                .spawn(move || listen(output, &shared, log, raw))?
        };
        Ok(Self {
            shared,
            input: Box::new(input),
            reader: Some(reader),
            cursor: 0,
            fatal: Fatal::ALL.to_vec(),
        })
    }

    /// Sets which fatal lines end a wait.
    pub fn watch_for(&mut self, fatal: &[Fatal]) {
        self.fatal = fatal.to_vec();
    }

    /// Waits for a text, and gives all that came since the last wait, this text included.
    pub fn expect(&mut self, text: &str, timeout: Duration) -> Result<String, Error> {
        let begin = self.cursor;
        self.wait(Search::new(&[text], Order::Any, begin), timeout)?;
        let state = self.shared.lock();
        let from = begin.saturating_sub(state.dropped);
        let to = self.cursor.saturating_sub(state.dropped);
        Ok(String::from_utf8_lossy(&state.text[from..to]).into_owned())
    }

    /// Waits for several texts, each needed once, in any order.
    pub fn expect_all(&mut self, texts: &[&str], timeout: Duration) -> Result<(), Error> {
        self.expect_ordered(texts, Order::Any, timeout)
    }

    /// Waits for several texts, each needed once.
    pub fn expect_ordered(
        &mut self,
        texts: &[&str],
        order: Order,
        timeout: Duration,
    ) -> Result<(), Error> {
        self.wait(Search::new(texts, order, self.cursor), timeout)
    }

    /// Sends bytes, such as a key press.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let sent = self.input.write_all(bytes).and_then(|()| self.input.flush());
        sent.map_err(|source| Error::Send { source })
    }

    /// Sends a line and Enter.
    ///
    /// A terminal in line mode takes at most 4095 bytes of it.
    pub fn send_line(&mut self, line: &str) -> Result<(), Error> {
        self.send(format!("{line}\r").as_bytes())
    }

    /// The last `count` lines that are not empty.
    pub fn tail(&self, count: usize) -> Vec<String> {
        let state = self.shared.lock();
        let mut lines: Vec<String> = state
            .text
            .rsplit(|&byte| byte == b'\n')
            .map(|line| String::from_utf8_lossy(line).trim_end().to_owned())
            .filter(|line| !line.is_empty())
            .take(count)
            .collect();
        lines.reverse();
        lines
    }

    /// All text so far, without escape sequences.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.shared.lock().text).into_owned()
    }

    /// Waits until the reader has logged everything; the output must have ended.
    pub(crate) fn join(&mut self) {
        if let Some(reader) = self.reader.take() {
            // The thread has no way to panic that would be worth reporting here.
            let _ = reader.join();
        }
    }

    fn wait(&mut self, mut search: Search<'_>, timeout: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + timeout;
        let mut watch = Watch::new(&self.fatal, self.cursor);
        let mut state = self.shared.lock();
        loop {
            search.advance(&state.text, state.dropped);
            if let Some(end) = search.end() {
                self.cursor = end;
                return Ok(());
            }
            if let Some((fatal, line)) = watch.advance(&state.text, state.dropped, state.closed) {
                return Err(Error::Fatal { fatal, line, missing: search.missing() });
            }
            if state.closed {
                return Err(Error::Closed { missing: search.missing() });
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Deadline { missing: search.missing(), waited: timeout });
            }
            state = self
                .shared
                .arrived
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

/// Reads to the end of the output; a log that cannot be written does not stop the reading.
fn listen(mut output: impl Read, shared: &Shared, mut log: File, mut raw: File) {
    let mut stripper = Stripper::default();
    let mut chunk = [0; 8192];
    let mut text = Vec::new();
    loop {
        let count = match output.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                tracing::warn!(%error, "console cannot be read");
                break;
            }
        };
        text.clear();
        stripper.feed(&chunk[..count], &mut text);
        let logged = raw.write_all(&chunk[..count]).and_then(|()| log.write_all(&text));
        if let Err(error) = logged {
            tracing::warn!(%error, "console log cannot be written");
        }
        let mut state = shared.lock();
        state.text.extend_from_slice(&text);
        if state.text.len() > KEPT {
            let half = state.text.len() / 2;
            state.text.drain(..half);
            state.dropped += half;
        }
        drop(state);
        shared.arrived.notify_all();
    }
    shared.lock().closed = true;
    shared.arrived.notify_all();
}

#[cfg(test)]
mod tests;
