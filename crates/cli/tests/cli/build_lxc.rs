//! `calve build lxc`, and what it shares with every archive.

use std::fs;
use std::process::Command;

use crate::fake::{Fake, SYSTEMD, with_system};
use crate::run::{calve, output};

/// A fake system that is made for a container.
fn container() -> Fake {
    let fake = Fake::new();
    fake.container();
    fake
}

/// Runs `build lxc` with a cache in the test's directory.
fn built(fake: &Fake, rest: &[&str]) -> String {
    calve(fake.dir(), &lxc(rest))
}

fn lxc<'a>(rest: &[&'a str]) -> Vec<&'a str> {
    let cached: Vec<&str> = ["--cache", "cache"].iter().chain(rest).copied().collect();
    with_system(&["build", "lxc"], &cached)
}

/// The names in the directory that begin with a dot: what a failed build might leave.
fn left_behind(fake: &Fake) -> Vec<String> {
    let names = fs::read_dir(fake.dir()).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter_map(|name| name.into_string().ok()).filter(|name| name.starts_with('.')).collect()
}

#[test]
fn a_template() {
    let fake = container();
    insta::assert_snapshot!(built(&fake, &[]), @r#"
    exit code: 0
    --- stdout
    nixos-image-lxc-proxmox-26.05.20260501.abcdef-x86_64-linux.tar.zst
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   7 store paths, 136 MiB, from the registration fake.registration
    contents  62 files, directories and links, 90 KiB as an archive
    warning: these store paths are not what Nix registered; the image has them as they are
      /nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
      /nix/store/1a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-etc
      /nix/store/2a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-linux-6.12
      /nix/store/3a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-initrd-linux-6.12
      /nix/store/4a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-systemd-258
      and 2 more
      to see why: nix-store --verify-path /nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
      to mend it: nix-store --repair-path /nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    written   nixos-image-lxc-proxmox-26.05.20260501.abcdef-x86_64-linux.tar.zst: 2.8 KiB, 90 KiB unpacked
    "#);
    assert_eq!(left_behind(&fake), Vec::<String>::new());
}

#[test]
fn the_ending_or_the_option_says_how_it_is_compressed() {
    let fake = container();
    let magic = |arguments: &[&str], name: &str| {
        let said = output(fake.dir(), &lxc(arguments));
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        fs::read(fake.dir().join(name)).unwrap()[..4].to_vec()
    };
    assert_eq!(magic(&["-o", "web.tar.zst"], "web.tar.zst"), b"\x28\xb5\x2f\xfd");
    assert_eq!(magic(&["-o", "web.tar.xz"], "web.tar.xz"), b"\xfd7zX");
    assert_eq!(magic(&["-o", "web.tar.gz"], "web.tar.gz")[..2], *b"\x1f\x8b");
    assert_eq!(magic(&["-o", "web.tar"], "web.tar"), *b"dev/");
    assert_eq!(magic(&["-o", "web", "--compress", "xz:fast"], "web"), b"\xfd7zX");
    let named = "nixos-image-lxc-proxmox-26.05.20260501.abcdef-x86_64-linux.tar.xz";
    assert_eq!(magic(&["--compress", "xz:1"], named), b"\xfd7zX");
    insta::assert_snapshot!(built(&fake, &["-o", "web.tar.xz", "--compress", "zstd"]), @r#"
    exit code: 2
    --- stderr
    error: --compress zstd contradicts the ending of the output, .tar.xz
    "#);
    insta::assert_snapshot!(built(&fake, &["--compress", "zstd:22"]), @r#"
    exit code: 2
    --- stderr
    error: invalid value 'zstd:22' for '--compress <HOW[:LEVEL]>': expected fast, default, release or a level of zstd from 1 to 19, found "22"

    For more information, try '--help'.
    "#);
    insta::assert_snapshot!(built(&fake, &["--compress", "lzma"]), @r#"
    exit code: 2
    --- stderr
    error: invalid value 'lzma' for '--compress <HOW[:LEVEL]>': expected zstd, xz, gzip or none, found "lzma"

    For more information, try '--help'.
    "#);
}

#[test]
fn a_dry_run() {
    let fake = container();
    insta::assert_snapshot!(built(&fake, &["--dry-run"]), @r#"
    exit code: 0
    --- stdout
    lxc archive of /nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    90 KiB; how large zstd 9 makes it is known after packing

    7 store paths, 136 MiB; the biggest
      90 MiB  66 %  /nix/store/4a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-systemd-258
      30 MiB  22 %  /nix/store/3a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-initrd-linux-6.12
      14 MiB  10 %  /nix/store/2a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-linux-6.12
       2 MiB   1 %  /nix/store/6a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-kernel-modules
      12 KiB   0 %  /nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
       4 KiB   0 %  /nix/store/1a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-etc
       512 B   0 %  /nix/store/5a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-install-systemd-boot.sh
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   7 store paths, 136 MiB, from the registration fake.registration
    contents  62 files, directories and links, 90 KiB as an archive
    "#);
    assert!(!fake.dir().join("cache").exists());
    let pieces = output(fake.dir(), &lxc(&["--dry-run", "--pieces", "--compress", "none", "-q"]));
    let pieces = String::from_utf8(pieces.stdout).unwrap();
    assert!(pieces.contains("nixos-system-fake-26.05/init"), "{pieces}");
    insta::assert_snapshot!(built(&fake, &["--dry-run", "--pieces"]), @r#"
    exit code: 2
    --- stderr
    error: --pieces lists an archive as it is: what compressing makes of it is known only when it is done
      help: add --compress none
    "#);
}

#[test]
fn the_report() {
    let fake = container();
    let report = |rest: &[&str]| -> serde_json::Value {
        serde_json::from_slice(&output(fake.dir(), &lxc(rest)).stdout).unwrap()
    };
    let planned = report(&["--dry-run", "--json", "-q"]);
    assert_eq!(planned["image"]["size"], serde_json::Value::Null);
    assert_eq!(planned["image"]["format"], "lxc");
    let made = report(&["-o", "web.tar.zst", "--json", "--digest", "-q"]);
    let size = fs::metadata(fake.dir().join("web.tar.zst")).unwrap().len();
    assert_eq!((&made["image"]["size"], &made["image"]["level"]), (&size.into(), &9.into()));
    assert_eq!(made["image"]["unpacked"], planned["image"]["unpacked"]);
    assert_eq!(made["storePaths"], 7);
    assert_eq!(made["unverified"].as_array().unwrap().len(), 7);
    assert_eq!(made["image"]["sha256"].as_str().unwrap().len(), 64);
}

#[test]
fn a_stream_is_the_same_archive_and_words_keep_out_of_it() {
    let fake = container();
    let file = output(fake.dir(), &lxc(&["-o", "web.tar.zst", "-q"]));
    assert_eq!(file.stdout, b"web.tar.zst\n");
    let stream = output(fake.dir(), &lxc(&["-o", "-", "--json", "-q", "--no-cache"]));
    assert!(stream.stdout == fs::read(fake.dir().join("web.tar.zst")).unwrap());
    let report: serde_json::Value = serde_json::from_slice(&stream.stderr).unwrap();
    assert_eq!(report["image"]["size"], stream.stdout.len());
}

/// `tar` is on every machine that runs these tests.
#[test]
fn tar_lists_what_proxmox_looks_for() {
    let fake = container();
    assert!(output(fake.dir(), &lxc(&["-o", "web.tar", "-q"])).status.success());
    let mut tar = Command::new("tar");
    let listed = tar.args(["-tvf", "web.tar", "--numeric-owner"]).current_dir(fake.dir()).output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    let names: Vec<&str> = listed.lines().filter_map(|line| line.split(' ').next_back()).collect();
    // PVE::LXC::Create refuses others: check_tar_archive.
    assert!(names.contains(&"sbin/") && names.len() >= 10, "{listed}");
    assert!(names.contains(&"sbin/init") && names.contains(&"etc/systemd/network/"), "{listed}");
}

#[test]
fn a_file_is_replaced_only_by_force_and_nothing_is_packed_before_that() {
    let fake = container();
    fs::write(fake.dir().join("web.tar.zst"), "precious").unwrap();
    insta::assert_snapshot!(built(&fake, &["-o", "web.tar.zst"]), @r#"
    exit code: 2
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   7 store paths, 136 MiB, from the registration fake.registration
    contents  62 files, directories and links, 90 KiB as an archive
    error: web.tar.zst exists already
      help: --force replaces it
    "#);
    assert_eq!(fs::read(fake.dir().join("web.tar.zst")).unwrap(), b"precious");
    assert!(!fake.dir().join("cache").exists());
    assert!(output(fake.dir(), &lxc(&["-o", "web.tar.zst", "--force"])).status.success());
    assert!(fs::metadata(fake.dir().join("web.tar.zst")).unwrap().len() > 1 << 10);
    assert_eq!(left_behind(&fake), Vec::<String>::new());
}

#[test]
fn what_proxmox_could_not_start_is_not_built() {
    let fake = container();
    fake.init("\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0");
    insta::assert_snapshot!(built(&fake, &["-o", "web.tar.zst"]), @r#"
    exit code: 3
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   7 store paths, 136 MiB, from the registration fake.registration
    error: this system would not start in a Proxmox container
      init
        the system wants     a stage 1 of its own before it: its init is no script but systemd (boot.initrd.systemd.enable)
        the container gives  a start of /sbin/init, a copy of the system's init: a script
        to mend it           import nixpkgs' virtualisation/proxmox-lxc.nix (it sets boot.isContainer)
    "#);
    assert!(!fake.dir().join("web.tar.zst").exists());
    fs::remove_file(fake.path(crate::fake::TOPLEVEL, "init")).unwrap();
    insta::assert_snapshot!(built(&fake, &["-o", "web.tar.zst"]), @r#"
    exit code: 3
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   7 store paths, 136 MiB, from the registration fake.registration
    error: this system would not start in a Proxmox container
      init
        the system wants     nothing that can be started: /nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05 has no init
        the container gives  a start of /sbin/init, a copy of the system's init: a script
        to mend it           import nixpkgs' virtualisation/proxmox-lxc.nix (it sets boot.isContainer)
    "#);
}

#[test]
fn a_store_path_that_cannot_be_read() {
    let fake = container();
    fs::remove_dir_all(fake.path("2a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-linux-6.12", "")).unwrap();
    insta::assert_snapshot!(built(&fake, &[]), @r#"
    exit code: 1
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   7 store paths, 136 MiB, from the registration fake.registration
    error: cannot read the metadata of store/nix/store/2a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-linux-6.12
      ╰─▶ No such file or directory (os error 2)
    "#);
    let fake = container();
    let socket = fake.path(SYSTEMD, "socket");
    let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    insta::assert_snapshot!(built(&fake, &[]), @r#"
    exit code: 1
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   7 store paths, 136 MiB, from the registration fake.registration
    error: store/nix/store/4a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-systemd-258/socket is a socket: expected a file, directory, link, device or pipe; remove it
    "#);
    assert_eq!(left_behind(&fake), Vec::<String>::new());
}

#[test]
fn a_system_for_a_machine_is_warned_of() {
    let fake = Fake::new();
    let shell = format!("#!/nix/store/{SYSTEMD}/bin/sh\n");
    fs::create_dir(fake.path(SYSTEMD, "bin")).unwrap();
    let elf = "\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0";
    fs::write(fake.path(SYSTEMD, "bin/sh"), elf).unwrap();
    fake.init(&shell);
    insta::assert_snapshot!(calve(fake.dir(), &with_system(&["check", "--for", "lxc"], &[])), @r#"
    exit code: 0
    --- stdout
    /nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05 would start in a Proxmox container
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   7 store paths, 136 MiB, from the registration fake.registration
    warning: it boots, but
      kernel
        the system wants     a kernel and an initrd of its own, which stay in the image
        the container gives  the host's kernel, and no devices
        to mend it           import nixpkgs' virtualisation/proxmox-lxc.nix (it sets boot.isContainer)
    "#);
}
