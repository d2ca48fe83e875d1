//! Where systems and closures come from: links, a closureInfo, Nix, a flake.
//!
//! Nix is a script here that tells what it was asked and answers with a text that the test wrote.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::fake::{Fake, TOPLEVEL};
use crate::run::{calve, command, shown};

/// Runs `calve` with a `nix` that logs its arguments and runs the lines.
fn with_nix(fake: &Fake, script: &str, arguments: &[&str]) -> String {
    let bin = fake.dir().join("bin");
    fs::create_dir_all(&bin).unwrap();
    let script = format!("#!/bin/sh\nPATH=/usr/bin:/bin\necho \"$@\" > nix-was-asked\n{script}\n");
    fs::write(bin.join("nix"), script).unwrap();
    fs::set_permissions(bin.join("nix"), fs::Permissions::from_mode(0o755)).unwrap();
    let output = command(fake.dir(), arguments).env("PATH", &bin).output().unwrap();
    let asked = fs::read_to_string(fake.dir().join("nix-was-asked")).unwrap_or_default();
    let asked = asked.replace(fake.dir().to_str().unwrap(), "DIR");
    format!("nix {asked}{}", shown(fake.dir(), &output))
}

/// What `nix path-info --recursive --json` of Nix 2.18 prints of a closure of one path.
fn path_info() -> String {
    format!(
        r#"[{{"path":"/nix/store/{TOPLEVEL}","narHash":"sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=","narSize":4096,"references":[]}}]"#
    )
}

#[test]
fn nix_path_info() {
    let fake = Fake::new();
    fs::write(fake.dir().join("answer"), path_info()).unwrap();
    let arguments = ["show", "./result", "--store", "store"];
    insta::assert_snapshot!(with_nix(&fake, "cat answer", &arguments), @r#"
    nix --extra-experimental-features nix-command flakes --store DIR/store path-info --recursive --json /nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    exit code: 0
    --- stdout
    system /nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    NixOS 26.05.20260501.abcdef, x86_64-linux, systemd-boot

    mounts
      /      ext4  label "nixos"
      /boot  vfat  label "ESP"

    1 store path, 4 KiB; the biggest
      4 KiB  100 %  /nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05

    by profile minimal: no disk, it would not boot
      kernel
        the system wants  /nix/store/2a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-linux-6.12/bzImage
        the layout gives  a closure without /nix/store/2a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-linux-6.12
        to mend it        give the registration of this very system, or rebuild it
      initrd
        the system wants  /nix/store/3a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-initrd-linux-6.12/initrd
        the layout gives  a closure without /nix/store/3a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-initrd-linux-6.12
        to mend it        give the registration of this very system, or rebuild it
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   1 store path, 4 KiB, from `nix path-info`
    "#);
}

#[test]
fn nix_that_fails_and_no_database() {
    let fake = Fake::new();
    let script = "echo 'error: cannot connect to socket' >&2; exit 1";
    insta::assert_snapshot!(with_nix(&fake, script, &["show", "./result", "--store", "store"]), @r#"
    nix --extra-experimental-features nix-command flakes --store DIR/store path-info --recursive --json /nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    exit code: 1
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    error: nothing tells the closure of /nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05: no --registration, nix path-info failed with exit status: 1: error: cannot connect to socket, no database
      ├─▶ cannot read store/nix/var/nix/db/schema
      ╰─▶ No such file or directory (os error 2)
      help: name the store that holds the system with --store DIR
            or, where Nix is: nix-store --dump-db $(nix-store -qR /nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05) > FILE, and here --registration FILE
    "#);
}

#[test]
fn the_database_of_a_chroot_store() {
    let fake = Fake::new();
    let loaded = std::process::Command::new("nix-store")
        .args(["--store", &format!("local?root={}/store", fake.dir().display()), "--load-db"])
        .envs([("NIX_REMOTE", ""), ("NIX_CONF_DIR", "/nowhere")])
        .stdin(fs::File::open(fake.dir().join("fake.registration")).unwrap())
        .output();
    match loaded {
        Ok(loaded) => assert!(loaded.status.success(), "{loaded:?}"),
        Err(error) if std::env::var_os("CI").is_some() => panic!("nix-store: {error}"),
        Err(_) => return eprintln!("SKIPPED: nix-store is not installed"),
    }
    let said = calve(fake.dir(), &["show", "./result", "--store", "store"]);
    assert!(said.starts_with("exit code: 0"), "{said}");
    assert!(
        said.contains("7 store paths, 136 MiB, from the database store/nix/var/nix/db"),
        "{said}"
    );
}

#[test]
fn a_closure_info() {
    let fake = Fake::new();
    let info = fake.dir().join("info");
    fs::create_dir(&info).unwrap();
    fs::copy(fake.dir().join("fake.registration"), info.join("registration")).unwrap();
    let said = calve(fake.dir(), &["show", "./info", "--store", "store"]);
    assert!(said.contains(&format!("system /nix/store/{TOPLEVEL}")), "{said}");
    assert!(said.contains("from the registration ./info/registration"), "{said}");
}

#[test]
fn a_flake_is_built_and_kept() {
    let fake = Fake::new();
    let store = fake.dir().join("store");
    fs::write(fake.dir().join("answer"), path_info()).unwrap();
    let build = format!(
        "case \"$*\" in *build*) ln -s /nix/store/{TOPLEVEL} result-web; echo /nix/store/{TOPLEVEL}; cp nix-was-asked first ;; *) cat answer; cat first nix-was-asked > both; mv both nix-was-asked ;; esac"
    );
    let arguments = ["check", "--flake", ".#web", "--store", store.to_str().unwrap()];
    let said = with_nix(&fake, &build, &arguments);
    assert!(said.contains("nix --extra-experimental-features nix-command flakes --store DIR/store build --print-out-paths --out-link result-web .#nixosConfigurations.\"web\".config.system.build.toplevel\n"), "{said}");
    assert!(said.contains("path-info --recursive --json /nix/store/"), "{said}");
    assert!(fake.dir().join("result-web").symlink_metadata().is_ok());
}

#[test]
fn a_flake_without_nix() {
    let directory = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(calve(directory.path(), &["check", "--flake", ".#web"]), @r#"
    exit code: 1
    --- stderr
    building  web into result-web
    error: nix is not in the search path
      help: --flake needs Nix; a system that is built elsewhere does not
    "#);
}

#[test]
fn links_of_a_profile_are_followed() {
    let fake = Fake::new();
    symlink("result", fake.dir().join("system-7-link")).unwrap();
    symlink("system-7-link", fake.dir().join("system")).unwrap();
    let arguments = ["show", "./system", "--store", "store", "--registration", "fake.registration"];
    let said = calve(fake.dir(), &arguments);
    assert!(said.contains(&format!("system /nix/store/{TOPLEVEL}")), "{said}");
}

#[test]
fn a_closure_info_of_two_systems() {
    let fake = Fake::new();
    let info = fake.dir().join("info");
    fs::create_dir(&info).unwrap();
    let one = fs::read_to_string(fake.dir().join("fake.registration")).unwrap();
    let other = one.lines().take(4).collect::<Vec<_>>().join("\n").replace("fake", "other");
    fs::write(info.join("registration"), format!("{one}{other}\n0\n")).unwrap();
    insta::assert_snapshot!(calve(fake.dir(), &["show", "./info", "--store", "store"]), @r#"
    exit code: 2
    --- stderr
    error: ./info/registration is about 2 systems, expected one
      help: name the system, and this file with --registration
    "#);
}
