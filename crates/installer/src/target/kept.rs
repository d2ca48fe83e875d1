//! A command that runs on, for as long as somebody holds it: a lock, a connection that must not be idle.
//!
//! Its input is a pipe from this process and holds nothing, so that it sees an end there when it is dropped,
//! and also when this process is killed, or the machine switched off: whatever it stands for ends then.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{ChildStdin, Command};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use super::child::{self, Running};
use super::{Call, Error};

/// How long it may take to notice that its input ended.
const GRACE: Duration = Duration::from_secs(5);

/// A command that runs until this is dropped.
#[derive(Debug)]
pub struct Kept {
    line: String,
    stdin: Option<ChildStdin>,
    running: Running,
}

impl Kept {
    /// Starts a program, and waits for its first line.
    pub(super) fn start(
        command: &mut Command,
        call: &Call<'_>,
        stop: &AtomicBool,
    ) -> Result<Self, Error> {
        let mut running = Running::start(command)?;
        let mut stdin = running.child.stdin.take();
        if let Some(stdin) = &mut stdin {
            // One that does not read it says why.
            let _ = stdin.write_all(call.input);
        }
        let err = running.child.stderr.take().map(child::collect);
        let (sender, lines) = channel();
        if let Some(stdout) = running.child.stdout.take() {
            thread::spawn(move || {
                let mut stdout = BufReader::new(stdout);
                let mut line = Vec::new();
                let heard =
                    stdout.read_until(b'\n', &mut line).is_ok_and(|_| line.ends_with(b"\n"));
                if heard && sender.send(line).is_ok() {
                    drop(sender);
                    // It must not wait for somebody who reads the rest.
                    let _ = io::copy(&mut stdout, &mut io::sink());
                }
            });
        }
        match child::next(&lines, stop)? {
            Some(line) => {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                Ok(Self { line, stdin, running })
            }
            None => {
                drop(stdin);
                let said = running.said(err, stop)?;
                let said = String::from_utf8_lossy(&said).trim_end().to_owned();
                Err(Error::Silent { line: call.line(), said })
            }
        }
    }

    /// The first line that it said.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Tells whether it has ended by itself, or its connection has.
    pub fn is_over(&mut self) -> bool {
        !matches!(self.running.ended(), Ok(None))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.stdin = None;
        self.running.ends_within(GRACE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(script: &str) -> Result<Kept, Error> {
        let mut command = Command::new("sh");
        let call = Call { input: b"word\n", ..Call::new(&["script"]) };
        Kept::start(command.args(["-c", script]), &call, &AtomicBool::new(false))
    }

    #[test]
    fn it_ends_when_it_is_dropped_and_not_before() {
        let directory = tempfile::tempdir().unwrap();
        let ended = directory.path().join("ended");
        let script = format!("read word; echo \"$word here\"; cat; touch {}", ended.display());
        let mut kept = start(&script).unwrap();
        assert_eq!(kept.line(), "word here");
        assert!(!kept.is_over() && !ended.exists());
        drop(kept);
        assert!(ended.exists());
        // What it says later waits for nobody.
        let mut kept = start("echo here; head -c 1000000 /dev/zero; exit 3").unwrap();
        while !kept.is_over() {
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn one_that_says_nothing_says_why() {
        let error = start("echo 'no room' >&2; exit 1").unwrap_err();
        assert_eq!(error.to_string(), "script ended without a word: no room");
    }
}
