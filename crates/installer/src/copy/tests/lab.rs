//! Where copies are tried: a store to copy from, a root to copy to, an SSH server, and who watches.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use calve_image_core::inputs::closure::Closure;
use calve_image_core::inputs::registration;
use calve_image_core::inputs::store::HostStore;
use calve_image_core::inputs::store_path::StorePath;
use tempfile::TempDir;

use super::super::*;
use crate::target::ssh::Ssh;
use crate::target::sshd::Sshd;

/// Texts that refer to each other, and to a directory.
const TEXTS: &str = r#"zoo: large: let
    a = builtins.toFile "z-first" "alone";
    b = builtins.toFile "m-second" "needs ${a} and ${builtins.storePath zoo}";
    in builtins.toFile "a-last" "needs ${a} and ${b} and ${builtins.storePath large}"
"#;

/// How many paths there are.
pub(super) const PATHS: u64 = 5;

pub(super) struct Lab {
    pub(super) sshd: Sshd,
    pub(super) dir: TempDir,
    pub(super) closure: Closure,
    pub(super) toplevel: StorePath,
    pub(super) store: HostStore,
    pub(super) root: String,
}

fn skip(reason: &str) {
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{reason}");
    eprintln!("SKIPPED: {reason}");
}

impl Lab {
    /// Nothing where it cannot be had here; says why.
    pub(super) fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            // CI without root is allowed: the guests of qemu-tests copy too.
            eprintln!(
                "SKIPPED: a copy is root's on the target, and here the target is this machine"
            );
            return None;
        }
        if Command::new("nix-store").arg("--version").stdout(Stdio::null()).status().is_err() {
            skip("nix-store is not installed");
            return None;
        }
        let dir = tempfile::Builder::new().prefix("calve-copy-").tempdir().unwrap();
        let old = dir.path().join("old");
        let conf = format!(
            "sandbox = false\nbuild-users-group =\nsubstituters = local?root={}&trusted=1\n",
            old.display()
        );
        fs::write(dir.path().join("nix.conf"), conf).unwrap();
        let sshd = Sshd::with(&format!("SetEnv NIX_CONF_DIR={}\n", dir.path().display()))?;
        let root = dir.path().join("mnt").display().to_string();
        fs::create_dir(&root).unwrap();
        let (toplevel, closure) = filled(dir.path());
        let store = HostStore::at(old);
        Some(Self { sshd, dir, closure, toplevel, store, root })
    }

    pub(super) fn connect(&self) -> Ssh {
        Ssh::connect(&self.sshd.address(true), &mut |_| {}).unwrap()
    }

    pub(super) fn order<'a>(&'a self, source: Source<'a>) -> Order<'a> {
        Order {
            toplevel: &self.toplevel,
            source,
            root: &self.root,
            substitutes: false,
            keys: &[],
            under: &[],
            hidden: &[],
            doubts: false,
        }
    }

    pub(super) fn files(&self) -> Source<'_> {
        Source::Files { closure: &self.closure, store: &self.store }
    }

    pub(super) fn nix(&self) -> Source<'_> {
        Source::Nix { closure: &self.closure, store: &self.store }
    }

    /// Where a path of the old store lies.
    pub(super) fn old(&self, name: &str) -> PathBuf {
        self.file(&self.dir.path().join("old"), name)
    }

    /// Where a path of a store lies.
    pub(super) fn file(&self, root: &Path, name: &str) -> PathBuf {
        let info = self.closure.paths().iter().find(|info| info.path.name() == name).unwrap();
        root.join("nix/store").join(info.path.base_name())
    }

    /// Holds the new store against the old one, by Nix.
    pub(super) fn is_whole(&self) {
        let dir = self.dir.path();
        assert_eq!(say(dir, "mnt", &["--verify", "--check-contents"]), "");
        assert_eq!(say(dir, "mnt", &["--dump-db"]), say(dir, "old", &["--dump-db"]));
    }
}

