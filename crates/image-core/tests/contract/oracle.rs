//! Somebody else's programs. One that is missing is a loud skip at home and a failure in CI.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Finds a program on PATH or where Debian keeps the administrator's ones.
///
/// A test returns when this is none: the reason has been printed.
pub fn need(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin"].map(PathBuf::from))
        .map(|dir| dir.join(tool))
        .find(|file| file.is_file());
    if found.is_none() {
        skip(&format!("{tool} is not installed"));
    }
    found
}

/// Tells whether this process may mount; where it may not, the reason has been printed.
pub fn may_mount() -> bool {
    let root = rustix::process::geteuid().is_root() && Path::new("/dev/loop-control").exists();
    if !root {
        // CI without root is allowed: the guests in qemu-tests mount there.
        eprintln!("SKIPPED: mounting needs root and loop devices");
    }
    root
}

/// Tells whether this process may make devices and trusted attributes; where it may not, the reason
/// has been printed.
pub fn may_restore() -> bool {
    use rustix::fs::{CWD, FileType, Mode, XattrFlags};
    let dir = tempfile::tempdir().unwrap();
    let (node, device) = (dir.path().join("node"), rustix::fs::makedev(1, 3));
    let may = rustix::process::geteuid().is_root()
        && rustix::fs::mknodat(CWD, &node, FileType::CharacterDevice, Mode::RUSR, device).is_ok()
        && rustix::fs::setxattr(dir.path(), "trusted.x", b"", XattrFlags::empty()).is_ok();
    if !may {
        // CI without root is allowed: the readers still list what they would unpack.
        eprintln!("SKIPPED: unpacking owners, devices and trusted attributes needs root");
    }
    may
}

/// Says why a test proves nothing here; fails where `CI=true`.
pub fn skip(reason: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI must not skip: {reason}");
    eprintln!("SKIPPED: {reason}");
}

/// Runs a program, in English and UTC, and returns what it said and how it ended.
pub fn run(tool: &Path, args: &[&OsStr]) -> Output {
    Command::new(tool).args(args).env("LC_ALL", "C").env("TZ", "UTC").output().unwrap()
}

/// Runs a program that must succeed, and returns what it said.
pub fn expect(tool: &Path, args: &[&OsStr]) -> Vec<u8> {
    let output = run(tool, args);
    assert!(
        output.status.success(),
        "{} {args:?} failed with {}\n{}{}",
        tool.display(),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    output.stdout
}

/// Makes the arguments of [`run`] from texts and paths: `args!["-fn", &image]`.
#[macro_export]
macro_rules! args {
    ($($arg:expr),* $(,)?) => { &[$(::std::ffi::OsStr::new($arg)),*] };
}
