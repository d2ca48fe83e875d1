//! A system in the shape of NixOS-WSL, in a chroot store: what becomes of it, and each rule broken once.

#![allow(clippy::disallowed_methods)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use super::*;
use crate::inputs::closure::Closure;
use crate::inputs::registration;
use crate::inputs::store::HostStore;
use crate::inputs::store_path::StorePath;
use crate::inputs::system::System;
use crate::tree::TreeBuilder;

const TOP: &str = "22qfp468zx6lkb1b8lll57c5fia9ccgs-nixos-system-nixos-26.05";
const ETC: &str = "p1ghxi6s5ar9ga8i0wcsadlng4vqc25a-etc";
const SW: &str = "31nfjp6r58f3bm5ddfyc1f23kh7674vw-system-path";
const UTILS: &str = "0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-wsl-utils";
const USERS: &str = "1a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-users-groups.json";
const PATHS: [&str; 5] = [TOP, ETC, SW, UTILS, USERS];

const JSON: &str = r#"{"mutableUsers":true,"users":[
 {"name":"root","uid":0,"group":"root","home":"/root","shell":"/sh"},
 {"name":"nixos","uid":1000,"group":"users","home":"/home/nixos","createHome":true,"shell":"/sh"},
 {"name":"nobody","uid":65534,"group":"users","home":"/var/empty","isSystemUser":true}],
 "groups":[{"name":"root","gid":0},{"name":"users","gid":100},{"name":"shadow","gid":318}]}"#;

struct Sample(tempfile::TempDir);

impl Sample {
    fn new() -> Self {
        let sample = Self(tempfile::tempdir().unwrap());
        sample.put(TOP, "nixos-version", "26.05");
        sample.put(TOP, "system", "x86_64-linux");
        let ln = |source: &str, path: &str| format!("ln -sf {source} {path}\n");
        let utils = |name: &str| format!("/nix/store/{UTILS}/bin/{name}");
        let activate = [
            format!("-w /update-users-groups.pl /nix/store/{USERS}\n"),
            ln("/init", "/bin/wslpath"),
            ln(&utils("sh"), "/bin/sh"),
            ln(&utils("login"), "/bin/login"),
            format!("cp -f {} /bin/copied\n", utils("sh")),
            ln(&utils("systemd-shim"), "/sbin/init"),
        ];
        sample.put(TOP, "activate", &activate.concat());
        sample.put(ETC, "etc/wsl.conf", "[boot]\nsystemd=true\n[user]\ndefault=nixos\n");
        sample.put(ETC, "etc/os-release", "ID=nixos\n");
        sample.put(ETC, "etc/systemd/system/x.service", "");
        sample.put(USERS, "", JSON);
        for (path, name) in [(SW, "bash"), (SW, "mount")] {
            sample.program(path, name);
        }
        for name in ["sh", "login", "systemd-shim"] {
            sample.program(UTILS, name);
        }
        for (name, target) in [("etc", format!("{ETC}/etc")), ("sw", SW.to_owned())] {
            symlink(format!("/nix/store/{target}"), sample.path(TOP, name)).unwrap();
        }
        sample
    }

    fn path(&self, path: &str, inner: &str) -> PathBuf {
        let path = self.0.path().join("nix/store").join(path);
        if inner.is_empty() { path } else { path.join(inner) }
    }

    fn put(&self, path: &str, inner: &str, text: &str) {
        let file = self.path(path, inner);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn program(&self, path: &str, name: &str) {
        let inner = format!("bin/{name}");
        self.put(path, &inner, "#!/bin/sh\n");
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.path(path, &inner), mode).unwrap();
    }

    fn remove(&self, path: &str, inner: &str) {
        fs::remove_file(self.path(path, inner)).unwrap();
    }

