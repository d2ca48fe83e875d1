//! Nix' export format, judged by Nix: byte for byte what `nix-store --export` writes, and taken by
//! `nix-store --import` into an empty store that then is whole.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

mod contract;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use calve_image_core::epoch::Epoch;
use calve_image_core::formats::nix_export;
use calve_image_core::inputs::closure::Closure;
use calve_image_core::inputs::registration;
use calve_image_core::inputs::store::HostStore;
use calve_image_core::inputs::store_path::StorePath;
use calve_image_core::inputs::store_tree;
use calve_image_core::tree::{Tree, TreeBuilder};
use contract::{corpus, image, oracle};

/// A real Nix that knows no store but those below one directory.
struct Nix {
    tool: PathBuf,
    dir: tempfile::TempDir,
}

impl Nix {
    fn new() -> Option<Self> {
        let tool = oracle::need("nix-store")?;
        let dir = tempfile::tempdir().unwrap();
        let conf = "sandbox = false\nbuild-users-group =\nsubstituters =\n";
        fs::write(dir.path().join("nix.conf"), conf).unwrap();
        Some(Self { tool, dir })
    }

    fn root(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, tool: &str, store: &str, args: &[&str], input: Stdio) -> Vec<u8> {
        let output = Command::new(self.tool.with_file_name(tool))
            .args(["--store", &format!("local?root={}", self.root(store).display())])
            .args(args)
            .env("NIX_CONF_DIR", self.dir.path())
            .env("HOME", self.dir.path())
            .env("NIX_REMOTE", "")
            .stdin(input)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{tool} {args:?}: {said}");
        output.stdout
    }

    fn say(&self, tool: &str, store: &str, args: &[&str]) -> String {
        String::from_utf8(self.run(tool, store, args, Stdio::null())).unwrap()
    }

    /// The closure of everything in a store, and its files.
    fn everything(&self, store: &str) -> (Closure, Tree) {
        let infos = registration::parse(&self.say("nix-store", store, &["--dump-db"])).unwrap();
        let roots: Vec<StorePath> = infos.iter().map(|info| info.path.clone()).collect();
        let closure = Closure::of(infos, &roots).unwrap();
        let mut tree = TreeBuilder::new(Epoch::STORE);
        store_tree::add(&mut tree, &HostStore::at(self.root(store)), &closure).unwrap();
        (closure, tree.build().unwrap())
    }
}

/// Texts that refer to each other, and to themselves by a detour of none.
const TEXTS: &str = r#"
    let a = builtins.toFile "z-first" "alone";
        b = builtins.toFile "m-second" "needs ${a}";
    in builtins.toFile "a-last" "needs ${a} and ${b}"
"#;

/// One of everything that a NAR can hold.
fn zoo(at: &Path) {
    fs::create_dir_all(at.join("bin/deep/er")).unwrap();
    fs::create_dir(at.join("empty")).unwrap();
    for (name, data, mode) in [
        ("bin/tool", corpus::noise(1, 3 << 20), 0o755),
        ("bin/deep/er/odd", corpus::noise(2, 4095), 0o644),
        ("nothing", Vec::new(), 0o644),
        ("nothing-that-runs", Vec::new(), 0o755),
        ("eight", b"12345678".to_vec(), 0o600),
        ("ä b", b"x".to_vec(), 0o644),
    ] {
        fs::write(at.join(name), data).unwrap();
        fs::set_permissions(at.join(name), PermissionsExt::from_mode(mode)).unwrap();
    }
    symlink("bin/tool", at.join("link")).unwrap();
    symlink("/nowhere/at all", at.join("dangling")).unwrap();
}

fn filled(nix: &Nix) {
    nix.say("nix-instantiate", "old", &["--eval", "--read-write-mode", "-E", TEXTS]);
    let zoo_dir = nix.root("zoo");
    zoo(&zoo_dir);
    for added in [&zoo_dir, &zoo_dir.join("bin/tool"), &zoo_dir.join("eight")] {
        nix.say("nix-store", "old", &["--add", added.to_str().unwrap()]);
    }
}

fn write(nix: &Nix, name: &str, plan: &calve_image_core::plan::Plan) -> PathBuf {
    let path = nix.root(name);
    image::write_poisoned(plan, &path, image::POISON);
    path
}

#[test]
fn every_path_is_what_nix_itself_writes() {
    let Some(nix) = Nix::new() else { return };
    filled(&nix);
    let (closure, tree) = nix.everything("old");
    assert_eq!(closure.paths().len(), 6);
    for info in closure.paths() {
        let others = closure.paths().iter().map(|other| other.path.clone());
        let others: BTreeSet<StorePath> = others.filter(|other| *other != info.path).collect();
        let ours = write(&nix, "ours", &nix_export::plan(&tree, &closure, &others).unwrap());
        let theirs =
            nix.run("nix-store", "old", &["--export", &info.path.to_string()], Stdio::null());
        assert!(fs::read(ours).unwrap() == theirs, "{} differs", info.path);
    }
}

#[test]
fn nix_takes_them_in_and_finds_them_whole() {
    let Some(nix) = Nix::new() else { return };
    filled(&nix);
    let (closure, tree) = nix.everything("old");
    let plan = nix_export::plan(&tree, &closure, &BTreeSet::new()).unwrap();
    let stream = write(&nix, "stream", &plan);
    let imported = File::open(&stream).unwrap();
    let said = nix.run("nix-store", "new", &["--import"], imported.into());
    assert_eq!(String::from_utf8(said).unwrap().lines().count(), 6);
    nix.say("nix-store", "new", &["--verify", "--check-contents"]);
    let registered = |store| nix.say("nix-store", store, &["--dump-db"]);
    assert_eq!(registered("new"), registered("old"));

    // A stream that is cut off leaves those paths that came whole.
    let whole = fs::metadata(&stream).unwrap().len();
    File::options().write(true).open(&stream).unwrap().set_len(whole / 2).unwrap();
    let cut = Command::new(&nix.tool)
        .args(["--store", &format!("local?root={}", nix.root("cut").display()), "--import"])
        .env("NIX_CONF_DIR", nix.dir.path())
        .env("HOME", nix.dir.path())
        .stdin(File::open(&stream).unwrap())
        .output()
        .unwrap();
    assert!(!cut.status.success());
    nix.say("nix-store", "cut", &["--verify", "--check-contents"]);
    // What is there already need not be sent again.
    let there = registration::parse(&registered("cut")).unwrap();
    let there: BTreeSet<StorePath> = there.into_iter().map(|info| info.path).collect();
    let rest = write(&nix, "rest", &nix_export::plan(&tree, &closure, &there).unwrap());
    assert!(fs::metadata(&rest).unwrap().len() < whole);
    nix.run("nix-store", "cut", &["--import"], File::open(&rest).unwrap().into());
    assert_eq!(registered("cut"), registered("old"));
}

#[test]
fn references_come_first() {
    let Some(nix) = Nix::new() else { return };
    filled(&nix);
    let (closure, _) = nix.everything("old");
    let mut seen = BTreeSet::new();
    for info in nix_export::in_order(&closure) {
        let others = info.references.iter().filter(|reference| **reference != info.path);
        assert!(others.into_iter().all(|reference| seen.contains(reference)), "{}", info.path);
        seen.insert(info.path.clone());
    }
    assert_eq!(seen.len(), closure.paths().len());
}
