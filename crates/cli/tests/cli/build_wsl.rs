//! `calve build wsl`: the archive's contents, who is logged in, what is told and what is refused.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::fake::{Fake, TOPLEVEL, with_system};
use crate::run::{calve, output};

const ETC: &str = "1a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-etc";
/// Registered by the fake system; here it holds programs.
const SW: &str = "4a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-systemd-258";
const USERS: &str = "7a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-users-groups.json";

const JSON: &str = r#"{"mutableUsers":true,"users":[
{"name":"root","uid":0,"group":"root","home":"/root","shell":"/bin/sh"},
{"name":"nixos","uid":1000,"group":"users","home":"/home/nixos","createHome":true,"shell":"/bin/sh"}],
"groups":[{"name":"root","gid":0},{"name":"users","gid":100}]}"#;

/// The fake system in the shape of NixOS-WSL.
fn distribution() -> Fake {
    let fake = Fake::new();
    let store = fake.dir().join("store/nix/store");
    let toplevel = store.join(TOPLEVEL);
    for file in ["boot.json", "kernel", "initrd", "kernel-modules"] {
        fs::remove_file(toplevel.join(file)).unwrap();
    }
    symlink(format!("/nix/store/{SW}"), toplevel.join("sw")).unwrap();
    fs::create_dir_all(store.join(SW).join("bin")).unwrap();
    for name in ["sh", "bash", "mount", "login", "systemd-shim"] {
        let program = store.join(SW).join("bin").join(name);
        fs::write(&program, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o555)).unwrap();
    }
    let activate = format!(
        "-w /update-users-groups.pl /nix/store/{USERS}\n\
         ln -sf /nix/store/{SW}/bin/sh /bin/sh\n\
         ln -sf /nix/store/{SW}/bin/systemd-shim /sbin/init\n"
    );
    fs::write(toplevel.join("activate"), activate).unwrap();
    fs::write(store.join(USERS), JSON).unwrap();
    let registration = fake.dir().join("fake.registration");
    let text = fs::read_to_string(&registration).unwrap();
    let hash = "7".repeat(64);
    let users = format!("/nix/store/{USERS}\n{hash}\n512\n\n0\n");
    // The first path registered is the toplevel: its references are counted before they are named.
    let text = text.replacen("\n\n6\n", &format!("\n\n7\n/nix/store/{USERS}\n"), 1);
    fs::write(registration, text + &users).unwrap();
    let conf = "[boot]\nsystemd=true\n\n[user]\ndefault=nixos\n";
    fs::write(store.join(ETC).join("etc/wsl.conf"), conf).unwrap();
    fake
}

/// An icon with one picture.
const ICON: &[u8] =
    &[0, 0, 1, 0, 1, 0, 16, 16, 0, 0, 1, 0, 32, 0, 4, 0, 0, 0, 22, 0, 0, 0, 1, 2, 3, 4];

/// What a run says, but for the store paths, whose made-up hashes are not theirs.
fn wsl(fake: &Fake, rest: &[&str]) -> String {
    let said = calve(fake.dir(), &with_system(&["build", "wsl"], rest));
    let (start, end) = ("warning: these store paths are not", "written ");
    match (said.find(start), said.find(end)) {
        (Some(from), Some(to)) => said[..from].to_owned() + &said[to..],
        _ => said,
    }
}

