//! A machine in a temporary directory: real shells, a real flock, and programs that only note what they were asked.
//!
//! What a command has of `/mnt`, `/dev`, `/run` and `/sys` lies below the directory; programs that would change a
//! machine are links to one script (`record.sh`), and nothing is on the PATH but those and a few that change no
//! machine: not even what is left running there can reach this one's. Whoever operates it may be killed before,
//! after or in the middle of any call: the call then unwinds, and nothing of the operator's runs any more, as after
//! SIGKILL, but what the system does for a process that is gone. Other tests may bring their own programs.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::symlink;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use calve_image_core::units::Bytes;
use tempfile::TempDir;

use crate::survey::Identity;
use crate::target::{Answer, Call, Error, Feed, Kept, Local, Login, Target};

/// What stands in for the programs below.
const RECORD: &str = include_str!("record.sh");

/// Programs that would change a machine, or ask about what was changed.
const PROGRAMS: [&str; 24] = [
    "blkid",
    "chown",
    "cryptsetup",
    "findmnt",
    "mkfs.btrfs",
    "mkfs.ext4",
    "mkfs.vfat",
    "mkfs.xfs",
    "mkswap",
    "mount",
    "mountpoint",
    "nix-store",
    "nixos-install",
    "partprobe",
    "reboot",
    "sfdisk",
    "swapoff",
    "swapon",
    "sync",
    "systemctl",
    "tar",
    "udevadm",
    "umount",
    "wipefs",
];

/// Programs of this machine that scripts need.
const TOOLS: [&str; 16] = [
    "cat", "chmod", "flock", "grep", "head", "ln", "mkdir", "mktemp", "mv", "readlink", "rm",
    "sed", "sh", "sleep", "touch", "true",
];

/// Where an operator is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Before,
    Middle,
    After,
}

/// Unwinds where an operator is killed.
struct Killed;

/// A machine that installs itself into a directory.
pub(crate) struct Fake {
    root: PathBuf,
    /// Where commands run in truth.
    inner: Box<dyn Target>,
    /// Ends with its maker.
    _directory: Option<TempDir>,
    calls: Cell<usize>,
    death: Cell<Option<(usize, When)>>,
    fails: Cell<&'static str>,
    naps: Cell<&'static str>,
}

