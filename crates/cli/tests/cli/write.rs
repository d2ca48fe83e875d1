//! `calve write`, on loop devices where root may make them.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use rustix::fs::{Mode, OFlags};
use rustix::process::Signal;

use crate::pty::{LONG, Session};
use crate::run::{calve, command, output};

/// What a device holds before.
const OLD: u8 = 0xD1;
const MIB: usize = 1 << 20;

/// A disk image of 24 MiB with one partition, data at its beginning and a hole after; none without
/// `sgdisk`, which is told.
fn image(directory: &Path, name: &str) -> Option<PathBuf> {
    let path = directory.join(name);
    File::create(&path).unwrap().set_len(24 << 20).unwrap();
    let id = ["-U", "01234567-89ab-cdef-0123-456789abcdef"];
    let made = Command::new("sgdisk").args(id).args(["-n1:2048:0", "-c1:data"]).arg(&path).output();
    match made {
        Ok(made) => assert!(made.status.success()),
        Err(error) if std::env::var_os("CI").is_some() => panic!("sgdisk: {error}"),
        Err(_) => {
            eprintln!("SKIPPED: sgdisk is not installed");
            return None;
        }
    }
    let data: Vec<u8> = (0..=250).cycle().take(3 * MIB).collect();
    File::options().write(true).open(&path).unwrap().write_all_at(&data, 1 << 20).unwrap();
    Some(path)
}

/// A loop device over a file that is full of old bytes.
struct Loop {
    backing: PathBuf,
    name: String,
}

impl Loop {
    /// None where this process may not make any, which is told.
    fn new(directory: &Path, size: usize) -> Option<Self> {
        if !rustix::process::geteuid().is_root() || !Path::new("/dev/loop-control").exists() {
            // CI without root is allowed: a guest in qemu-tests writes a disk.
            eprintln!("SKIPPED: loop devices need root and /dev/loop-control");
            return None;
        }
        let backing = directory.join("backing");
        fs::write(&backing, vec![OLD; size]).unwrap();
        let made = Command::new("losetup").args(["--find", "--show"]).arg(&backing).output();
        let made = made.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let device = String::from_utf8(made.stdout).unwrap();
        let name = device.trim().strip_prefix("/dev/").unwrap().to_owned();
        Some(Self { backing, name })
    }

    fn path(&self) -> String {
        format!("/dev/{}", self.name)
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.backing).unwrap()
    }

    fn is_untouched(&self) -> bool {
        self.bytes().iter().all(|byte| *byte == OLD)
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(self.path()).status();
    }
}

fn sgdisk_finds_no_problem(disk: &Path) {
    let said = Command::new("sgdisk").arg("-v").arg(disk).output().unwrap().stdout;
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("No problems found"), "{said}");
}

