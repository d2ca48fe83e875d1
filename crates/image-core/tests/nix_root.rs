//! A NixOS root made by calve, judged by Nix itself.
//!
//! A small closure is added to a chroot store by Nix, planned as a tree by calve, extracted into an
//! empty directory, and then Nix must find it whole, keep it, and collect only what is not in it.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

mod contract;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use calve_image_core::epoch::Epoch;
use calve_image_core::inputs::closure::Closure;
use calve_image_core::inputs::etc_dir::EtcDir;
use calve_image_core::inputs::generated::Generated;
use calve_image_core::inputs::registration;
use calve_image_core::inputs::store::HostStore;
use calve_image_core::inputs::store_path::StorePath;
use calve_image_core::inputs::store_tree;
use calve_image_core::tree::{Kind, Source, Tree, TreeBuilder, TreePath};
use contract::oracle;

/// A real Nix that knows no store but those below one directory.
struct Nix {
    tool: PathBuf,
    dir: PathBuf,
}

impl Nix {
    fn new(dir: &Path) -> Option<Self> {
        let tool = oracle::need("nix-store")?;
        let conf = "sandbox = false\nbuild-users-group =\nsubstituters =\n";
        fs::write(dir.join("nix.conf"), conf).unwrap();
        Some(Self { tool, dir: dir.to_owned() })
    }

