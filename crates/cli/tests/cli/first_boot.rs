//! `calve first-boot host-key` on a real pseudo-terminal, with keys of the real `ssh-keygen`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::process::Signal;
use rustix::pty::ptsname;

use crate::keygen::{self, Keygen};
use crate::pty::{LONG, Session, is_echoing, terminal};
use crate::run::{calve, shown};

const PROMPT: &str = "private key: ";

/// Three keys, and a place for one of them.
struct Keys {
    keygen: Keygen,
}

impl Keys {
    /// Nothing where `ssh-keygen` is not installed.
    fn new() -> Option<Self> {
        let keygen = Keygen::new()?;
        keygen.generate("right", "");
        keygen.generate("wrong", "");
        keygen.generate("encrypted", "a passphrase");
        Some(Self { keygen })
    }

    fn directory(&self) -> &Path {
        self.keygen.directory()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.keygen.text(name)
    }

    fn fingerprint(&self, name: &str) -> String {
        self.keygen.fingerprint(name)
    }

    /// The lines that nobody may ever see.
    fn secrets(&self) -> Vec<String> {
        let texts = ["right", "wrong", "encrypted"].map(|name| self.text(name)).concat();
        texts.lines().filter(|line| !line.starts_with('-')).map(str::to_owned).collect()
    }

    fn start(&self, command: Command) -> Session {
        Session::start(command, self.secrets())
    }

    /// A session at its first question.
    fn asking(&self) -> Session {
        let mut session = self.start(self.command());
        session.wait_for(PROMPT);
        assert!(!is_echoing(&session.slave));
        session
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
        command.env_clear().env("TERM", "linux").current_dir(self.directory());
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
        let mut session = keys.asking();
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
    let mut session = keys.asking();
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
    let mut session = keys.asking();
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
    let mut session = keys.asking();
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
    let end = keys.start(command).end();
    assert_eq!(end.code, Some(5));
    assert!(end.stderr.contains("nobody gave the host key in time"), "{}", end.stderr);
    assert_eq!(fs::read_dir(keys.stored().parent().unwrap()).unwrap().count(), 0);
}

#[test]
fn whoever_interrupts_is_obeyed() {
    let Some(keys) = Keys::new() else { return };
    let half = keys.text("right").split_at(200).0.to_owned();
    for typed in ["\u{3}", "\u{1c}", &format!("{half}\u{3}")] {
        let mut session = keys.asking();
        session.enter(typed);
        assert_eq!(session.end().code, Some(130), "{typed:?}");
    }
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut session = keys.asking();
        session.enter(&half);
        session.signal(signal);
        assert_eq!(session.end().code, Some(130), "{signal:?}");
    }
    assert_eq!(fs::read_dir(keys.stored().parent().unwrap()).unwrap().count(), 0);
}

/// Everywhere else the terminal controls nobody, as the console during activation.
#[test]
fn a_terminal_that_controls_the_program() {
    let Some(keys) = Keys::new() else { return };
    let Some(()) = keygen::need("setsid") else { return };
    let controlled = |program: &[&str]| {
        let mut command = Command::new("setsid");
        command.arg("--ctty").args(program).arg(env!("CARGO_BIN_EXE_calve"));
        keys.complete(&mut command, &keys.stored());
        command.env("PATH", "/usr/bin:/bin");
        keys.start(command)
    };
    let mut session = controlled(&[]);
    session.wait_for(PROMPT);
    session.enter("\u{3}");
    assert_eq!(session.end().code, Some(130));
    // A job in the background would be stopped for good by a question.
    let end = controlled(&["sh", "-c", "set -m; \"$@\" & wait $!", "sh"]).end();
    assert_eq!(end.code, Some(0));
    assert!(end.stderr.starts_with("skipped   no terminal to ask"), "{}", end.stderr);
    let mut session = controlled(&[]);
    session.wait_for(PROMPT);
    session.enter(&keys.text("right"));
    assert_eq!(session.end().code, Some(0));
    keys.assert_stored();
}

#[test]
fn a_console_that_hangs_up() {
    let Some(keys) = Keys::new() else { return };
    let Session { mut child, master, slave, .. } = keys.asking();
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
        let shown = calve(keys.directory(), &[&expect, rest].concat());
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
    let mut session = Session::start_on((master, slave), Stdio::null(), command, keys.secrets());
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
        let end = keys.start(keys.command()).end();
        assert_eq!((end.code, end.screen.as_str(), end.stderr.as_str()), (Some(0), "", ""));
        keys.assert_stored();
    }
}

#[test]
fn another_key_that_is_stored_is_kept() {
    let Some(keys) = Keys::new() else { return };
    fs::create_dir_all(keys.stored().parent().unwrap()).unwrap();
    fs::copy(keys.path("wrong"), keys.stored()).unwrap();
    let mut session = keys.asking();
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
    let end = keys.start(command).end();
    assert_eq!((end.code, end.screen.as_str()), (Some(1), ""));
    assert!(end.stderr.contains("Not a directory"), "{}", end.stderr);

    fs::create_dir(keys.path("disk")).unwrap();
    let mount = "mount -t tmpfs -o ro none disk && exec \"$@\"";
    let unshare = ["--user", "--map-root-user", "--mount", "sh", "-c"];
    let mut may = Command::new("unshare");
    may.args(unshare).args([mount, "sh", "true"]).current_dir(keys.directory());
    if !may.output().is_ok_and(|output| output.status.success()) {
        // CI without namespaces is allowed: a file in place of a directory is refused above.
        eprintln!("SKIPPED: mounting needs user namespaces");
        return;
    }
    let mut command = Command::new("unshare");
    command.args(unshare).args([mount, "sh", env!("CARGO_BIN_EXE_calve")]);
    keys.complete(&mut command, &keys.path("disk/ssh/key"));
    command.env("PATH", "/usr/bin:/bin");
    let end = keys.start(command).end();
    assert_eq!((end.code, end.screen.as_str()), (Some(1), ""), "{}", end.stderr);
    assert!(end.stderr.contains("mounted, for writing, before it is asked for"), "{}", end.stderr);
}

#[test]
fn what_is_expected_is_a_public_key() {
    let Some(keys) = Keys::new() else { return };
    fs::write(keys.path("empty"), "").unwrap();
    for (file, expected) in [("right", "it holds a private key"), ("empty", "it holds 0 keys")] {
        let mut command = crate::run::command(keys.directory(), &["first-boot", "host-key"]);
        let output = command.args(["--store", "key", "--expect", file]).output().unwrap();
        let shown = shown(keys.directory(), &output);
        assert!(shown.starts_with("exit code: 2\n") && shown.contains(expected), "{shown}");
    }
}
