//! A program on a real pseudo-terminal.
//!
//! Every session ends with the same questions: did a secret show on the screen, and is the terminal as
//! it was?

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

/// Long enough for the busiest machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A program on a pseudo-terminal, whose other end is a person.
pub(crate) struct Session {
    secrets: Vec<String>,
    pub(crate) child: Child,
    pub(crate) master: File,
    pub(crate) slave: OwnedFd,
    before: String,
    pub(crate) screen: String,
    read: usize,
}

/// How a session ended.
pub(crate) struct End {
    pub(crate) code: Option<i32>,
    pub(crate) screen: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Both ends of a new pseudo-terminal.
pub(crate) fn terminal() -> (OwnedFd, OwnedFd) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let slave = ioctl_tiocgptpeer(&master, flags).unwrap();
    (master, slave)
}

/// All settings of a terminal.
fn settings(terminal: &OwnedFd) -> String {
    format!("{:?}", tcgetattr(terminal).unwrap())
}

impl Session {
    /// Starts a program whose stdin is a terminal; nothing of the secrets may ever be shown on it.
    pub(crate) fn start(command: Command, secrets: Vec<String>) -> Self {
        let (master, slave) = terminal();
        let stdin = Stdio::from(slave.try_clone().unwrap());
        Self::start_on((master, slave), stdin, command, secrets)
    }

    /// The same with another stdin, for programs that are told which terminal to use.
    pub(crate) fn start_on(
        (master, slave): (OwnedFd, OwnedFd),
        stdin: Stdio,
        mut command: Command,
        secrets: Vec<String>,
    ) -> Self {
        let before = settings(&slave);
        assert!(is_echoing(&slave));
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let (screen, read) = (String::new(), 0);
        Self { secrets, child, master: File::from(master), slave, before, screen, read }
    }

    /// Reads the screen until a text that was not read before.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let started = Instant::now();
        while !self.screen[self.read..].contains(text) {
            let is_over = self.child.try_wait().unwrap().is_some() && !self.look();
            if is_over || started.elapsed() >= LONG {
                let mut stderr = String::new();
                if let Some(stream) = self.child.stderr.as_mut().filter(|_| is_over) {
                    stream.read_to_string(&mut stderr).unwrap();
                }
                panic!("no {text:?} in {:?}: {stderr}", self.screen);
            }
            self.look();
        }
        let found = self.screen[self.read..].find(text).unwrap();
        self.read += found + text.len();
    }

    /// Reads what is on the screen by now.
    fn look(&mut self) -> bool {
        let mut fds = [PollFd::new(&self.master, PollFlags::IN)];
        let tick = Timespec::try_from(Duration::from_millis(50)).unwrap();
        if poll(&mut fds, Some(&tick)).unwrap() == 0 {
            return false;
        }
        let mut bytes = [0; 4096];
        let count = self.master.read(&mut bytes).unwrap();
        self.screen.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        true
    }

    /// Types.
    pub(crate) fn enter(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the end of a program that prints no data, and asks what is asked in every session.
    pub(crate) fn end(self) -> End {
        let end = self.end_with_data();
        assert_eq!(end.stdout, "");
        end
    }

    /// The same of a program that prints data.
    pub(crate) fn end_with_data(mut self) -> End {
        let started = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < LONG, "still running: {:?}", self.screen);
            self.look();
        }
        while self.look() {}
        assert_eq!(settings(&self.slave), self.before, "the terminal is not as it was");
        let output = self.child.wait_with_output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        for secret in &self.secrets {
            let is_shown =
                [&self.screen, &stdout, &stderr].iter().any(|text| text.contains(secret));
            assert!(!is_shown, "{secret} was shown");
        }
        End { code: output.status.code(), screen: self.screen, stdout, stderr }
    }
}

/// Whether what is typed is shown, and read by lines.
pub(crate) fn is_echoing(terminal: &OwnedFd) -> bool {
    tcgetattr(terminal).unwrap().local_modes.contains(LocalModes::ECHO | LocalModes::ICANON)
}
