//! `calve check`.

use crate::fake::{FSTAB, Fake, with_system};
use crate::run::{calve, output};

#[test]
fn no_system() {
    let directory = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(calve(directory.path(), &["check"]), @r#"
    exit code: 2
    --- stderr
    error: no system is named, and ./result does not exist
      help: name a system, or build one: --flake REF#HOST
    "#);
    insta::assert_snapshot!(calve(directory.path(), &["check", "/etc"]), @r#"
    exit code: 2
    --- stderr
    error: /etc is no path of the store and no link to one
    "#);
    let system = "/nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-gone-26.05";
    insta::assert_snapshot!(calve(directory.path(), &["check", system, "--store", "."]), @r#"
    exit code: 2
    --- stderr
    error: cannot look at ./nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-gone-26.05
      ╰─▶ No such file or directory (os error 2)
    "#);
}

#[test]
fn a_system_that_fits() {
    let fake = Fake::new();
    insta::assert_snapshot!(calve(fake.dir(), &with_system(&["check"], &[])), @r#"
    exit code: 0
    --- stdout
    /nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05 would boot from profile minimal
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   7 store paths, 136 MiB, from the registration fake.registration
    "#);
    let json = output(fake.dir(), &with_system(&["check"], &["--json", "-q"]));
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["boots"], true);
}

#[test]
fn a_mount_that_the_profile_lacks() {
    let fake = Fake::new();
    fake.fstab(&format!("{FSTAB}/dev/disk/by-label/data /data ext4 defaults 0 2\n"));
    insta::assert_snapshot!(calve(fake.dir(), &with_system(&["check"], &[])), @r#"
    exit code: 3
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   7 store paths, 136 MiB, from the registration fake.registration
    error: this system would not boot from this layout
      /data
        the system wants  label "data" (ext4) on /data
        the layout gives  no volume mounted on /data
        to mend it        add a volume with that mount point to the profile, or remove fileSystems."/data" from the configuration
    "#);
    let json = output(fake.dir(), &with_system(&["check"], &["--json", "-q"]));
    assert_eq!(json.status.code(), Some(3));
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["boots"], &json["findings"][0]["about"]), (&false.into(), &"/data".into()));
}

#[test]
fn another_boot_loader() {
    let fake = Fake::new();
    fake.grub();
    insta::assert_snapshot!(calve(fake.dir(), &with_system(&["check"], &[])), @r#"
    exit code: 3
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   7 store paths, 136 MiB, from the registration fake.registration
    error: this system would not boot from this layout
      boot loader
        the system wants  GRUB (it runs /nix/store/1a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-etc/bin/install-grub)
        the layout gives  systemd-boot
        to mend it        set boot.loader.systemd-boot.enable = true and rebuild; others are not supported yet
    "#);
}

#[test]
fn a_device_by_its_path() {
    let fake = Fake::new();
    fake.fstab(&FSTAB.replace("/dev/disk/by-label/nixos", "/dev/sda2"));
    insta::assert_snapshot!(calve(fake.dir(), &with_system(&["check"], &[])), @r#"
    exit code: 3
    --- stderr
    system    0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05
    closure   7 store paths, 136 MiB, from the registration fake.registration
    error: this system would not boot from this layout
      /
        the system wants  /dev/sda2 (ext4) on /
        the layout gives  a volume "nixos" that may be any device
        to mend it        set fileSystems."/".device to a label, such as "/dev/disk/by-label/nixos", instead of "/dev/sda2"
    "#);
}