    fn run(&self, tool: &str, root: &Path, args: &[&str]) -> String {
        let store = format!("local?root={}", root.display());
        let output = Command::new(self.tool.with_file_name(tool))
            .args(["--store", &store])
            .args(args)
            .env("NIX_CONF_DIR", &self.dir)
            .env("HOME", &self.dir)
            .env("NIX_REMOTE", "")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{tool} {args:?}: {said}");
        assert!(!said.contains("error") && !said.contains("warning"), "{tool} {args:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Three text files, each but the first with a reference, below a made-up toplevel's name.
const CLOSURE: &str = r#"
    let a = builtins.toFile "a" "alone";
        b = builtins.toFile "b" "needs ${a}";
    in builtins.toFile "toplevel" "needs ${a} and ${b}"
"#;

fn planned(root: &Path, closure: &Closure, toplevel: &StorePath) -> Tree {
    let mut tree = TreeBuilder::new(Epoch::STORE);
    store_tree::add(&mut tree, &HostStore::at(root), closure).unwrap();
    let generated = Generated {
        closure,
        toplevel,
        etc: EtcDir::Plain,
        registration: true,
        mount_points: &[TreePath::parse("/boot").unwrap()],
        epoch: Epoch::STORE,
    };
    generated.add(&mut tree).unwrap();
    tree.build().unwrap()
}

fn extract(tree: &Tree, root: &Path) {
    for node in tree.iter() {
        let path = root.join(node.path().lossy().as_ref());
        match node.kind() {
            Kind::Directory => fs::create_dir_all(&path).unwrap(),
            Kind::Symlink(target) => {
                symlink(std::str::from_utf8(target).unwrap(), &path).unwrap();
                continue;
            }
            Kind::File(Source::Bytes(data)) => fs::write(&path, data).unwrap(),
            Kind::File(Source::Host(file)) => {
                fs::copy(file.path(), &path).unwrap();
            }
            kind @ (Kind::File(_) | Kind::Device(_) | Kind::Fifo) => panic!("{kind:?}"),
        }
        let mode = u32::from(node.meta().mode.bits()) | if node.is_directory() { 0o200 } else { 0 };
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    }
}

#[test]
fn nix_finds_the_closure_whole_and_collects_nothing_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let Some(nix) = Nix::new(dir.path()) else { return };
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    let eval = ["--eval", "--read-write-mode", "-E", CLOSURE];
    let toplevel = nix.run("nix-instantiate", &old, &eval);
    let toplevel: StorePath = toplevel.trim().trim_matches('"').parse().unwrap();
    let top = toplevel.to_string();
    let dump = nix.run("nix-store", &old, &["--dump-db"]);
    let infos = registration::parse(&dump).unwrap();
    let closure = Closure::of(infos, std::slice::from_ref(&toplevel)).unwrap();
    assert_eq!(closure.paths().len(), 3);

    let tree = planned(&old, &closure, &toplevel);
    extract(&tree, &new);
    nix.run("nix-store", &new, &["--verify", "--check-contents"]);
    let closure_of = |root: &Path| {
        let said = nix.run("nix-store", root, &["-qR", &top]);
        let mut paths: Vec<String> = said.lines().map(str::to_owned).collect();
        paths.sort();
        paths
    };
    assert_eq!(closure_of(&new), closure_of(&old));
    let dump = registration::write(closure.paths());
    assert_eq!(nix.run("nix-store", &new, &["--dump-db"]), dump);
    assert_eq!(nix.run("nix-store", &new, &["-q", "--hash", &top]).lines().count(), 1);
    assert_eq!(fs::read_to_string(new.join("nix-path-registration")).unwrap(), dump);

    // Roots are links of the running system; within a chroot store they must lead into it.
    let profile = new.join("nix/var/nix/profiles/system-1-link");
    assert_eq!(fs::read_link(&profile).unwrap(), Path::new(&top));
    let gcroots = new.join("nix/var/nix/gcroots/profiles");
    assert_eq!(fs::read_link(&gcroots).unwrap(), Path::new("/nix/var/nix/profiles"));
    fs::remove_file(&gcroots).unwrap();
    symlink(new.join("nix/var/nix/profiles"), &gcroots).unwrap();
    let stray = dir.path().join("stray");
    fs::write(&stray, "nobody needs this").unwrap();
    let stray = nix.run("nix-store", &new, &["--add", stray.to_str().unwrap()]);
    nix.run("nix-store", &new, &["--gc"]);
    let stray = StorePath::from_base_name(stray.trim().rsplit('/').next().unwrap()).unwrap();
    assert_eq!(closure_of(&new), closure_of(&old));
    for info in closure.paths() {
        assert!(new.join("nix/store").join(info.path.base_name()).exists(), "{}", info.path);
    }
    assert!(!new.join("nix/store").join(stray.base_name()).exists());
}

#[test]
fn the_tree_is_what_every_store_is_whoever_built_it() {
    const A: &str = "p1ghxi6s5ar9ga8i0wcsadlng4vqc25a-a";
    let root = tempfile::tempdir().unwrap();
    let top = root.path().join("nix/store").join(A);
    fs::create_dir_all(top.join("bin")).unwrap();
    for (name, mode) in [("bin/tool", 0o700), ("bin/odd", 0o654), ("text", 0o666)] {
        fs::write(top.join(name), name).unwrap();
        fs::set_permissions(top.join(name), PermissionsExt::from_mode(mode)).unwrap();
    }
    fs::hard_link(top.join("text"), top.join("twin")).unwrap();
    symlink("bin/tool", top.join("link")).unwrap();
    let path: StorePath = StorePath::from_base_name(A).unwrap();
    let text = format!("{path}\n{}\n1\n\n0\n", "0".repeat(64));
    let closure =
        Closure::of(registration::parse(&text).unwrap(), std::slice::from_ref(&path)).unwrap();
    let listing = planned(root.path(), &closure, &path).listing();
    let database = listing.lines().find(|line| line.contains("db.sqlite")).unwrap();
    let size = database.rsplit(' ').next().unwrap();
    let expected = format!(
        "/ d 0755 0:0 1\n\
        /boot d 0755 0:0 1\n\
        /dev d 0755 0:0 1\n\
        /etc d 0755 0:0 1\n\
        /etc/NIXOS f 0644 0:0 1 0\n\
        /nix d 0755 0:0 1\n\
        /nix/store d 1775 0:30000 1\n\
        /nix/store/{A} d 0555 0:0 1\n\
        /nix/store/{A}/bin d 0555 0:0 1\n\
        /nix/store/{A}/bin/odd f 0444 0:0 1 7\n\
        /nix/store/{A}/bin/tool f 0555 0:0 1 8\n\
        /nix/store/{A}/link l 0777 0:0 1 -> bin/tool\n\
        /nix/store/{A}/text f 0444 0:0 1 4\n\
        /nix/store/{A}/twin f 0444 0:0 1 4\n\
        /nix/var d 0755 0:0 1\n\
        /nix/var/nix d 0755 0:0 1\n\
        /nix/var/nix/db d 0755 0:0 1\n\
        /nix/var/nix/db/db.sqlite f 0644 0:0 1 {size}\n\
        /nix/var/nix/db/schema f 0644 0:0 1 2\n\
        /nix/var/nix/gcroots d 0755 0:0 1\n\
        /nix/var/nix/gcroots/auto d 0755 0:0 1\n\
        /nix/var/nix/gcroots/per-user d 0755 0:0 1\n\
        /nix/var/nix/gcroots/profiles l 0777 0:0 1 -> /nix/var/nix/profiles\n\
        /nix/var/nix/profiles d 0755 0:0 1\n\
        /nix/var/nix/profiles/per-user d 0755 0:0 1\n\
        /nix/var/nix/profiles/system l 0777 0:0 1 -> system-1-link\n\
        /nix/var/nix/profiles/system-1-link l 0777 0:0 1 -> {path}\n\
        /nix/var/nix/temproots d 0755 0:0 1\n\
        /nix-path-registration f 0644 0:0 1 120\n\
        /proc d 0755 0:0 1\n\
        /run d 0755 0:0 1\n\
        /sys d 0755 0:0 1\n"
    );
    assert_eq!(without_registration_size(&listing), without_registration_size(&expected));
}

/// The registration's size is the registration writer's business.
fn without_registration_size(listing: &str) -> String {
    let cut = |line: &str| match line.strip_prefix("/nix-path-registration ") {
        Some(_) => "/nix-path-registration".to_owned(),
        None => line.to_owned(),
    };
    listing.lines().map(cut).collect::<Vec<_>>().join("\n")
}
