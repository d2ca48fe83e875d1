//! A command that runs on, for as long as somebody holds it: a lock, a connection that must not be idle.
//!
//! Its input is a pipe from this process and holds nothing, so that it sees an end there when it is dropped,
//! and also when this process is killed, or the machine switched off: whatever it stands for ends then.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::child::{self, Running, Sink};
use super::{Call, Error};

/// How long it may take to notice that its input ended.
const GRACE: Duration = Duration::from_secs(5);

/// How often somebody may say stop.
const TICK: Duration = Duration::from_millis(100);

/// The longest line that is listened to.
const LONGEST: u64 = 64 << 10;

/// How many lines that nobody asked for are kept.
const LINES: usize = 16;

/// A command that runs until this is dropped.
#[derive(Debug)]
pub struct Kept {
    /// What it is, as a shell reads it.
    call: String,
    line: String,
    stdin: Option<Sink>,
    lines: Receiver<Vec<u8>>,
    stop: Arc<AtomicBool>,
    running: Running,
}

impl Kept {
    /// Starts a program, and waits for its first line.
    pub(super) fn start(
        command: &mut Command,
        call: &Call<'_>,
        stop: &Arc<AtomicBool>,
    ) -> Result<Self, Error> {
        let mut running = Running::start(command)?;
        let stdin = running.child.stdin.take().map(|stdin| Sink::new(stdin, stop));
        let mut stdin = stdin.transpose().map_err(|source| running.talk(source))?;
        if let Some(stdin) = &mut stdin {
            // One that does not read it says why.
            let _ = stdin.write_all(call.input);
        }
        let err = running.child.stderr.take().map(child::collect);
        let (sender, lines) = sync_channel(LINES);
        if let Some(stdout) = running.child.stdout.take() {
            thread::spawn(move || listen(BufReader::new(stdout), &sender));
        }
        let (call, stop) = (call.line(), Arc::clone(stop));
        let mut kept = Self { call, line: String::new(), stdin, lines, stop, running };
        match child::next(&kept.lines, &kept.stop)? {
            Some(line) => {
                kept.line = text(&line);
                Ok(kept)
            }
            None => {
                kept.stdin = None;
                let said = kept.running.said(err, &kept.stop)?;
                Err(Error::Silent { line: kept.call.clone(), said: text(&said) })
            }
        }
    }

    /// Gives it lines, and waits for the line with which it answers.
    ///
    /// # Errors
    /// It has ended, or its connection has, or somebody said stop.
    pub fn ask(&mut self, lines: &str) -> Result<String, Error> {
        let given = self.stdin.as_mut().map(|stdin| writeln!(stdin, "{lines}"));
        let answer = match given {
            Some(Ok(())) => child::next(&self.lines, &self.stop)?,
            Some(Err(_)) if self.stop.load(Ordering::Relaxed) => return Err(Error::Interrupted),
            Some(Err(_)) | None => None,
        };
        let silent = || Error::Silent { line: self.call.clone(), said: String::new() };
        answer.map(|line| text(&line)).ok_or_else(silent)
    }

    /// Waits for its next line; tells whether one came in time. It says none, and none any more, where it has ended.
    ///
    /// # Errors
    /// Somebody said stop.
    pub fn hear(&self, within: Duration) -> Result<bool, Error> {
        let until = Instant::now() + within;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left.min(TICK)) {
                Ok(_) => return Ok(true),
                Err(RecvTimeoutError::Disconnected) => return Ok(false),
                Err(RecvTimeoutError::Timeout) if left.is_zero() => return Ok(false),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// The first line that it said.
    pub fn line(&self) -> &str {
        &self.line
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.stdin = None;
        self.running.ends_within(GRACE);
    }
}

/// Hands on what it says, line by line; it must not wait for somebody who reads them.
fn listen(mut stdout: impl BufRead, sender: &SyncSender<Vec<u8>>) {
    loop {
        let mut line = Vec::new();
        let heard = stdout.by_ref().take(LONGEST).read_until(b'\n', &mut line);
        if !heard.is_ok_and(|count| count > 0) {
            return;
        }
        // The first that come are those that were asked for.
        let _ = sender.try_send(line);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(script: &str) -> Result<Kept, Error> {
        let mut command = Command::new("sh");
        let call = Call { input: b"word\n", ..Call::new(&["script"]) };
        Kept::start(command.args(["-c", script]), &call, &Arc::default())
    }

    #[test]
    fn it_ends_when_it_is_dropped_and_not_before() {
        let directory = tempfile::tempdir().unwrap();
        let ended = directory.path().join("ended");
        let script = format!("read word; echo \"$word here\"; cat; touch {}", ended.display());
        let mut kept = start(&script).unwrap();
        assert_eq!(kept.line(), "word here");
        assert!(kept.running.ended().unwrap().is_none() && !ended.exists());
        drop(kept);
        assert!(ended.exists());
        // What it says later waits for nobody.
        let mut kept = start("echo here; head -c 1000000 /dev/zero; exit 3").unwrap();
        while kept.running.ended().unwrap().is_none() {
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn it_answers_what_it_is_asked_until_it_is_gone() {
        let mut kept = start(
            "read word; echo here; while read a b; do echo \"$b $a\"; [ $a != 3 ] || exit; done",
        )
        .unwrap();
        for number in 1..4 {
            assert_eq!(kept.ask(&format!("{number} of")).unwrap(), format!("of {number}"));
        }
        assert!(matches!(kept.ask("4 of"), Err(Error::Silent { .. })));
        let stop = Arc::new(AtomicBool::new(false));
        let mut command = Command::new("sh");
        let call = Call::new(&["script"]);
        let mut kept =
            Kept::start(command.args(["-c", "echo here; exec sleep 100"]), &call, &stop).unwrap();
        stop.store(true, Ordering::Relaxed);
        assert!(matches!(kept.ask("anything"), Err(Error::Interrupted)));
    }

    #[test]
    fn its_lines_are_waited_for_and_its_silence_is_told() {
        let kept = start("echo one; echo two; exec sleep 100").unwrap();
        assert!(kept.hear(Duration::from_secs(30)).unwrap());
        assert!(!kept.hear(Duration::from_millis(20)).unwrap());
        let kept = start("echo one; exit").unwrap();
        assert!(!kept.hear(Duration::from_secs(30)).unwrap());
    }

    #[test]
    fn one_that_says_nothing_says_why() {
        let error = start("echo 'no room' >&2; exit 1").unwrap_err();
        assert_eq!(error.to_string(), "script ended without a word: no room");
    }
}
