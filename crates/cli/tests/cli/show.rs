//! `calve show`.

use std::fs;
use std::process::Command;

use crate::fake::{Fake, with_system};
use crate::run::{calve, output};

#[test]
fn a_profile() {
    let directory = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(calve(directory.path(), &["show", "server"]), @r#"
    exit code: 0
    --- stdout
    profile server: Room to work, a menu that nobody edits
    disk of automatic size, GPT, 512-byte sectors

    ┌──────────────────┬───────────────────────────────────────────────────────────────────────────┐
    │ ESP              │ nixos                                                                     │
    │ vfat 1 GiB       │ ext4 rest                                                                 │
    │ /boot            │ /                                                                         │
    └──────────────────┴───────────────────────────────────────────────────────────────────────────┘
      #  name   type   size  format  label  mounted at
      1  ESP    esp   1 GiB  vfat           /boot
      2  nixos  root   rest  ext4           /
    "#);
}

#[test]
fn a_system() {
    let fake = Fake::new();
    insta::assert_snapshot!(calve(fake.dir(), &with_system(&["show"], &[])), @r#"
    exit code: 0
    --- stdout
    system /nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    NixOS 26.05.20260501.abcdef, x86_64-linux, systemd-boot

    mounts
      /      ext4  label "nixos"
      /boot  vfat  label "ESP"

    7 store paths, 136 MiB; the biggest
      90 MiB  66 %  /nix/store/4a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-systemd-258
      30 MiB  22 %  /nix/store/3a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-initrd-linux-6.12
      14 MiB  10 %  /nix/store/2a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-linux-6.12
       2 MiB   1 %  /nix/store/6a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-kernel-modules
      12 KiB   0 %  /nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
       4 KiB   0 %  /nix/store/1a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-etc
       512 B   0 %  /nix/store/5a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-install-systemd-boot.sh

    by profile minimal: disk of 775 MiB, GPT, 512-byte sectors, id c1f1bb94-54fd-8008-a01b-f61ac420fde0

    ┌──────────────────────────────────────────────────────────────┬───────────────────────────────┐
    │ ESP                                                          │ nixos                         │
    │ vfat 512 MiB                                                 │ ext4 261 MiB                  │
    └──────────────────────────────────────────────────────────────┴───────────────────────────────┘
      #  name   type    start     size  format  label  id
      1  ESP    esp     1 MiB  512 MiB  vfat    ESP    AE48-C4AF
      2  nixos  root  513 MiB  261 MiB  ext4    nixos  d6432a41-939d-8ccf-8b69-a2e40d8589af
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   7 store paths, 136 MiB, from the registration fake.registration
    "#);
}

#[test]
fn a_system_that_would_not_boot() {
    let fake = Fake::new();
    fake.grub();
    let said = calve(fake.dir(), &with_system(&["show"], &[]));
    assert!(
        said.contains("by profile minimal: no disk, it would not boot\n  boot loader\n"),
        "{said}"
    );
}

#[test]
fn an_image() {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("disk.raw");
    fs::File::create(&image).unwrap().set_len(2 << 30).unwrap();
    let ids = ["-U", "01234567-89ab-cdef-0123-456789abcdef"];
    let partitions =
        ["-n1:2048:+512M", "-t1:ef00", "-c1:ESP", "-n2:0:+1G", "-t2:8304", "-c2:nixos"];
    let made = Command::new("sgdisk").args(ids).args(partitions).arg(&image).output();
    match made {
        Ok(made) => assert!(made.status.success()),
        Err(error) if std::env::var_os("CI").is_some() => panic!("sgdisk: {error}"),
        Err(_) => return eprintln!("SKIPPED: sgdisk is not installed"),
    }
    insta::assert_snapshot!(calve(directory.path(), &["show", "disk.raw"]), @r#"
    exit code: 0
    --- stdout
    image disk.raw, raw
    disk of 2 GiB, GPT, 512-byte sectors, id 01234567-89ab-cdef-0123-456789abcdef

    ┌───────────────────────┬───────────────────────────────────────────────┬──────────────────────┐
    │ ESP                   │ nixos                                         │ unused               │
    │ ? 512 MiB             │ ? 1 GiB                                       │ 511 MiB              │
    └───────────────────────┴───────────────────────────────────────────────┴──────────────────────┘
      #  name   type             start     size  format  label  id
      1  ESP    esp              1 MiB  512 MiB  ?
      2  nixos  root (x86_64)  513 MiB    1 GiB  ?
    "#);
    let json = output(directory.path(), &["show", "disk.raw", "--json"]).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["size"], 2u64 << 30);
    assert_eq!(json["partitions"][1]["name"], "nixos");
}

#[test]
fn what_is_no_image() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("disk.raw"), "no disk").unwrap();
    insta::assert_snapshot!(calve(directory.path(), &["show", "disk.raw"]), @r#"
    exit code: 1
    --- stderr
    error: disk.raw is no disk image that can be shown
      ╰─▶ expected a GPT at byte 512 or 4096 of the disk, found none
    "#);
}

/// `calve show … | head -1`: a reader that has seen enough is no failure.
#[test]
fn a_reader_that_goes_away() {
    let directory = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let program = assert_cmd::cargo::cargo_bin!("calve");
    let mut command = Command::new(program);
    command.current_dir(directory.path()).args(["show", "minimal"]).stdout(writer);
    let output = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let output = output.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn an_iso_and_whether_it_is_whole() {
    let fake = Fake::new();
    fake.live();
    let built = calve(fake.dir(), &with_system(&["build", "iso"], &["-q", "-o", "a.iso"]));
    assert!(built.starts_with("exit code: 0\n"), "{built}");
    let said = calve(fake.dir(), &["show", "a.iso"]);
    for line in
        ["volume id  fake-live\n", "boots      UEFI, image at ", "store      /nix-store.squashfs"]
    {
        assert!(said.contains(line), "{line}{said}");
    }
    let json = output(fake.dir(), &["show", "a.iso", "--json"]).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(
        (&json["volumeId"], &json["store"]["compressor"]),
        (&"fake-live".into(), &"zstd".into())
    );
    // The sample's hashes are made up, so its paths are what damaged ones would be.
    let said = calve(fake.dir(), &["show", "--verify", "a.iso"]);
    assert!(said.starts_with("exit code: 1\n"), "{said}");
    assert!(said.contains("-nixos-system-fake-26.05\n  its files hash to sha256:"), "{said}");
    assert!(said.contains("0 store paths are what is registered; "), "{said}");
    assert!(said.contains("error: a.iso is damaged: 7 things are wrong\n"), "{said}");
}

#[test]
fn only_isos_can_be_verified() {
    let directory = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(calve(directory.path(), &["show", "--verify", "minimal"]), @r#"
    exit code: 2
    --- stderr
    error: --verify expects an ISO, found minimal
      help: `nix store verify` does the same for a system in the store
    "#);
}