impl Fake {
    /// One with a disk `/dev/sda`.
    pub(crate) fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("calve-fake-").tempdir().unwrap();
        let fake = Self::at(directory.path(), Box::new(Local::new()));
        let fake = Self { _directory: Some(directory), ..fake };
        for directory in ["bin", "mnt", "dev", "run", "sys/dev/block/8:0", "sys/class/block/sda"] {
            fs::create_dir_all(fake.path(directory)).unwrap();
        }
        let script = fake.path("bin/record");
        fs::write(&script, RECORD).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&script, mode).unwrap();
        for program in PROGRAMS {
            symlink("record", fake.path("bin").join(program)).unwrap();
        }
        let path = std::env::var_os("PATH").unwrap();
        for tool in TOOLS {
            let found = std::env::split_paths(&path).map(|directory| directory.join(tool));
            let found = found.into_iter().find(|file| file.exists()).unwrap();
            symlink(found, fake.path("bin").join(tool)).unwrap();
        }
        let identity = Self::disk();
        fs::write(fake.path("dev/sda"), "").unwrap();
        fs::write(fake.path("sys/class/block/sda/dev"), identity.number.to_string()).unwrap();
        let size = (identity.size.get() / 512).to_string();
        fs::write(fake.path("sys/dev/block/8:0/size"), size).unwrap();
        fs::write(fake.path("sys/dev/block/8:0/diskseq"), "9").unwrap();
        fake
    }

    /// One that is there already, reached in some way.
    pub(crate) fn at(root: &Path, inner: Box<dyn Target>) -> Self {
        let (root, calls, death) = (root.to_owned(), Cell::new(0), Cell::new(None));
        let (fails, naps) = (Cell::new(""), Cell::new(""));
        Self { root, inner, _directory: None, calls, death, fails, naps }
    }

    /// Who its disk is.
    pub(crate) fn disk() -> Identity {
        Identity {
            number: "8:0".parse().unwrap(),
            size: Bytes::new(1 << 30),
            serial: Some("S1".to_owned()),
            wwn: None,
            sequence: Some("9".to_owned()),
        }
    }

    /// Where a path of it lies.
    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    /// What its programs noted: `begin mkfs.ext4 /dev/sda1`.
    pub(crate) fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("log")).unwrap_or_default();
        text.replace(&self.root(), "").lines().map(str::to_owned).collect()
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> usize {
        self.calls.get()
    }

    /// The nth call from now on, from 0, is one at which the operator is killed; none where nobody says when.
    pub(crate) fn dies(&self, death: Option<(usize, When)>) {
        self.calls.set(0);
        self.death.set(death);
    }

    /// A program that fails from now on.
    pub(crate) fn fails(&self, program: &'static str) {
        self.fails.set(program);
    }

    /// A program that takes very long from now on.
    pub(crate) fn naps(&self, program: &'static str) {
        self.naps.set(program);
    }

    /// Calls end when the flag is raised.
    pub(crate) fn stopped_by(&mut self, stop: Arc<AtomicBool>) {
        self.inner = Box::new(Local::new().stopped_by(stop));
    }

    /// Everything that a restart loses is lost.
    pub(crate) fn restarts(&self) {
        for path in ["run", "dev/mapper", "mounts"] {
            let path = self.path(path);
            let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
        }
        fs::create_dir(self.path("run")).unwrap();
    }

    /// Runs an operator; nothing where it was killed.
    pub(crate) fn operate<T>(&self, operator: impl FnOnce() -> T) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(operator)) {
            Ok(done) => Some(done),
            Err(cause) if cause.is::<Killed>() => None,
            Err(cause) => resume_unwind(cause),
        }
    }

    fn root(&self) -> String {
        self.root.to_str().unwrap().to_owned()
    }

    /// The same words, below the directory.
    fn words(&self, call: &Call<'_>, dies: bool) -> Vec<String> {
        let root = self.root();
        let mut words = vec!["env".to_owned()];
        words.push(format!("PATH={root}/bin"));
        words.push(format!("FAKE_ROOT={root}"));
        words.push(format!("FAKE_DIES={}", if dies { "yes" } else { "" }));
        words.push(format!("FAKE_FAILS={}", self.fails.get()));
        words.push(format!("FAKE_NAPS={}", self.naps.get()));
        words.extend(call.words.iter().map(|word| {
            // Its disks are files.
            let mut word = word.replace("-b \"$", "-e \"$");
            for directory in ["/mnt", "/sys/", "/dev/", "/run/"] {
                word = word.replace(directory, &format!("{root}{directory}"));
            }
            // One of them may be in another.
            word.replace(&format!("/sys{root}/dev/"), "/sys/dev/")
        }));
        words
    }

    /// What happens at this call.
    fn next(&self) -> Option<When> {
        let call = self.calls.replace(self.calls.get() + 1);
        let (at, when) = self.death.get()?;
        (at == call).then_some(when)
    }
}

fn die() -> ! {
    // No panic: nobody is told, and nothing was wrong.
    resume_unwind(Box::new(Killed))
}

impl Target for Fake {
    fn name(&self) -> &str {
        "a fake"
    }

    fn login(&self) -> Login {
        Login::Root
    }

    fn stream(&self, call: &Call<'_>, feed: &mut Feed<'_>) -> Result<Answer, Error> {
        let when = self.next();
        if when == Some(When::Before) {
            die();
        }
        let is_middle = when == Some(When::Middle);
        let words = self.words(call, is_middle);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        // What it reads is cut off, too.
        let length = if is_middle { call.input.len() / 2 } else { call.input.len() };
        let call = Call { words: &words, input: &call.input[..length], as_root: call.as_root };
        let answer = self.inner.stream(&call, feed);
        if when.is_some() {
            die();
        }
        answer
    }

    fn keep(&self, call: &Call<'_>) -> Result<Kept, Error> {
        let when = self.next();
        if when == Some(When::Before) {
            die();
        }
        let words = self.words(call, false);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let kept = self.inner.keep(&Call { words: &words, ..*call });
        if when.is_some() {
            die();
        }
        kept
    }
}
