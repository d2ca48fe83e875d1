//! `calve first-boot host-key` on a real pseudo-terminal, with keys of the real `ssh-keygen`.
//!
//! Every session ends with the same questions: did anything of a key show on the screen, and is the
//! terminal as it was?

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use crate::run::{calve, shown};

/// Long enough for the busiest machine.
const LONG: Duration = Duration::from_secs(60);
const PROMPT: &str = "private key: ";

/// Two keys, and a place for one of them.
struct Keys {
    directory: tempfile::TempDir,
}

impl Keys {
    /// Nothing where `ssh-keygen` is not installed, which CI must not be.
    fn new() -> Option<Self> {
        if Command::new("ssh-keygen").arg("-?").output().is_err() {
            let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
            assert!(!ci, "CI must not skip: ssh-keygen is not installed");
            eprintln!("SKIPPED: ssh-keygen is not installed");
            return None;
        }
        let keys = Self { directory: tempfile::tempdir().unwrap() };
        keys.generate("right", "");
        keys.generate("wrong", "");
        keys.generate("encrypted", "a passphrase");
        Some(keys)
    }

    fn generate(&self, name: &str, passphrase: &str) {
        let mut command = Command::new("ssh-keygen");
        command.current_dir(self.directory.path()).args(["-q", "-t", "ed25519", "-C", name]);
        assert!(command.args(["-f", name, "-N", passphrase]).status().unwrap().success());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn fingerprint(&self, name: &str) -> String {
        let mut command = Command::new("ssh-keygen");
        let output = command.arg("-lf").arg(self.path(name)).output().unwrap();
        String::from_utf8(output.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
    }

    fn stored(&self) -> PathBuf {
        self.path("persist/etc/ssh/key")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_calve"));
        self.complete(&mut command, &self.stored());
        command
    }

    fn complete(&self, command: &mut Command, store: &Path) {
        command.env_clear().env("TERM", "linux").current_dir(self.directory.path());
        command.args(["first-boot", "host-key", "--expect", "right.pub", "--store"]).arg(store);
    }

    /// Whether the right key is where it should be, and nothing else.
    fn assert_stored(&self) {
        let path = self.stored();
        assert_eq!(fs::read_to_string(&path).unwrap(), self.text("right"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 2);
    }
}

/// A program on a pseudo-terminal, whose other end is a person.
struct Session<'k> {
    keys: &'k Keys,
    child: Child,
    master: File,
    slave: OwnedFd,
    before: String,
    screen: String,
    read: usize,
}

/// How a session ended.
struct End {
    code: Option<i32>,
    screen: String,
    stderr: String,
}

fn terminal() -> (OwnedFd, OwnedFd) {
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

impl<'k> Session<'k> {
    fn start(keys: &'k Keys, command: Command) -> Self {
        let (master, slave) = terminal();
        let stdin = slave.try_clone().unwrap();
        Self::start_on(keys, command, Stdio::from(stdin), (master, slave))
    }

    fn start_on(
        keys: &'k Keys,
        mut command: Command,
        stdin: Stdio,
        (master, slave): (OwnedFd, OwnedFd),
    ) -> Self {
        let before = settings(&slave);
        assert!(is_echoing(&slave));
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let (screen, read) = (String::new(), 0);
        Self { keys, child, master: File::from(master), slave, before, screen, read }
    }

    /// A session at its first question.
    fn asking(keys: &'k Keys) -> Self {
        let mut session = Self::start(keys, keys.command());
        session.wait_for(PROMPT);
        assert!(!is_echoing(&session.slave));
        session
    }

    /// Reads the screen until a text that was not read before.
    fn wait_for(&mut self, text: &str) {
        let started = Instant::now();
        while !self.screen[self.read..].contains(text) {
            assert!(started.elapsed() < LONG, "no {text:?} in {:?}", self.screen);
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

    fn enter(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the end, and asks what is asked in every session.
    fn end(mut self) -> End {
        let started = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < LONG, "still running: {:?}", self.screen);
            self.look();
        }
        while self.look() {}
        assert_eq!(settings(&self.slave), self.before, "the terminal is not as it was");
        let output = self.child.wait_with_output().unwrap();
        assert!(output.stdout.is_empty());
        let stderr = String::from_utf8(output.stderr).unwrap();
        for name in ["right", "wrong", "encrypted"] {
            let key = self.keys.text(name);
            for line in key.lines().filter(|line| !line.starts_with('-')) {
                assert!(!self.screen.contains(line) && !stderr.contains(line), "{line} was shown");
            }
        }
        End { code: output.status.code(), screen: self.screen, stderr }
    }
}

fn is_echoing(terminal: &OwnedFd) -> bool {
    tcgetattr(terminal).unwrap().local_modes.contains(LocalModes::ECHO | LocalModes::ICANON)
}

#[test]
fn the_right_key_amid_noise() {
    let Some(keys) = Keys::new() else { return };
    let key = keys.text("right");
    let pastes = [
        key.clone(),
        key.replace('\n', "\r"),
        format!("\u{1b}[200~{}\u{1b}[201~", key.replace('\n', "\r")),
        format!("> cat key\r\n\r\n{}> \r\n", key.replace('\n', "\r\n> ")),
        format!("{}{key}", keys.text("wrong")),
        // One line of more than the 4096 bytes that the kernel's line editor takes.
        format!("{}{}", " ".repeat(8000), key.replace('\n', "\\n")),
    ];
    for paste in pastes {
        let mut session = Session::asking(&keys);
        session.enter(&paste);
        session.wait_for("Stored ");
        let end = session.end();
        assert_eq!((end.code, end.stderr.as_str()), (Some(0), ""), "{}", end.screen);
        keys.assert_stored();
        fs::remove_dir_all(keys.path("persist")).unwrap();
    }
}

#[test]
fn a_slow_line_byte_by_byte() {
    let Some(keys) = Keys::new() else { return };
    let mut session = Session::asking(&keys);
    for byte in keys.text("right").chars() {
        session.enter(&byte.to_string());
    }
    assert_eq!(session.end().code, Some(0));
    keys.assert_stored();
}

#[test]
fn what_is_wrong_is_told_and_asked_for_again() {
    let Some(keys) = Keys::new() else { return };
    let right = keys.text("right");
    let (expected, found) = (keys.fingerprint("right"), keys.fingerprint("wrong"));
    let wrong = format!("it is another key: expected {expected}, found {found}.");
    let mut session = Session::asking(&keys);
    assert!(session.screen.contains(&format!("key is missing: {expected} right\r\n")));
    for (paste, reason) in [
        (keys.text("wrong"), wrong.as_str()),
        (right.replacen("AAAA", "AAA", 1), "the key is broken: "),
        (keys.text("encrypted"), "the key has a passphrase: host keys have none"),
        (format!("{}\r", keys.text("right.pub").trim_end()) + "\r", "it is a public key: "),
        ("\r".to_owned(), "there is no OpenSSH private key in it: "),
        ("x".repeat(100_000), "it is longer than 64 KiB"),
        (right.split_at(200).0.to_owned() + "\u{4}", "the key is cut short: "),
    ] {
        session.enter(&paste);
        // The screen is cleared first.
        session.wait_for("\u{1b}[H\u{1b}[2J");
        session.wait_for(reason);
        session.wait_for(PROMPT);
        assert!(!keys.stored().exists());
    }
    session.enter(&right);
    assert_eq!(session.end().code, Some(0));
    keys.assert_stored();
}

#[test]
fn whoever_gives_up_is_let_go() {
    let Some(keys) = Keys::new() else { return };
    let mut session = Session::asking(&keys);
    session.enter("\u{4}");
    let end = session.end();
    assert_eq!(end.code, Some(5));
    let expected = keys.fingerprint("right");
    assert!(
        end.stderr.contains(&format!("error: nobody gave the host key {expected}\n")),
        "{}",
        end.stderr
    );

    // Nobody is there.
    let mut command = keys.command();
    command.args(["--timeout", "1"]);
    let end = Session::start(&keys, command).end();
    assert_eq!(end.code, Some(5));
    assert!(end.stderr.contains("nobody gave the host key in time"), "{}", end.stderr);
    assert_eq!(fs::read_dir(keys.stored().parent().unwrap()).unwrap().count(), 0);
}

#[test]
fn whoever_interrupts_is_obeyed() {
    let Some(keys) = Keys::new() else { return };
    let half = keys.text("right").split_at(200).0.to_owned();
    for typed in ["\u{3}", "\u{1c}", &format!("{half}\u{3}")] {
        let mut session = Session::asking(&keys);
        session.enter(typed);
        assert_eq!(session.end().code, Some(130), "{typed:?}");
    }
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut session = Session::asking(&keys);
        session.enter(&half);
        session.signal(signal);
        assert_eq!(session.end().code, Some(130), "{signal:?}");
    }
    assert_eq!(fs::read_dir(keys.stored().parent().unwrap()).unwrap().count(), 0);
}

#[test]
fn a_console_that_hangs_up() {
    let Some(keys) = Keys::new() else { return };
    let Session { mut child, master, slave, .. } = Session::asking(&keys);
    drop((master, slave));
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(started.elapsed() < LONG);
        std::thread::yield_now();
    }
    assert_eq!(child.wait().unwrap().code(), Some(5));
}

#[test]
fn nobody_to_ask() {
    let Some(keys) = Keys::new() else { return };
    let skipped = |rest: &[&str]| {
        let expect = ["first-boot", "host-key", "--expect", "right.pub", "--store", "persist/key"];
        let shown = calve(keys.directory.path(), &[&expect, rest].concat());
        shown.replace(&keys.fingerprint("right"), "SHA256:RIGHT")
    };
    insta::assert_snapshot!(skipped(&[]), @r"
    exit code: 0
    --- stderr
    skipped   no terminal to ask for the host key SHA256:RIGHT of persist/key
    ");
    let without = skipped(&[]);
    assert_eq!(skipped(&["--terminal", "/dev/null"]), without);
    assert_eq!(skipped(&["--terminal", "/nowhere/console"]), without);
    assert!(!keys.path("persist").exists());
}

#[test]
fn a_terminal_by_its_name() {
    let Some(keys) = Keys::new() else { return };
    let (master, slave) = terminal();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let mut command = keys.command();
    command.args(["--terminal", &name]);
    let mut session = Session::start_on(&keys, command, Stdio::null(), (master, slave));
    session.wait_for(PROMPT);
    session.enter(&keys.text("right"));
    assert_eq!(session.end().code, Some(0));
    keys.assert_stored();
}

#[test]
fn a_key_that_is_stored_needs_nobody() {
    let Some(keys) = Keys::new() else { return };
    fs::create_dir_all(keys.stored().parent().unwrap()).unwrap();
    fs::copy(keys.path("right"), keys.stored()).unwrap();
    for _ in 0..2 {
        let end = Session::start(&keys, keys.command()).end();
        assert_eq!((end.code, end.screen.as_str(), end.stderr.as_str()), (Some(0), "", ""));
        keys.assert_stored();
    }
}

#[test]
fn another_key_that_is_stored_is_kept() {
    let Some(keys) = Keys::new() else { return };
    fs::create_dir_all(keys.stored().parent().unwrap()).unwrap();
    fs::copy(keys.path("wrong"), keys.stored()).unwrap();
    let mut session = Session::asking(&keys);
    assert!(session.screen.contains("key.old: it is another key: expected"), "{}", session.screen);
    session.enter(&keys.text("right"));
    assert_eq!(session.end().code, Some(0));
    assert_eq!(fs::read_to_string(keys.stored()).unwrap(), keys.text("right"));
    let old = keys.stored().with_extension("old");
    assert_eq!(fs::read_to_string(old).unwrap(), keys.text("wrong"));
}

/// Told before anybody went to fetch the key.
#[test]
fn a_place_that_takes_no_key() {
    let Some(keys) = Keys::new() else { return };
    fs::write(keys.path("file"), "").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_calve"));
    keys.complete(&mut command, &keys.path("file/ssh/key"));
    let end = Session::start(&keys, command).end();
    assert_eq!((end.code, end.screen.as_str()), (Some(1), ""));
    assert!(end.stderr.contains("Not a directory"), "{}", end.stderr);

    fs::create_dir(keys.path("disk")).unwrap();
    let mount = "mount -t tmpfs -o ro none disk && exec \"$@\"";
    let unshare = ["--user", "--map-root-user", "--mount", "sh", "-c"];
    let mut may = Command::new("unshare");
    may.args(unshare).args([mount, "sh", "true"]).current_dir(keys.directory.path());
    if !may.output().is_ok_and(|output| output.status.success()) {
        // CI without namespaces is allowed: a file in place of a directory is refused above.
        eprintln!("SKIPPED: mounting needs user namespaces");
        return;
    }
    let mut command = Command::new("unshare");
    command.args(unshare).args([mount, "sh", env!("CARGO_BIN_EXE_calve")]);
    keys.complete(&mut command, &keys.path("disk/ssh/key"));
    command.env("PATH", "/usr/bin:/bin");
    let end = Session::start(&keys, command).end();
    assert_eq!((end.code, end.screen.as_str()), (Some(1), ""), "{}", end.stderr);
    assert!(end.stderr.contains("mounted, for writing, before it is asked for"), "{}", end.stderr);
}

#[test]
fn what_is_expected_is_a_public_key() {
    let Some(keys) = Keys::new() else { return };
    fs::write(keys.path("empty"), "").unwrap();
    for (file, expected) in [("right", "it holds a private key"), ("empty", "it holds 0 keys")] {
        let mut command = crate::run::command(keys.directory.path(), &["first-boot", "host-key"]);
        let output = command.args(["--store", "key", "--expect", file]).output().unwrap();
        let shown = shown(keys.directory.path(), &output);
        assert!(shown.starts_with("exit code: 2\n") && shown.contains(expected), "{shown}");
    }
}