#[test]
fn an_image_is_written_compared_and_its_backup_moved() {
    let directory = tempfile::tempdir().unwrap();
    let Some(image) = image(directory.path(), "disk.raw") else { return };
    let Some(device) = Loop::new(directory.path(), 40 * MIB + 4096) else { return };
    let arguments = ["write", "disk.raw", &device.path(), "--yes-wipe", &device.name];
    let said = calve(directory.path(), &arguments);
    assert!(said.starts_with("exit code: 0\n"), "{said}");
    for expected in [
        "on it     nothing that is known\n",
        "image     disk.raw: GPT, 24 MiB\n",
        "24 MiB, read back and found the same\n          backup GPT moved to the end\n",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
    let (found, image) = (device.bytes(), fs::read(image).unwrap());
    // All but the header and the protective record, which tell the disk's size, and the old backup,
    // which is in nobody's way.
    assert!(found[1024..24 * MIB] == image[1024..]);
    assert!(found[39 * MIB + 4096..40 * MIB - 64 * 512].iter().all(|byte| *byte == 0));
    sgdisk_finds_no_problem(&device.backing);
    let shown = calve(directory.path(), &["write", "disk.raw", &device.path(), "--dry-run"]);
    assert!(shown.contains("on it     GPT\n"), "{shown}");
    assert!(shown.contains("  data\n"), "{shown}");
}

#[test]
fn a_report_for_programs_and_a_device_that_is_not_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let Some(_) = image(directory.path(), "disk.raw") else { return };
    let Some(device) = Loop::new(directory.path(), 24 * MIB) else { return };
    let path = device.path();
    let run = |more: &[&str]| {
        let arguments = [&["write", "disk.raw", &path, "--json"], more].concat();
        let output = output(directory.path(), &arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (report, String::from_utf8(output.stderr).unwrap())
    };
    let (report, _) = run(&["--dry-run"]);
    assert_eq!(report["written"], serde_json::Value::Null);
    assert!(device.is_untouched());
    let (report, words) = run(&["--yes-wipe", &path, "--no-verify"]);
    assert!(words.contains("24 MiB, not read back, as --no-verify says\n"), "{words}");
    assert_eq!(report["written"], 24 * MIB);
    assert_eq!((&report["compared"], &report["backupMoved"]), (&false.into(), &false.into()));
    assert_eq!(report["device"]["name"], device.name);
    assert!(device.bytes() == fs::read(directory.path().join("disk.raw")).unwrap());
}

#[test]
fn who_is_asked_has_to_type_the_name() {
    let directory = tempfile::tempdir().unwrap();
    let Some(_) = image(directory.path(), "disk.raw") else { return };
    let Some(device) = Loop::new(directory.path(), 32 * MIB) else { return };
    let path = device.path();
    let asking = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_calve"));
        command.env_clear().env("PATH", "/nowhere").current_dir(directory.path());
        command.args(["--quiet", "write", "disk.raw", &path]);
        let mut session = Session::start(command, Vec::new());
        session.wait_for("nothing that is known\r\n");
        session.wait_for(&format!("Everything on {} will be lost. ", device.name));
        session.wait_for("Type its name to go on: ");
        session
    };
    for answer in ["\n", "yes\n", "/dev/loop\n", "\u{4}"] {
        let mut session = asking();
        session.enter(answer);
        let end = session.end();
        assert_eq!(end.code, Some(5), "{answer:?}");
        let said =
            format!("nobody said that {} may be overwritten: nothing was written", device.name);
        assert!(end.stderr.contains(&said), "{}", end.stderr);
        assert!(device.is_untouched());
    }
    let mut session = asking();
    session.enter(&format!("{}\n", device.name));
    assert_eq!(session.end().code, Some(0));
    sgdisk_finds_no_problem(&device.backing);
}

#[test]
fn nobody_to_ask_is_no_permission() {
    let directory = tempfile::tempdir().unwrap();
    let Some(_) = image(directory.path(), "disk.raw") else { return };
    let Some(device) = Loop::new(directory.path(), 32 * MIB) else { return };
    let said = calve(directory.path(), &["write", "disk.raw", &device.path()]);
    assert!(said.starts_with("exit code: 3\n"), "{said}");
    assert!(said.contains("there is no terminal to ask"), "{said}");
    let arguments = ["write", "disk.raw", &device.path(), "--yes-wipe", "sdz"];
    let said = calve(directory.path(), &arguments);
    assert!(said.starts_with("exit code: 2\n"), "{said}");
    assert!(said.contains(&format!(
        "--yes-wipe names sdz, but {} is {}",
        device.path(),
        device.name
    )));
    assert!(device.is_untouched());
}

#[test]
fn what_is_mounted_or_held_or_too_small_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let Some(_) = image(directory.path(), "disk.raw") else { return };
    let Some(device) = Loop::new(directory.path(), 20 * MIB) else { return };
    let path = device.path();
    let arguments = ["write", "disk.raw", &path, "--yes-wipe", &path];
    let said = calve(directory.path(), &arguments);
    let small = format!(
        "  the image has 24 MiB (25165824 bytes), {} only 20 MiB: 4194304 bytes are missing\n",
        device.name
    );
    assert!(said.starts_with("exit code: 3\n") && said.contains(&small), "{said}");
    assert!(device.is_untouched());

    let made = Command::new("mke2fs").args(["-q", "-F", "-L", "precious", &path]).status();
    assert!(made.unwrap().success());
    let mounted = directory.path().join("mounted");
    fs::create_dir(&mounted).unwrap();
    assert!(Command::new("mount").arg(&path).arg(&mounted).status().unwrap().success());
    let said = calve(directory.path(), &arguments);
    assert!(Command::new("umount").arg(&mounted).status().unwrap().success());
    assert!(said.contains("on it     ext2 \"precious\"\n"), "{said}");
    assert!(said.contains(&format!("  {} is mounted at DIR/mounted\n", device.name)), "{said}");
    assert!(said.contains("    umount DIR/mounted\n"), "{said}");
    drop(device);

    // What is not listed anywhere, the kernel knows.
    let Some(device) = Loop::new(directory.path(), 32 * MIB) else { return };
    let path = device.path();
    let flags = OFlags::RDWR | OFlags::EXCL | OFlags::CLOEXEC;
    let held = rustix::fs::open(&path, flags, Mode::empty()).unwrap();
    let said = calve(directory.path(), &["write", "disk.raw", &path, "--yes-wipe", &path]);
    drop(held);
    assert!(said.starts_with("exit code: 3\n"), "{said}");
    assert!(said.contains("is in use: the kernel gives it to nobody else"), "{said}");
    assert!(device.is_untouched());
}

