//! A running machine: the only owner of its QEMU process.
//!
//! Dropping it kills that process and no other. The methods that take `self` end a good run and
//! remove its evidence; a failed wait, or a drop without one of them (a test that panicked), keeps
//! it. A `SIGKILL` of this program leaves QEMU behind: there is no portable way to prevent that.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::console::{self, Console, Fatal, Order, quoted};
use crate::disk::Disk;
use crate::evidence::{self, Evidence};
use crate::qmp::{self, Qmp};
use crate::start::{end, grow};

/// How many lines of the console a failure carries.
const TAIL: usize = 20;
/// How often to look whether QEMU has ended.
const POLL: Duration = Duration::from_millis(50);
/// QEMU closes the console a moment before it exits.
const LAST_BREATH: Duration = Duration::from_secs(10);

/// A machine that runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    console: Console,
    qmp: Option<Qmp>,
    evidence: Evidence,
    // Removed, with QEMU's socket, when the machine goes.
    _socket_dir: TempDir,
}

/// What a run consists of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) child: Child,
    pub(crate) console: Console,
    pub(crate) evidence: Evidence,
    pub(crate) socket_dir: TempDir,
}

/// Why a machine did not do what was expected.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// Texts did not come in time.
    #[error("{} did not appear within {} s", quoted(.missing), waited.as_secs())]
    Deadline {
        /// The texts that did not come.
        missing: Vec<String>,
        /// How long was waited.
        waited: Duration,
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
    /// QEMU ended too early.
    #[error("{}", ended(.status, .stopped.as_deref(), .messages, .missing))]
    Ended {
        /// Its exit status, if it could be learnt.
        status: Option<ExitStatus>,
        /// Why the guest stopped, in QEMU's words: `guest-shutdown`, `guest-reset`, `guest-panic`.
        stopped: Option<String>,
        /// What QEMU said about it.
        messages: String,
        /// The texts that had not come.
        missing: Vec<String>,
    },
    /// The machine did not go off.
    #[error("the machine is still on after {} s", waited.as_secs())]
    StillOn {
        /// How long was waited.
        waited: Duration,
    },
    /// QEMU's control socket failed.
    #[error(transparent)]
    Qmp(#[from] qmp::Error),
    /// The console takes no input.
    #[error(transparent)]
    Console(console::Error),
}

fn ended(
    status: &Option<ExitStatus>,
    stopped: Option<&str>,
    messages: &str,
    missing: &[String],
) -> String {
    let mut text = match stopped {
        Some("guest-shutdown") => "the guest powered off".to_owned(),
        Some("guest-reset") => "the guest restarted".to_owned(),
        Some(reason) => format!("QEMU ended ({reason})"),
        None => match status {
            Some(status) => format!("QEMU ended with {status}"),
            None => "QEMU ended".to_owned(),
        },
    };
    if !missing.is_empty() {
        text.push_str(&format!(" before {} appeared", quoted(missing)));
    }
    if !messages.is_empty() {
        text.push_str(&format!(": {messages}"));
    }
    text
}

/// A failed run: the reason, the console's last lines, and where the evidence lies.
#[derive(thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// What went wrong.
    pub reason: Box<Reason>,
    /// The last lines of the console.
    pub tail: Vec<String>,
    /// The directory with the evidence.
    pub evidence: PathBuf,
}

/// Shows everything, so that a test's `unwrap` does too.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.reason)?;
        for line in &self.tail {
            writeln!(f, "  | {line}")?;
        }
        write!(f, "the whole console: {}", self.log().display())
    }
}

impl Failure {
    /// The file with all that the console showed.
    pub fn log(&self) -> PathBuf {
        self.evidence.join(console::LOG)
    }

    pub(crate) fn without_console(reason: Reason, evidence: &Path) -> Self {
        Self { reason: Box::new(reason), tail: Vec::new(), evidence: evidence.to_owned() }
    }
}

