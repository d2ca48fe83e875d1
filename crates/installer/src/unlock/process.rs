//! An `ssh` that runs: what it says, what it is told, and its end.
//!
//! Whoever waits looks up often, so that a Ctrl-C or a limit of time is noticed; dropping it ends it. Readers are
//! not waited for: a jump host's ssh may hold our pipes open for longer than the one that we started.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use zeroize::Zeroizing;

/// Something that ssh did.
#[derive(Debug)]
pub(super) enum Event {
    /// The host said something; on a terminal it may repeat what it was given.
    Said(Zeroizing<Vec<u8>>),
    /// ssh itself said something, one line.
    Words(String),
    /// Nothing, for a moment.
    Nothing,
    /// It ended.
    Over(ExitStatus),
}

/// ssh, until this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    events: Receiver<Event>,
}

impl Process {
    /// Starts it.
    pub(super) fn start(mut command: Command) -> io::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (sender, events) = channel();
        if let Some(stdout) = child.stdout.take() {
            let sender = sender.clone();
            thread::spawn(move || said(stdout, &sender));
        }
        if let Some(stderr) = child.stderr.take() {
            thread::spawn(move || words(BufReader::new(stderr), &sender));
        }
        let stdin = child.stdin.take();
        Ok(Self { child, stdin, events })
    }

    /// Waits a moment for something to happen.
    pub(super) fn next(&mut self, moment: Duration) -> io::Result<Event> {
        match self.events.recv_timeout(moment) {
            Ok(event) => Ok(event),
            Err(RecvTimeoutError::Timeout) => {
                Ok(self.child.try_wait()?.map_or(Event::Nothing, Event::Over))
            }
            Err(RecvTimeoutError::Disconnected) => Ok(Event::Over(self.child.wait()?)),
        }
    }

    /// Gives the host a line.
    pub(super) fn answer(&mut self, prefix: &str, passphrase: &[u8]) -> io::Result<()> {
        let mut line = Zeroizing::new(Vec::with_capacity(prefix.len() + passphrase.len() + 1));
        line.extend_from_slice(prefix.as_bytes());
        line.extend_from_slice(passphrase);
        line.push(b'\n');
        match &mut self.stdin {
            Some(stdin) if self.child.try_wait()?.is_none() => stdin.write_all(&line),
            Some(_) | None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that is gone already is what was wanted; its own children notice by their pipes.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn said(mut stdout: impl Read, sender: &Sender<Event>) {
    loop {
        let mut bytes = Zeroizing::new(vec![0; 4096]);
        match stdout.read(&mut bytes) {
            Ok(count) if count > 0 => bytes.truncate(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(_) | Err(_) => return,
        }
        if sender.send(Event::Said(bytes)).is_err() {
            return;
        }
    }
}

fn words(mut stderr: impl BufRead, sender: &Sender<Event>) {
    let mut line = Vec::new();
    loop {
        line.clear();
        match stderr.read_until(b'\n', &mut line) {
            Ok(count) if count > 0 => {}
            Ok(_) | Err(_) => return,
        }
        if sender.send(Event::Words(String::from_utf8_lossy(&line).into_owned())).is_err() {
            return;
        }
    }
}
