//! `calve unlock` runs, while every process of the machine is looked at: no passphrase is where others see it.

use std::fs;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::initrd::Initrd;

pub(crate) const ROOT: &str = "correct horse, root";
pub(crate) const DATA: &str = "battery staple 'data' \\ $x %s";
pub(crate) const WRONG: &str = "no horse at all";
pub(crate) const TICKET: &str = "web.unlock.toml";

/// What a run said.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs to its end, while every process of the machine is looked at.
pub(crate) fn run(command: Command) -> Run {
    let watch = Watch::start();
    let run = finish(command);
    watch.end();
    run
}

fn finish(mut command: Command) -> Run {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let run = Run {
        code: status.code(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    };
    for secret in [ROOT, DATA, WRONG] {
        assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{run:?}");
    }
    run
}

/// Looks for passphrases where every user of a machine can see them.
struct Watch {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Watch {
    fn start() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            loop {
                look();
                if flag.load(Ordering::Relaxed) {
                    return;
                }
                thread::sleep(Duration::from_millis(10));
            }
        });
        Self { is_over, thread }
    }

    fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

fn look() {
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let read = |name| fs::read(process.path().join(name)).unwrap_or_default();
        let arguments = read("cmdline");
        let is_calve = read("comm") == b"calve\n";
        // Who was told by the environment has it there; whom it starts must not.
        let environment = if is_calve { Vec::new() } else { read("environ") };
        for secret in [ROOT, DATA, WRONG].map(str::as_bytes) {
            for text in [&arguments, &environment] {
                let is_there = text.windows(secret.len()).any(|bytes| bytes == secret);
                assert!(!is_there, "{}", String::from_utf8_lossy(&arguments));
            }
        }
    }
}

pub(crate) fn key(host: &Initrd, name: &str, passphrase: &str) -> String {
    fs::write(host.path(name), passphrase).unwrap();
    format!("file:{name}")
}