    /// Replaces a text in a file.
    fn edit(&self, path: &str, inner: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(path, inner)).unwrap();
        assert!(text.contains(from), "{text}");
        self.put(path, inner, &text.replace(from, to));
    }

    fn build(&self, user: Option<&str>, icon: Option<&Icon>) -> Result<Wsl, Error> {
        self.build_with(WslSpec { overlays: &[], rules: &[], epoch: Epoch::STORE, user, icon })
    }

    fn build_with(&self, spec: WslSpec<'_>) -> Result<Wsl, Error> {
        let store = HostStore::at(self.0.path());
        let hash = "0".repeat(64);
        let line = |path: &&str| format!("/nix/store/{path}\n{hash}\n1\n\n0\n");
        let infos = registration::parse(&PATHS.iter().map(line).collect::<String>()).unwrap();
        let tops: Vec<StorePath> = infos.iter().map(|info| info.path.clone()).collect();
        let closure = Closure::of(infos, &tops).unwrap();
        let toplevel = StorePath::from_base_name(TOP).unwrap();
        let system = System::of(&store, &toplevel).unwrap();
        tree(&spec, Input { store: &store, system: &system, closure: &closure })
    }

    /// What is said about it: refusals and warnings, by the rules' names.
    fn said(&self) -> Vec<String> {
        names(self.build(None, None))
    }
}

fn names(built: Result<Wsl, Error>) -> Vec<String> {
    let (word, findings) = match built {
        Ok(wsl) => ("told", wsl.findings),
        Err(Error::Refused(findings)) => ("refused", findings),
        Err(error) => panic!("{error}"),
    };
    assert!(findings.iter().all(|finding| !finding.mend.is_empty()), "{findings:?}");
    let of = |severity| {
        let found = findings.iter().filter(move |finding| finding.severity == severity);
        found.map(|finding| finding.about.clone()).collect::<Vec<_>>()
    };
    if word == "refused" { of(Severity::Refusal) } else { of(Severity::Warning) }
}

/// The start of an icon, and one picture of a few bytes.
fn ico() -> Vec<u8> {
    let mut bytes = vec![0, 0, 1, 0, 1, 0, 16, 16, 0, 0, 1, 0, 32, 0];
    bytes.extend([4, 0, 0, 0, 22, 0, 0, 0]);
    bytes.extend([1, 2, 3, 4]);
    bytes
}

fn text(tree: &Tree, path: &str) -> String {
    let toplevel = TreePath::root();
    rules::Subject { tree, toplevel: &toplevel }.text(path).unwrap()
}