/// Ctrl-C in the middle: the device is blank where a table would be, and that is said.
#[test]
fn whoever_interrupts_finds_a_blank_device() {
    let directory = tempfile::tempdir().unwrap();
    let Some(image) = image(directory.path(), "disk.raw") else { return };
    // Long enough to be interrupted.
    let file = File::options().write(true).open(&image).unwrap();
    file.set_len(24 << 20).unwrap();
    let large = directory.path().join("large.raw");
    let mut bytes = fs::read(&image).unwrap();
    bytes.resize(512 * MIB, 7);
    fs::write(&large, &bytes).unwrap();
    let Some(device) = Loop::new(directory.path(), 512 * MIB) else { return };
    let path = device.path();
    let mut command = Command::new(env!("CARGO_BIN_EXE_calve"));
    command.env_clear().env("PATH", "/nowhere").current_dir(directory.path());
    command.args(["write", "large.raw", &path, "--yes-wipe", &path]);
    let session = Session::start(command, Vec::new());
    let backing = File::open(&device.backing).unwrap();
    let (started, mut first) = (Instant::now(), [OLD; 512]);
    while first != [0; 512] {
        assert!(started.elapsed() < LONG);
        backing.read_exact_at(&mut first, 0).unwrap();
    }
    session.signal(Signal::INT);
    let end = session.end();
    assert_eq!(end.code, Some(130), "{}", end.stderr);
    let said = format!("nothing starts from {} now: its first 1 MiB are blank", device.name);
    assert!(end.stderr.contains(&said), "{}", end.stderr);
    let mut head = vec![OLD; MIB];
    File::open(&device.backing).unwrap().read_exact(&mut head).unwrap();
    assert!(head.iter().all(|byte| *byte == 0));
}

#[test]
fn what_is_no_device_and_what_is_no_image() {
    let directory = tempfile::tempdir().unwrap();
    let Some(image) = image(directory.path(), "disk.raw") else { return };
    fs::write(directory.path().join("file"), "").unwrap();
    insta::assert_snapshot!(calve(directory.path(), &["write", "disk.raw", "file"]), @r#"
    exit code: 2
    --- stderr
    error: file is a regular file: expected a block device
      help: to make a file of an image: cp IMAGE file
    "#);
    insta::assert_snapshot!(calve(directory.path(), &["write", "disk.raw", "/dev/null"]), @r#"
    exit code: 2
    --- stderr
    error: /dev/null is a character device: expected a block device
      help: name a disk, such as /dev/sdb
    "#);
    insta::assert_snapshot!(calve(directory.path(), &["write", "disk.raw", "/dev/gone"]), @r#"
    exit code: 2
    --- stderr
    error: /dev/gone does not exist
      help: calve write IMAGE lists the disks that there are
    "#);
    fs::write(directory.path().join("text"), "no disk\n").unwrap();
    insta::assert_snapshot!(calve(directory.path(), &["write", "text", "/dev/gone"]), @r#"
    exit code: 3
    --- stderr
    error: text is no disk image: expected a GPT, an MBR, an ISO 9660 or another file system, found bytes 6e 6f 20 64 69 73 6b 0a
      help: compressed images are read as zstd, xz and gzip; unpack others first
    "#);
    File::options().write(true).open(&image).unwrap().set_len(20 << 20).unwrap();
    insta::assert_snapshot!(calve(directory.path(), &["write", "disk.raw", "/dev/gone"]), @r#"
    exit code: 3
    --- stderr
    error: disk.raw is cut short: its GPT says 25165824 bytes, found 20971520
      help: the image is damaged or not all of it is there: fetch it again
    "#);
}

/// Without a device, the disks are told, and that one is expected.
#[test]
fn the_disks_are_listed() {
    let directory = tempfile::tempdir().unwrap();
    let Some(_) = image(directory.path(), "disk.raw") else { return };
    let output = command(directory.path(), &["write", "disk.raw"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("error: expected a DEVICE to write to\n"), "{said}");
    assert!(said.contains("the disks of this machine:\n"), "{said}");
}
