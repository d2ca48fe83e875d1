//! What Proxmox expects of a template, promise by promise, and what it must refuse.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::boot::preflight::Severity;
use crate::boot::sample::{Built, SYSTEMD, Sample, TOP};
use crate::inputs::store_path::StorePath;

const EPOCH: Epoch = Epoch::new(1_700_000_000);

/// The start of an ELF program, up to `e_machine`: little-endian, 64 bits.
fn elf(machine: u16) -> Vec<u8> {
    let mut header = b"\x7fELF\x02\x01\x01".to_vec();
    header.resize(18, 0);
    header.extend(machine.to_le_bytes());
    header
}

fn shell() -> String {
    format!("/nix/store/{SYSTEMD}/bin/sh")
}

/// Puts a file of a store path in another's place.
fn put(built: &Built, path: &str, content: impl AsRef<[u8]>) {
    let file = built.path(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let _ = fs::remove_file(&file);
    fs::write(&file, content).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o555)).unwrap();
}

fn read_again(built: &mut Built) {
    let toplevel = StorePath::from_base_name(TOP).unwrap();
    built.system = System::of(&built.store, &toplevel).unwrap();
}

/// The sample as `proxmox-lxc.nix` makes a system: without a kernel, with a script as its init.
fn container() -> Built {
    let mut built = Sample::new().build();
    put(&built, &format!("{SYSTEMD}/bin/sh"), elf(0x3e));
    put(&built, &format!("{TOP}/init"), format!("#! {}\necho hello\n", shell()));
    put(&built, &format!("{TOP}/etc/os-release"), "NAME=NixOS\nID=nixos\n");
    fs::remove_file(built.path(&format!("{TOP}/boot.json"))).unwrap();
    read_again(&mut built);
    built
}

fn made(built: &Built, overlays: &[Overlay]) -> Result<Lxc, Error> {
    let input = Input { store: &built.store, system: &built.system, closure: &built.closure };
    tree(&LxcSpec { overlays, rules: &[], epoch: EPOCH, host_key: None }, input)
}

fn listing(built: &Built) -> String {
    let made = made(built, &[]).unwrap();
    assert_eq!(made.findings, []);
    made.tree.listing()
}

/// What was refused, in words: what it is about, what the system wants, what Proxmox gives.
fn refused(built: &Built) -> String {
    let Err(Error::Refused(findings)) = made(built, &[]) else { panic!() };
    let refusals = findings.iter().filter(|found| found.severity == Severity::Refusal);
    let lines = refusals.map(|found| format!("{}: {}; {}", found.about, found.wants, found.gives));
    lines.collect::<Vec<String>>().join("\n")
}

#[test]
fn what_proxmox_unpacks() {
    let built = container();
    let listing = listing(&built);
    let own: Vec<&str> = listing.lines().filter(|line| !line.starts_with("/nix/")).collect();
    let init = fs::read(built.path(&format!("{TOP}/init"))).unwrap().len();
    let at = EPOCH.seconds();
    assert_eq!(
        own,
        [
            &*format!("/ d 0755 0:0 {at}"),
            &format!("/dev d 0755 0:0 {at}"),
            &format!("/etc d 0755 0:0 {at}"),
            &format!("/etc/NIXOS f 0644 0:0 {at} 0"),
            &format!("/etc/os-release f 0644 0:0 {at} 20"),
            &format!("/etc/systemd d 0755 0:0 {at}"),
            &format!("/etc/systemd/network d 0755 0:0 {at}"),
            &format!("/nix d 0755 0:0 {at}"),
            &format!("/proc d 0755 0:0 {at}"),
            &format!("/root d 0700 0:0 {at}"),
            &format!("/run d 0755 0:0 {at}"),
            &format!("/sbin d 0755 0:0 {at}"),
            &format!("/sbin/init f 0755 0:0 {at} {init}"),
            &format!("/sys d 0755 0:0 {at}"),
            &format!("/tmp d 1777 0:0 {at}"),
            &format!("/var d 0755 0:0 {at}"),
        ]
    );
    assert!(listing.contains("/nix/var/nix/db/db.sqlite f 0644 0:0"));
    assert!(listing.contains("/nix/store d 1775 0:30000 1\n"));
    assert!(listing.contains(&format!(
        "/nix/var/nix/profiles/system-1-link l 0777 0:0 {at} -> /nix/store/{TOP}\n"
    )));
}

#[test]
fn the_registration_goes_to_those_who_load_it() {
    let built = container();
    assert!(!listing(&built).contains("/nix-path-registration"));
    let init = format!("#! {}\nnix-store --load-db < /nix-path-registration\n", shell());
    put(&built, &format!("{TOP}/init"), init);
    assert!(listing(&built).contains("/nix-path-registration f 0644 0:0"));
}

#[test]
fn a_system_without_init() {
    let built = container();
    fs::remove_file(built.path(&format!("{TOP}/init"))).unwrap();
    assert!(refused(&built).starts_with("init: nothing that can be started"));
}

#[test]
fn an_init_that_is_systemd_itself() {
    let built = container();
    put(&built, &format!("{TOP}/init"), elf(0x3e));
    assert!(refused(&built).starts_with("init: a stage 1 of its own before it"));
    put(&built, &format!("{TOP}/init"), "hello\n");
    assert!(refused(&built).contains("neither a script nor a program"));
}