#[test]
fn a_distribution_has_what_wsl_looks_for() {
    let icon = Icon::of(ico()).unwrap();
    let wsl = Sample::new().build(None, Some(&icon)).unwrap();
    assert_eq!(wsl.findings, []);
    assert_eq!(wsl.user, "nixos");
    let listing = wsl.tree.listing();
    let own = |line: &&str| !line.starts_with("/nix/store/") && !line.starts_with("/nix/var/nix/");
    let own: Vec<String> =
        listing.lines().filter(own).map(|line| line.replace(UTILS, "UTILS")).collect();
    let expected = "\
/ d 0755 0:0 1
/bin d 0755 0:0 1
/bin/bash l 0777 0:0 1 -> /nix/var/nix/profiles/system/sw/bin/bash
/bin/copied f 0755 0:0 1 10
/bin/init l 0777 0:0 1 -> /nix/store/UTILS/bin/systemd-shim
/bin/login l 0777 0:0 1 -> /nix/store/UTILS/bin/login
/bin/mount l 0777 0:0 1 -> /nix/var/nix/profiles/system/sw/bin/mount
/bin/sh l 0777 0:0 1 -> /nix/store/UTILS/bin/sh
/bin/wslpath l 0777 0:0 1 -> /init
/dev d 0755 0:0 1
/etc d 0755 0:0 1
/etc/NIXOS f 0644 0:0 1 0
/etc/group f 0644 0:0 1 37
/etc/os-release f 0644 0:0 1 9
/etc/passwd f 0644 0:0 1 122
/etc/shadow f 0640 0:318 1 48
/etc/subgid f 0644 0:0 1 0
/etc/subuid f 0644 0:0 1 0
/etc/wsl-distribution.conf f 0644 0:0 1 81
/etc/wsl.conf f 0644 0:0 1 41
/home d 0755 0:0 1
/home/nixos d 0700 1000:100 1
/nix d 0755 0:0 1
/nix/store d 1775 0:30000 1
/nix/var d 0755 0:0 1
/nix/var/nix d 0755 0:0 1
/proc d 0755 0:0 1
/root d 0700 0:0 1
/run d 0755 0:0 1
/sbin l 0777 0:0 1 -> /bin
/sys d 0755 0:0 1
/tmp d 1777 0:0 1
/usr d 0755 0:0 1
/usr/lib d 0755 0:0 1
/usr/lib/wsl d 0755 0:0 1
/usr/lib/wsl/nixos.ico f 0644 0:0 1 26
/var d 0755 0:0 1
/var/lib d 0755 0:0 1
/var/lib/nixos d 0755 0:0 1
/var/lib/nixos/auto-subuid-map f 0644 0:0 1 3
/var/lib/nixos/declarative-groups f 0644 0:0 1 17
/var/lib/nixos/declarative-users f 0644 0:0 1 17
/var/lib/nixos/gid-map f 0644 0:0 1 35
/var/lib/nixos/uid-map f 0644 0:0 1 38";
    assert_eq!(own.join("\n"), expected);
    assert_eq!(
        text(&wsl.tree, conf::DISTRIBUTION),
        "[oobe]\ndefaultName=NixOS\ndefaultUid=1000\n\n[shortcut]\nicon=/usr/lib/wsl/nixos.ico\n"
    );
}