/// Ends a connection as a network does.
pub(super) fn cut(ssh: &Ssh) {
    let socket = format!("-oControlPath={}", ssh.socket().display());
    let mut exit = Command::new("ssh");
    exit.args(["-F/dev/null", &socket, "-O", "exit", "nowhere"]).stderr(Stdio::null());
    assert!(exit.status().unwrap().success());
}

/// Runs a Nix command on a store below a directory.
pub(super) fn nix(dir: &Path, tool: &str, store: &str, args: &[&str]) -> Output {
    command(dir, tool, store).args(args).stdin(Stdio::null()).output().unwrap()
}

fn command(dir: &Path, tool: &str, store: &str) -> Command {
    let mut command = Command::new(tool);
    command.args(["--store", &format!("local?root={}", dir.join(store).display())]);
    command.env("NIX_CONF_DIR", dir).env("HOME", dir);
    command
}

fn say(dir: &Path, store: &str, args: &[&str]) -> String {
    let output = nix(dir, "nix-store", store, args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Makes a store to copy from.
fn filled(dir: &Path) -> (StorePath, Closure) {
    let (zoo, large) = (dir.join("zoo"), dir.join("large"));
    fs::create_dir_all(zoo.join("bin/deep")).unwrap();
    fs::create_dir(zoo.join("empty")).unwrap();
    fs::write(zoo.join("bin/deep/tool"), noise(3 << 20, 1)).unwrap();
    fs::set_permissions(zoo.join("bin/deep/tool"), PermissionsExt::from_mode(0o755)).unwrap();
    symlink("bin/deep/tool", zoo.join("link")).unwrap();
    fs::write(zoo.join("nothing"), "").unwrap();
    fs::write(&large, noise(24 << 20, 2)).unwrap();
    let add = |path: &Path| say(dir, "seed", &["--add", path.to_str().unwrap()]).trim().to_owned();
    let (zoo, large) = (add(&zoo), add(&large));
    let eval = format!("({TEXTS}) \"{zoo}\" \"{large}\"");
    let output = nix(dir, "nix-instantiate", "seed", &["--eval", "--read-write-mode", "-E", &eval]);
    let toplevel = String::from_utf8(output.stdout).unwrap();
    let toplevel: StorePath = toplevel.trim().trim_matches('"').parse().unwrap();
    // As if they were built: what Nix knows by its content alone needs nobody's signature.
    let registered = say(dir, "seed", &["--dump-db"]);
    fs::write(dir.join("registration"), &registered).unwrap();
    fs::create_dir_all(dir.join("old/nix")).unwrap();
    fs::rename(dir.join("seed/nix/store"), dir.join("old/nix/store")).unwrap();
    let mut load = command(dir, "nix-store", "old");
    let registration = fs::File::open(dir.join("registration")).unwrap();
    assert!(load.arg("--load-db").stdin(registration).status().unwrap().success());
    let infos = registration::parse(&registered).unwrap();
    let closure = Closure::of(infos, std::slice::from_ref(&toplevel)).unwrap();
    assert_eq!(closure.paths().len(), 5);
    (toplevel, closure)
}

/// Bytes that nobody compresses.
fn noise(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..size).map(|_| next()).collect()
}

/// Who watches: remembers, and does something when so many paths have passed.
#[derive(Default)]
pub(super) struct Watch<'a> {
    pub(super) heard: Vec<Progress>,
    pub(super) at: Option<(u64, Box<dyn FnMut() + 'a>)>,
    /// Ends the copy after so many paths.
    pub(super) until: Option<u64>,
}

impl Watch<'_> {
    fn paths(&self) -> u64 {
        self.heard.last().map_or(0, |progress| progress.paths)
    }
}

impl Hear for Watch<'_> {
    fn progress(&mut self, progress: &Progress) {
        self.heard.push(*progress);
        if let Some((paths, _)) = self.at
            && progress.paths >= paths
            && let Some((_, mut act)) = self.at.take()
        {
            act();
        }
    }

    fn is_over(&self) -> bool {
        self.until.is_some_and(|until| self.paths() >= until)
    }
}