impl Running {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { child, console, evidence, socket_dir } = parts;
        Self { child, console, qmp: None, evidence, _socket_dir: socket_dir }
    }

    pub(crate) fn attach(&mut self, qmp: Qmp) {
        self.qmp = Some(qmp);
    }

    /// Tells why there is no control socket: mostly because QEMU is ending, which it does a
    /// moment after the socket breaks.
    pub(crate) fn fail_early(&mut self, error: qmp::Error) -> Failure {
        let broken = matches!(error, qmp::Error::Connect { .. } | qmp::Error::Io { .. });
        let gone = if broken { self.ends_within(LAST_BREATH) } else { self.has_ended() };
        let reason = if gone { self.early_end(Vec::new()) } else { error.into() };
        self.fail(reason)
    }

    pub(crate) fn grow(&mut self, disks: &[Disk]) -> Result<(), Failure> {
        let Some(qmp) = &mut self.qmp else {
            return Ok(());
        };
        match grow(qmp, disks) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.fail_early(error)),
        }
    }

    /// The serial console; its errors know nothing of evidence, unlike those of
    /// [`Running::expect`].
    pub fn console(&mut self) -> &mut Console {
        &mut self.console
    }

    /// QEMU's control socket.
    pub fn qmp(&mut self) -> Option<&mut Qmp> {
        self.qmp.as_mut()
    }

    /// The directory with the evidence of this run.
    pub fn evidence(&self) -> &Path {
        self.evidence.dir()
    }

    /// QEMU's process number.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a text on the console, and gives all that came since the last wait.
    pub fn expect(&mut self, text: &str, timeout: Duration) -> Result<String, Failure> {
        let found = self.console.expect(text, timeout);
        found.map_err(|error| self.console_failure(error))
    }

    /// Waits for several texts on the console, each needed once, in any order.
    pub fn expect_all(&mut self, texts: &[&str], timeout: Duration) -> Result<(), Failure> {
        self.expect_ordered(texts, Order::Any, timeout)
    }

    /// Waits for several texts on the console, each needed once.
    pub fn expect_ordered(
        &mut self,
        texts: &[&str],
        order: Order,
        timeout: Duration,
    ) -> Result<(), Failure> {
        let found = self.console.expect_ordered(texts, order, timeout);
        found.map_err(|error| self.console_failure(error))
    }

    /// Sends bytes to the console, such as a key press.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let sent = self.console.send(bytes);
        sent.map_err(|error| self.console_failure(error))
    }

    /// Sends a line to the console.
    pub fn send_line(&mut self, line: &str) -> Result<(), Failure> {
        let sent = self.console.send_line(line);
        sent.map_err(|error| self.console_failure(error))
    }

    /// Whether QEMU has ended.
    pub fn has_ended(&mut self) -> bool {
        // An error means that there is no such child any more.
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Presses the power button and waits until the machine is off.
    pub fn shutdown(mut self, timeout: Duration) -> Result<(), Failure> {
        let pressed = self.qmp.as_mut().map_or(Ok(()), Qmp::power_down);
        if let Err(error) = pressed
            && !self.has_ended()
        {
            return Err(self.fail(error.into()));
        }
        self.wait_off(timeout)
    }

    /// Waits until the guest has switched the machine off (or restarted, where that ends it).
    pub fn wait_off(mut self, timeout: Duration) -> Result<(), Failure> {
        if !self.ends_within(timeout) {
            return Err(self.fail(Reason::StillOn { waited: timeout }));
        }
        self.console.join();
        match self.child.try_wait() {
            Ok(Some(status)) if !status.success() => {
                let reason = self.early_end(Vec::new());
                Err(self.fail(reason))
            }
            _ => {
                self.evidence.discard();
                Ok(())
            }
        }
    }

    /// Pulls the plug, and calls the run a good one.
    pub fn stop(mut self) {
        end(&mut self.child);
        self.console.join();
        self.evidence.discard();
    }

    /// Turns a reason into a failure: the machine is ended, the evidence stays.
    pub fn fail(&mut self, reason: Reason) -> Failure {
        end(&mut self.child);
        self.console.join();
        let failure = Failure {
            reason: Box::new(reason),
            tail: self.console.tail(TAIL),
            evidence: self.evidence.dir().to_owned(),
        };
        if let Err(error) = self.evidence.write(evidence::REASON, &format!("{failure}\n")) {
            tracing::warn!(%error, "reason not kept");
        }
        failure
    }

    /// Turns what the console said into a failure: the machine is ended, the evidence stays.
    pub fn console_failure(&mut self, error: console::Error) -> Failure {
        let reason = match error {
            console::Error::Deadline { missing, waited } => Reason::Deadline { missing, waited },
            console::Error::Fatal { fatal, line, missing } => {
                Reason::Fatal { fatal, line, missing }
            }
            console::Error::Closed { missing } => {
                self.ends_within(LAST_BREATH);
                self.early_end(missing)
            }
            console::Error::Send { .. } => Reason::Console(error),
        };
        self.fail(reason)
    }

    fn early_end(&mut self, missing: Vec<String>) -> Reason {
        let status = self.child.try_wait().ok().flatten();
        // Only a process that has ended has nothing more to say.
        let stopped = match (&mut self.qmp, status) {
            (Some(qmp), Some(_)) => qmp.shutdown_reason().map(str::to_owned),
            _ => None,
        };
        let messages = fs::read(self.evidence.path(evidence::MESSAGES)).unwrap_or_default();
        let messages = String::from_utf8_lossy(&messages).trim().to_owned();
        Reason::Ended { status, stopped, messages, missing }
    }

    fn ends_within(&mut self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        while !self.has_ended() {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(POLL);
        }
        true
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end(&mut self.child);
        self.console.join();
    }
}