#[test]
fn an_archive_as_wsl_installs_it() {
    let fake = distribution();
    fs::write(fake.dir().join("nixos.ico"), ICON).unwrap();
    insta::assert_snapshot!(wsl(&fake, &["--icon", "nixos.ico"]), @r#"
    exit code: 0
    --- stdout
    nixos.wsl
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   8 store paths, 136 MiB, from the registration fake.registration
    user      nixos
    contents  92 files, directories and links, 120 KiB as an archive
    written   nixos.wsl: 4.4 KiB, 120 KiB unpacked
    "#);
    let gzip = fs::read(fake.dir().join("nixos.wsl")).unwrap();
    assert!(gzip.starts_with(b"\x1f\x8b"), "gzip by default");
    wsl(&fake, &["--compress", "none", "-o", "plain.wsl"]);
    let tar = fs::read(fake.dir().join("plain.wsl")).unwrap();
    // The names of the tree's root, as they stand in headers.
    for name in ["etc/passwd", "etc/wsl-distribution.conf", "bin/sh", "home/nixos/", "sbin"] {
        let header = tar.chunks(512).any(|block| {
            block.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
        });
        assert!(header, "{name}");
    }
    // Built again, it is the same.
    let again =
        output(fake.dir(), &with_system(&["build", "wsl"], &["--icon", "nixos.ico", "-o", "-"]));
    assert!(again.stdout == gzip);
}

#[test]
fn what_microsoft_would_not_like_is_told() {
    let fake = distribution();
    let json = JSON.replace(r#""uid":1000"#, r#""uid":1000,"initialPassword":"secret""#);
    fs::write(fake.dir().join("store/nix/store").join(USERS), json).unwrap();
    insta::assert_snapshot!(wsl(&fake, &["-o", "my.tar.zst"]), @r#"
    exit code: 0
    --- stdout
    my.tar.zst
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   8 store paths, 136 MiB, from the registration fake.registration
    user      nixos
    warning: it boots, but
      shortcut.icon
        the system wants  no icon
        WSL gives         an icon for the start menu; without one it takes the penguin
        to mend it        add one: --icon FILE.ico
      password hashes
        the system wants  a password for nixos
        WSL gives         no hashes in /etc/shadow: everybody can read the archive
        to mend it        leave passwords out of the configuration, and set them in the distribution: wsl -u root passwd USER
      compression
        the system wants  to be unpacked from zstd
        WSL gives         gzip in all versions, and others in newer ones
        to mend it        leave --compress out
      name
        the system wants  to be opened as my.tar.zst
        WSL gives         an installation by a double click to files that end in .wsl
        to mend it        name it so: -o NAME.wsl
    contents  88 files, directories and links, 110 KiB as an archive
    written   my.tar.zst: 3.8 KiB, 110 KiB unpacked
    "#);
}

#[test]
fn users() {
    let fake = distribution();
    insta::assert_snapshot!(wsl(&fake, &["--user", "alice", "--dry-run"]), @r#"
    exit code: 2
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   8 store paths, 136 MiB, from the registration fake.registration
    error: the system has no user "alice"; its people are nixos
    "#);
    insta::assert_snapshot!(wsl(&fake, &["--user", "root", "--dry-run"]), @r#"
    exit code: 3
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   8 store paths, 136 MiB, from the registration fake.registration
    error: this system would not start in WSL
      default user
        the system wants  nixos to be logged in: its own /etc/wsl.conf says so
        WSL gives         the user of this file as soon as the system was active once
        to mend it        set wsl.defaultUser in the configuration, or leave --user out
    "#);
    fs::remove_file(fake.dir().join("store/nix/store").join(ETC).join("etc/wsl.conf")).unwrap();
    let said = wsl(&fake, &["--user", "root", "--dry-run"]);
    assert!(said.contains("user      root"), "{said}");
}

#[test]
fn the_checks_alone() {
    let fake = distribution();
    let said = calve(fake.dir(), &with_system(&["check"], &["--for", "wsl"]));
    assert!(said.contains("-fake-26.05 would start in WSL\n"), "{said}");
    assert!(said.contains("shortcut.icon"), "{said}");
    let said = calve(Fake::new().dir(), &with_system(&["check"], &["--for", "wsl"]));
    assert!(said.starts_with("exit code: 3\n"), "{said}");
}

#[test]
fn a_system_for_a_machine_is_refused() {
    let fake = Fake::new();
    insta::assert_snapshot!(wsl(&fake, &[]), @r#"
    exit code: 3
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   7 store paths, 136 MiB, from the registration fake.registration
    error: this system would not start in WSL
      activation
        the system wants  nothing to be done at its start: /nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05 has no activate
        WSL gives         a file system in which the system was never active
        to mend it        import NixOS-WSL's module and set wsl.enable = true
    "#);
    let toplevel = fake.dir().join("store/nix/store").join(TOPLEVEL);
    fs::write(toplevel.join("activate"), "ln -sfn /nix/store/x /bin/.sh.tmp\n").unwrap();
    insta::assert_snapshot!(wsl(&fake, &[]), @r#"
    exit code: 3
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   7 store paths, 136 MiB, from the registration fake.registration
    error: this system would not start in WSL
      users
        the system wants  its users made by something else than update-users-groups.pl
        WSL gives         a look into /etc/passwd before anything of the system runs
        to mend it        set systemd.sysusers.enable = false and services.userborn.enable = false
      sh
        the system wants  no sh: neither its activation nor its sw/bin has one
        WSL gives         a call of /bin/sh before the system is active
        to mend it        import NixOS-WSL's module and set wsl.enable = true
      mount
        the system wants  no mount: neither its activation nor its sw/bin has one
        WSL gives         a call of /bin/mount before the system is active
        to mend it        import NixOS-WSL's module and set wsl.enable = true
      init
        the system wants  to be booted by a kernel and an initrd of its own
        WSL gives         a start of /sbin/init in a container: no kernel, initrd or devices of its own
        to mend it        import NixOS-WSL's module and set wsl.enable = true
    "#);
}

#[test]
fn an_icon_is_an_ico() {
    let fake = distribution();
    fs::write(fake.dir().join("nixos.ico"), "\u{89}PNG").unwrap();
    insta::assert_snapshot!(wsl(&fake, &["--icon", "nixos.ico"]), @r#"
    exit code: 2
    --- stderr
    error: nixos.ico: expected an icon of Windows (.ico), found a file that does not begin like one
    "#);
    assert!(!fake.dir().join("nixos.wsl").exists());
}