#[test]
fn an_interpreter_that_the_image_would_not_have() {
    let built = container();
    for interpreter in ["/bin/sh", "", "/nix/store/p1ghxi6s5ar9ga8i0wcsadlng4vqc25a-other/bin/sh"] {
        put(&built, &format!("{TOP}/init"), format!("#! {interpreter}\n"));
        let found = refused(&built);
        assert!(found.starts_with("interpreter of init: ") && found.contains("closure"), "{found}");
    }
    let gone = format!("/nix/store/{SYSTEMD}/bin/gone");
    put(&built, &format!("{TOP}/init"), format!("#!{gone}\n"));
    assert!(refused(&built).contains(&gone));
}

#[test]
fn an_interpreter_of_another_architecture() {
    let mut built = container();
    put(&built, &format!("{SYSTEMD}/bin/sh"), elf(0xb7));
    assert!(refused(&built).contains("reads arm64, not amd64"));
    put(&built, &format!("{TOP}/system"), "aarch64-linux");
    read_again(&mut built);
    assert_eq!(made(&built, &[]).unwrap().findings, []);
    put(&built, &format!("{SYSTEMD}/bin/sh"), elf(0x102));
    assert!(refused(&built).contains("a machine (0x102)"));
    put(&built, &format!("{SYSTEMD}/bin/sh"), "#!/bin/sh\n");
    assert!(refused(&built).contains("no program that tells its architecture"));
    put(&built, &format!("{TOP}/system"), "powerpc64le-linux");
    read_again(&mut built);
    assert!(refused(&built).contains("one of x86_64-linux, i686-linux"));
}

#[test]
fn a_system_that_is_made_for_a_machine_is_warned_of() {
    let mut sample = Sample::new();
    sample.files.push((format!("{TOP}/etc-metadata-image"), "erofs".to_owned()));
    let built = sample.build();
    put(&built, &format!("{SYSTEMD}/bin/sh"), elf(0x3e));
    put(&built, &format!("{TOP}/init"), format!("#!{} -e\n", shell()));
    put(&built, &format!("{TOP}/etc/os-release"), "ID=\"debian\"\n");
    let made = made(&built, &[]).unwrap();
    let about: Vec<&str> = made.findings.iter().map(|found| found.about.as_str()).collect();
    assert_eq!(about, ["os-release", "kernel", "/etc"]);
    assert!(made.findings.iter().all(|found| found.severity == Severity::Warning));
}

#[test]
fn overlays_come_last_and_replace_nothing() {
    let built = container();
    let user = tempfile::tempdir().unwrap();
    fs::create_dir(user.path().join("root")).unwrap();
    fs::write(user.path().join("root/hello"), "world").unwrap();
    let overlay: Overlay = user.path().to_str().unwrap().parse().unwrap();
    let listing = made(&built, std::slice::from_ref(&overlay)).unwrap().tree.listing();
    assert!(listing.contains("/root/hello f 0644 0:0") && listing.contains("/root d 0700"));
    fs::create_dir(user.path().join("sbin")).unwrap();
    fs::write(user.path().join("sbin/init"), "another").unwrap();
    let found = made(&built, &[overlay]).unwrap_err().to_string();
    assert!(found.contains("/sbin/init") && found.contains("the container's files"), "{found}");
}

#[test]
fn names_are_those_that_proxmox_keeps() {
    let mut built = container();
    let mut named = |label: &str| {
        built.system.main.label = label.to_owned();
        file_name(&built.system, ".tar.zst")
    };
    assert_eq!(
        named("25.05.20250101.abcdef"),
        "nixos-image-lxc-proxmox-25.05.20250101.abcdef-x86_64-linux.tar.zst"
    );
    let name = named("NixOS Vicuna 24.11pre-git (Linux 6.12.107/x:y) ü");
    assert_eq!(
        name,
        "nixos-image-lxc-proxmox-NixOS_Vicuna_24.11pre-git_Linux_6.12.107_x_y-x86_64-linux.tar.zst"
    );
    // normalize_content_filename of pve-storage leaves exactly these alone.
    assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)));
}

#[test]
fn a_host_key_is_not_replaced_by_proxmox() {
    let built = container();
    let key = HostKey {
        name: "ssh_host_ed25519_key".to_owned(),
        public: "ssh-ed25519 AAAA host".to_owned(),
        private: None,
    };
    let input = Input { store: &built.store, system: &built.system, closure: &built.closure };
    let spec = LxcSpec { overlays: &[], rules: &[], epoch: EPOCH, host_key: Some(&key) };
    let listing = tree(&spec, input).unwrap().tree.listing();
    let at = EPOCH.seconds();
    let below: Vec<&str> = listing.lines().filter(|line| line.starts_with("/etc/ssh")).collect();
    assert_eq!(
        below,
        [
            &*format!("/etc/ssh d 0755 0:0 {at}"),
            &format!("/etc/ssh/.pve-ignore.ssh_host_ed25519_key f 0644 0:0 {at} 0"),
            &format!("/etc/ssh/.pve-ignore.ssh_host_ed25519_key.pub f 0644 0:0 {at} 0"),
            &format!("/etc/ssh/ssh_host_ed25519_key.pub f 0644 0:0 {at} 22"),
        ]
    );
    assert!(!self::listing(&built).contains("/etc/ssh"), "where it is, Proxmox makes host keys");
}
