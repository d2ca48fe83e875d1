//! Ctrl-C and its like, as a request to stop and not as sudden death.
//!
//! A signal sets a flag; whoever works looks at it and cleans up. A second signal ends the program
//! at once. Signals are caught only while something has to be cleaned up: before that, the default
//! (to die) is the right thing to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::failure::{Failure, Kind};

/// How often a waiting thread looks at the flag.
const POLL: Duration = Duration::from_millis(100);

/// Whether the user said stop.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt {
    flag: Arc<AtomicBool>,
}

impl Interrupt {
    /// Catches signals from now on.
    pub(crate) fn catch() -> Result<Self, Failure> {
        let flag = Arc::new(AtomicBool::new(false));
        Self::catch_with(flag)
    }

    /// Catches signals from now on and raises a flag that somebody else looks at.
    pub(crate) fn catch_with(flag: Arc<AtomicBool>) -> Result<Self, Failure> {
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let code = i32::from(Kind::Interrupted.exit_code());
            // Registered first, so that it sees the flag as the signal before left it.
            signal_hook::flag::register_conditional_shutdown(signal, code, Arc::clone(&flag))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&flag)))
                .map_err(|error| Failure::new(Kind::Failed, error))?;
        }
        Ok(Self { flag })
    }

    /// What others look at to know whether a signal came.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.flag)
    }

    /// Whether a signal came.
    pub(crate) fn came(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    /// The failure to report: after a signal everything else is a consequence.
    pub(crate) fn or(&self, failure: impl Into<Failure>) -> Failure {
        if self.came() { Failure::new(Kind::Interrupted, "interrupted") } else { failure.into() }
    }

    /// Ends a child process when a signal comes, until the guard is dropped.
    ///
    /// A Ctrl-C reaches the whole foreground group, but `kill` only this process.
    pub(crate) fn end_process(&self, process: u32) -> Watch {
        let over = Arc::new(AtomicBool::new(false));
        let (flag, is_over) = (Arc::clone(&self.flag), Arc::clone(&over));
        let thread = thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                if flag.load(Ordering::Relaxed) {
                    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
                    // A process that is gone already is what was wanted.
                    let _ = pid.map(|pid| rustix::process::kill_process(pid, Signal::TERM));
                    return;
                }
                thread::sleep(POLL);
            }
        });
        Watch { over, thread: Some(thread) }
    }
}

/// Stops the watching when dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It does not panic, and there would be nobody to tell.
            let _ = thread.join();
        }
    }
}