#[test]
fn each_rule_is_a_check() {
    type Break = fn(&Sample);
    let cases: [(&str, Break); 18] = [
        ("shortcut.icon", |_| {}),
        ("programs", |sample| {
            sample.edit(TOP, "activate", &format!("/nix/store/{UTILS}/bin/sh "), "/nowhere ");
        }),
        ("init", |sample| sample.remove(UTILS, "bin/systemd-shim")),
        ("boot.systemd", |sample| sample.edit(ETC, "etc/wsl.conf", "=true", "=false")),
        ("oobe.defaultName", |sample| {
            sample.put(ETC, "etc/wsl-distribution.conf", "[oobe]\ndefaultName = My Linux\n");
        }),
        ("oobe.defaultUid", |sample| {
            let conf = "[oobe]\ncommand=/bin/sh x\ndefaultName=n\ndefaultUid=7\n";
            sample.put(ETC, "etc/wsl-distribution.conf", conf);
        }),
        ("oobe.command", |sample| {
            let conf = "[OOBE]\nCommand=/etc/oobe.sh\ndefaultName=n\ndefaultUid=1000\n";
            sample.put(ETC, "etc/wsl-distribution.conf", conf);
        }),
        ("icon", |sample| {
            let conf = "[oobe]\ndefaultName=n\n[shortcut]\nicon = \"/etc/nixos.ico\" # none\n";
            sample.put(ETC, "etc/wsl-distribution.conf", conf);
        }),
        ("icon", |sample| {
            let conf = format!("[oobe]\ndefaultName=n\n[shortcut]\nicon=/nix/store/{USERS}\n");
            sample.put(ETC, "etc/wsl-distribution.conf", &conf);
        }),
        ("windowsterminal.profileTemplate", |sample| {
            let conf =
                "[oobe]\ndefaultName=n\n[windowsterminal]\nprofileTemplate=/etc/os-release\n";
            sample.put(ETC, "etc/wsl-distribution.conf", conf);
        }),
        ("root user", |sample| sample.edit(USERS, "", r#""uid":0"#, r#""uid":1"#)),
        ("password hashes", |sample| {
            sample.edit(USERS, "", r#""uid":1000"#, r#""uid":1000,"initialPassword":"secret""#);
        }),
        ("kernel", |sample| sample.put(TOP, "kernel", "")),
        ("units", |sample| {
            sample.put(ETC, "etc/systemd/system/local-fs.target.wants/tmp.mount", "");
        }),
        ("user nixos", |sample| {
            sample.edit(USERS, "", r#""uid":1000"#, r#""uid":1000,"hashedPasswordFile":"/k""#);
        }),
        ("user nixos", |sample| {
            sample.edit(
                USERS,
                "",
                r#""group":"users","home":"/home"#,
                r#""group":"none","home":"/home"#,
            );
        }),
        ("users", |sample| sample.edit(TOP, "activate", "users-groups.json", "userborn.json")),
        ("activation", |sample| sample.remove(TOP, "activate")),
    ];
    for (rule, breaks) in cases {
        let sample = Sample::new();
        breaks(&sample);
        let said = sample.said();
        assert!(said.iter().any(|said| said == rule), "{rule} not in {said:?}");
    }
    // What is masked, and what NixOS-WSL runs too, is not told.
    let sample = Sample::new();
    let system = sample.path(ETC, "etc/systemd/system");
    for unit in ["NetworkManager.service", "systemd-tmpfiles-setup.service"] {
        sample.put(ETC, &format!("etc/systemd/system/sysinit.target.wants/{unit}"), "");
    }
    symlink("/dev/null", system.join("NetworkManager.service")).unwrap();
    assert_eq!(sample.said(), ["shortcut.icon"]);
    let wsl = sample.build(None, None).unwrap();
    let toplevel = TreePath::parse(format!("/nix/store/{TOP}")).unwrap();
    let accepted = rules::RULES.iter().find(|rule| rule.name == "tmpfiles units").unwrap();
    let subject = rules::Subject { tree: &wsl.tree, toplevel: &toplevel };
    assert!((accepted.check)(subject).unwrap().is_some());
}

#[test]
fn a_tree_with_nothing_in_it_keeps_no_rule_that_refuses() {
    let (tree, toplevel) = (TreeBuilder::new(Epoch::STORE).build().unwrap(), TreePath::root());
    for rule in rules::RULES.iter().filter(|rule| rule.weight == rules::Weight::Refused) {
        let found = (rule.check)(rules::Subject { tree: &tree, toplevel: &toplevel }).unwrap();
        // Without a wsl.conf nobody asks for an init.
        assert_eq!(found.is_some(), rule.name != "init", "{}", rule.name);
    }
}

#[test]
fn files_that_an_overlay_brings_are_checked() {
    let sample = Sample::new();
    let directory = sample.0.path().join("overlay");
    fs::create_dir_all(directory.join("etc")).unwrap();
    fs::write(directory.join("etc/resolv.conf"), "").unwrap();
    let overlays = [Overlay { directory: directory.clone(), target: TreePath::root() }];
    let spec =
        WslSpec { overlays: &overlays, rules: &[], epoch: Epoch::STORE, user: None, icon: None };
    let said = names(sample.build_with(spec));
    assert!(said.contains(&"resolv.conf".to_owned()), "{said:?}");
    fs::write(directory.join("etc/wsl.conf"), "").unwrap();
    assert!(matches!(sample.build_with(spec), Err(Error::Fill(FillError::Conflict(_)))));
}

#[test]
fn the_user_is_whom_the_system_says() {
    let sample = Sample::new();
    assert_eq!(sample.build(Some("nixos"), None).unwrap().user, "nixos");
    let found = sample.build(Some("alice"), None).unwrap_err();
    assert_eq!(found.to_string(), r#"the system has no user "alice"; its people are nixos"#);
    assert_eq!(names(sample.build(Some("root"), None)), ["default user"], "contradicts wsl.conf");
    sample.edit(ETC, "etc/wsl.conf", "default=nixos", "default=gone");
    assert_eq!(sample.said(), ["default user"]);
    sample.remove(ETC, "etc/wsl.conf");
    let wsl = sample.build(None, None).unwrap();
    assert_eq!(wsl.user, "nixos", "the only person");
    let expected = "[automount]\nldconfig=false\nmountFsTab=false\n\n[boot]\nsystemd=true\n\n[user]\ndefault=nixos\n";
    assert_eq!(text(&wsl.tree, conf::WSL), expected);
    assert_eq!(sample.build(Some("root"), None).unwrap().user, "root");
    sample.edit(USERS, "", "1000", "700");
    let wsl = sample.build(None, None).unwrap();
    assert_eq!((wsl.user.as_str(), wsl.findings[0].about.as_str()), ("root", "default user"));
}

#[test]
fn what_starts_the_system() {
    let shim = format!("ln -sf /nix/store/{UTILS}/bin/systemd-shim /sbin/init\n");
    let init = |sample: &Sample| {
        let wsl = sample.build(None, None).unwrap();
        assert!(wsl.findings.iter().any(|finding| finding.about == "init"));
        let listing = wsl.tree.listing();
        let line = listing.lines().find(|line| line.starts_with("/bin/init ")).unwrap();
        line.split(" -> ").nth(1).unwrap().to_owned()
    };
    let sample = Sample::new();
    sample.edit(TOP, "activate", &shim, "");
    assert_eq!(sample.said(), ["init"], "nothing starts it");
    sample.put(TOP, "init", "#!/bin/sh\n");
    fs::set_permissions(sample.path(TOP, "init"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(init(&sample), "/nix/var/nix/profiles/system/init");
    sample.put(TOP, "init", "\x7fELF");
    assert_eq!(sample.said(), ["init"], "systemd itself");
}

#[test]
fn an_icon_beside_the_systems_own_file_is_refused() {
    let sample = Sample::new();
    sample.put(ETC, "etc/wsl-distribution.conf", "[oobe]\ndefaultName=n\n");
    let icon = Icon::of(ico()).unwrap();
    assert_eq!(names(sample.build(None, Some(&icon))), ["icon"]);
    assert_eq!(names(sample.build(None, None)), ["shortcut.icon"]);
}

#[test]
fn the_file_itself() {
    use crate::pack::Codec;
    use std::path::Path;
    let said = |codec, name: Option<&str>| {
        let found = rules::packaging(codec, name.map(Path::new));
        found.into_iter().map(|finding| finding.about).collect::<Vec<_>>()
    };
    assert_eq!(said(Some(Codec::Gzip(6)), Some("a/nixos.WSL")), [""; 0]);
    assert_eq!(said(None, None), [""; 0]);
    assert_eq!(said(Some(Codec::Zstd(3)), Some("nixos.tar.zst")), ["compression", "name"]);
    assert_eq!(said(Some(Codec::Xz(6)), Some("nixos.wsl")), ["compression"]);
}

#[test]
fn configuration_is_read_as_wsl_reads_it() {
    let conf = Conf::of(
        "# [boot]\n[Boot] # x\nsystemd = true # on\n#command=no\ncommand = \"echo # \"\nsystemd=false\n[user]\ndefault=\n",
    );
    assert_eq!(conf.is_true("boot.systemd"), Some(true));
    assert_eq!(conf.value("boot.command").as_deref(), Some("echo #"));
    assert_eq!(conf.value("user.default").as_deref(), Some(""));
    assert_eq!(conf.value("user.other"), None);
    assert_eq!(Conf::of("[boot]\nsystemd=1").is_true("boot.systemd"), Some(true));
    assert_eq!(Conf::of("[boot]\nsystemd=yes").is_true("boot.systemd"), Some(false));
}
