//! What `nix-store --serve` reads, judged by Nix: it takes the paths into an empty store, which then is whole
//! and knows of them what the sender's store knows.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

mod contract;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use calve_image_core::epoch::Epoch;
use calve_image_core::formats::nix_serve::{self, Sending};
use calve_image_core::inputs::closure::Closure;
use calve_image_core::inputs::path_info;
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

/// What a server of a store answers to a session, and whether it ended well.
fn serve(nix: &Nix, store: &str, session: Stdio) -> (Vec<u8>, bool) {
    let output = Command::new(&nix.tool)
        .args(["--serve", "--write"])
        .args(["--store", &format!("local?root={}", nix.root(store).display())])
        .env("NIX_CONF_DIR", nix.dir.path())
        .env("HOME", nix.dir.path())
        .stdin(session)
        .output()
        .unwrap();
    (output.stdout, output.status.success())
}

fn spooled(nix: &Nix, name: &str, session: &[u8]) -> Stdio {
    fs::write(nix.root(name), session).unwrap();
    File::open(nix.root(name)).unwrap().into()
}

fn there(nix: &Nix, store: &str, closure: &Closure) -> BTreeSet<StorePath> {
    let (answer, good) = serve(nix, store, spooled(nix, "ask", &nix_serve::ask(closure, false)));
    assert!(good);
    nix_serve::valid(&answer).unwrap()
}

fn write(nix: &Nix, name: &str, sending: &Sending) -> PathBuf {
    let path = nix.root(name);
    image::write_poisoned(&sending.plan, &path, image::POISON);
    path
}

#[test]
fn nix_takes_them_in_and_finds_them_whole() {
    let Some(nix) = Nix::new() else { return };
    filled(&nix);
    let (closure, tree) = nix.everything("old");
    assert_eq!(closure.paths().len(), 6);
    assert!(there(&nix, "new", &closure).is_empty());
    let sending = nix_serve::plan(&tree, &closure, &BTreeSet::new()).unwrap();
    assert_eq!(sending.paths.len(), 6);
    assert_eq!(sending.paths.last().unwrap().1, sending.plan.size());
    let session = write(&nix, "session", &sending);
    let (answer, good) = serve(&nix, "new", File::open(&session).unwrap().into());
    assert!(good && nix_serve::taken(&answer) == 6);
    nix.say("nix-store", "new", &["--verify", "--check-contents"]);
    let registered = |store| nix.say("nix-store", store, &["--dump-db"]);
    assert_eq!(registered("new"), registered("old"));

    // A session that is cut off leaves those paths that came whole.
    File::options()
        .write(true)
        .open(&session)
        .unwrap()
        .set_len(sending.plan.size().get() / 2)
        .unwrap();
    let (answer, good) = serve(&nix, "cut", File::open(&session).unwrap().into());
    nix.say("nix-store", "cut", &["--verify", "--check-contents"]);
    let there = there(&nix, "cut", &closure);
    assert!(!good && there.len() == nix_serve::taken(&answer) && there.len() < 6);
    // What is there already need not be sent again.
    let rest = nix_serve::plan(&tree, &closure, &there).unwrap();
    assert_eq!(rest.paths.len(), 6 - there.len());
    let (_, good) = serve(&nix, "cut", File::open(write(&nix, "rest", &rest)).unwrap().into());
    assert!(good);
    assert_eq!(registered("cut"), registered("old"));
}

#[test]
fn signatures_and_content_addresses_are_kept() {
    let Some(nix) = Nix::new() else { return };
    filled(&nix);
    let command = ["--extra-experimental-features", "nix-command"];
    let key = nix.run(
        "nix-store",
        "old",
        &["--generate-binary-cache-key", "lab-1", "/dev/stdout", "/dev/null"],
        Stdio::null(),
    );
    fs::write(nix.root("key"), key).unwrap();
    let key = nix.root("key").display().to_string();
    nix.say("nix", "old", &[&command[..], &["store", "sign", "--all", "-k", &key]].concat());
    let known = |store: &str| {
        let text =
            nix.say("nix", store, &[&command[..], &["path-info", "--all", "--json"]].concat());
        let mut infos = path_info::parse(&text).unwrap();
        infos.sort_by(|a, b| a.path.cmp(&b.path));
        infos.iter_mut().for_each(|info| info.ultimate = false);
        infos
    };
    let infos = known("old");
    assert!(infos.iter().all(|info| info.ca.is_some() && info.signatures.len() == 1));
    let (_, tree) = nix.everything("old");
    let roots: Vec<StorePath> = infos.iter().map(|info| info.path.clone()).collect();
    let closure = Closure::of(infos.clone(), &roots).unwrap();
    let sending = nix_serve::plan(&tree, &closure, &BTreeSet::new()).unwrap();
    let (_, good) =
        serve(&nix, "new", File::open(write(&nix, "session", &sending)).unwrap().into());
    assert!(good);
    assert_eq!(known("new"), infos);
}

#[test]
fn a_path_that_is_not_the_registered_one_is_never_valid() {
    let Some(nix) = Nix::new() else { return };
    filled(&nix);
    let (closure, _) = nix.everything("old");
    let broken = closure.paths().iter().find(|info| info.path.name() == "z-first").unwrap();
    let file = nix.root("old/nix/store").join(broken.path.base_name());
    fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(&file, "other").unwrap();
    let (_, tree) = nix.everything("old");
    let sending = nix_serve::plan(&tree, &closure, &BTreeSet::new()).unwrap();
    let (_, good) =
        serve(&nix, "new", File::open(write(&nix, "session", &sending)).unwrap().into());
    assert!(!good && !there(&nix, "new", &closure).contains(&broken.path));

    fs::write(&file, "much longer").unwrap();
    let (_, tree) = nix.everything("old");
    let error = nix_serve::plan(&tree, &closure, &BTreeSet::new()).unwrap_err();
    let expected = format!("{} has a NAR of 128 B, but 120 B are registered", broken.path);
    assert_eq!(error.to_string(), expected);
}

#[test]
fn references_come_first() {
    let Some(nix) = Nix::new() else { return };
    filled(&nix);
    let (closure, _) = nix.everything("old");
    let mut seen = BTreeSet::new();
    for info in nix_serve::in_order(&closure) {
        let others = info.references.iter().filter(|reference| **reference != info.path);
        assert!(others.into_iter().all(|reference| seen.contains(reference)), "{}", info.path);
        seen.insert(info.path.clone());
    }
    assert_eq!(seen.len(), closure.paths().len());
}
