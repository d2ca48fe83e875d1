//! What is refused, told and adopted, one change of a live system at a time.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::boot::sample::{Built, CHILD, Sample, TOP};
use crate::formats::iso::loaders::{BiosLoader, UefiLoader};
use crate::formats::iso::sample::{FSTAB, live, parameters, with_syslinux};
use crate::inputs::store_path::StorePath;

fn checked(built: &Built, wishes: Wishes) -> Result<Checked, Error> {
    let input = Input { store: &built.store, system: &built.system, closure: &built.closure };
    check(input, &wishes, &[])
}

/// What was found, in words: severity, about, wants; gives.
fn said(edit: impl FnOnce(&mut Sample)) -> Vec<String> {
    let mut sample = live();
    with_syslinux(&mut sample);
    edit(&mut sample);
    let findings = match checked(&sample.build(), Wishes::default()) {
        Ok(checked) => checked.findings,
        Err(Error::Refused(findings)) => findings,
        Err(error) => panic!("{error}"),
    };
    let line = |found: &Finding| {
        let whose = found.specialisation.as_deref().unwrap_or("all");
        let Finding { severity, about, wants, gives, .. } = found;
        format!("{severity:?} ({whose}) {about}: {wants}; {gives}")
    };
    findings.iter().map(line).collect()
}

/// The first thing that was refused.
fn refused(edit: impl FnOnce(&mut Sample)) -> String {
    let found = said(edit).into_iter().next().unwrap();
    found.strip_prefix("Refusal (all) ").unwrap_or(&found).to_owned()
}

fn fstab(sample: &mut Sample, from: &str, to: &str) {
    let text = FSTAB.replace(from, to);
    assert_ne!(text, FSTAB, "{from}");
    sample.child_fstab.clone_from(&text);
    sample.fstab = text;
}

#[test]
fn a_live_system_fits() {
    assert_eq!(said(|_| {}), [""; 0]);
    let mut sample = live();
    with_syslinux(&mut sample);
    let checked = checked(&sample.build(), Wishes::default()).unwrap();
    assert_eq!(checked.shape.volume.as_str(), "nixos-25.05-x86_64");
    assert_eq!(checked.shape.squashfs.to_string(), "/nix-store.squashfs");
    assert_eq!(checked.loaders.uefi.unwrap().loader(), UefiLoader::SystemdBoot);
    assert_eq!(checked.loaders.bios.unwrap().loader(), BiosLoader::Isolinux);
}

#[test]
fn a_systemd_stage_1_is_told_the_label() {
    let shape = |from: &str, to: &str| {
        let mut sample = live();
        fstab(&mut sample, from, to);
        parameters(&mut sample, &["console=ttyS0"]);
        sample.initrd.push(("etc/initrd-release", "ID=nixos\n"));
        checked(&sample.build(), Wishes::default()).unwrap().shape
    };
    let by_label = shape("/dev/root", "/dev/disk/by-label/my\\x20medium");
    assert_eq!(by_label.volume.as_str(), "my medium");
    let sysroot = shape(
        "/dev/root /iso auto x-initrd.mount 0 0\n/iso/nix-store",
        "LABEL=x /iso iso9660 x-initrd.mount 0 0\n/sysroot/iso/live/nix-store",
    );
    assert_eq!(sysroot.volume.as_str(), "x");
    assert_eq!(sysroot.squashfs.to_string(), "/live/nix-store.squashfs");
    let found = refused(|sample| sample.initrd.push(("etc/initrd-release", "ID=nixos\n")));
    assert!(found.starts_with("/iso: /dev/root on /iso; no such device"), "{found}");
}

#[test]
fn other_stores_that_are_on_the_medium() {
    let shape = |from: &str, to: &str| {
        let mut sample = live();
        fstab(&mut sample, from, to);
        checked(&sample.build(), Wishes::default()).unwrap().shape
    };
    let overlay = "overlay /nix/store overlay x-initrd.mount,lowerdir=/nix/.ro-store,\
                   upperdir=/nix/.rw-store/store,workdir=/nix/.rw-store/work";
    assert!(!shape(overlay, "/nix/.ro-store /nix/store none bind").is_overlay);
    let two = "overlay /nix/store overlay x-initrd.mount,lowerdir=/extra:/nix/.ro-store";
    assert!(shape(overlay, two).is_overlay);
    let direct = "/iso/s.squashfs /nix/store squashfs loop,ro";
    assert_eq!(shape(overlay, direct).squashfs.to_string(), "/s.squashfs");
}

#[test]
fn stores_that_are_elsewhere() {
    let cases = [
        ("overlay /nix/store", "overlay /other", "/nix/store: its store on no device (tmpfs)"),
        ("/nix/.ro-store squashfs", "/nix/.ro-store erofs", "(erofs) on /nix/.ro-store; a squash"),
        ("/iso/nix-store.squashfs", "/dev/sdb1", "/dev/sdb1 (squashfs) on /nix/.ro-store; a"),
        ("lowerdir=/nix/.ro-store", "lowerdir=/gone", "nothing mounted on /gone"),
        ("/iso/nix-store.squashfs", "/media/s.squashfs", "nothing mounts the medium above it"),
        ("/iso auto", "/iso ext4", "/dev/root (ext4) on /iso; an ISO 9660 volume"),
        ("/dev/root", "/dev/disk/by-uuid/2025-01-01-00-00-00-00", "found by its label"),
        ("/dev/root", "/dev/disk/by-label/a\\x2fb", "the volume id \"a/b\": expected"),
    ];
    for (from, to, expected) in cases {
        let found = refused(|sample| fstab(sample, from, to));
        assert!(found.contains(expected), "{from}: {found}");
    }
}

#[test]
fn the_root_word_of_the_command_line() {
    for (word, expected) in [
        ("console=ttyS0", "no root="),
        ("root=UUID=1234", "root=UUID=1234"),
        ("root=fstab", "root=fstab"),
        ("root=LABEL=a=b", "root=LABEL=a=b"),
        ("root=LABEL=", "the volume id \"\": expected"),
    ] {
        let found = refused(|sample| parameters(sample, &[word]));
        assert!(found.starts_with("/iso: ") && found.contains(expected), "{word}: {found}");
    }
    let mut sample = live();
    parameters(&mut sample, &["root=/dev/disk/by-label/a\\x20b", "root=LABEL=c"]);
    let checked = checked(&sample.build(), Wishes::default()).unwrap();
    assert_eq!(checked.shape.volume.as_str(), "a b");
}

#[test]
fn specialisations_share_the_medium() {
    let found = said(|sample| {
        sample.child_fstab = FSTAB
            .replace("/dev/root", "/dev/disk/by-label/other")
            .replace("/iso/nix-store", "/iso/live/nix-store");
    });
    let expected = [
        "Refusal (debug) volume: a volume called \"other\"; \"nixos-25.05-x86_64\", for which",
        "Refusal (debug) store: its store in /live/nix-store.squashfs; /nix-store.squashfs, where",
    ];
    assert_eq!(found.len(), 2, "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn modules_that_are_missing() {
    let found = said(|sample| {
        sample.initrd.retain(|(name, _)| !name.contains("isofs") && !name.contains("overlay"));
        sample.initrd.retain(|(name, _)| !name.contains("sr_mod") && !name.contains("virtio"));
    });
    let starts = [
        "Refusal (all) modules: iso9660 in stage 1",
        "Refusal (all) modules: overlay in stage 1",
        "Warning (all) modules: modules in stage 1, but none for a CD drive",
        "Warning (all) modules: modules in stage 1, but none for a virtio disk",
    ];
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    for (found, start) in found.iter().zip(starts) {
        assert!(found.starts_with(start), "{found}");
    }
}

#[test]
fn volumes_beside_the_medium() {
    let with = |line: &str| said(|sample| sample.fstab.push_str(line));
    let found = with("/dev/disk/by-label/data /data ext4 defaults 0 2\n/dev/sda2 none swap sw\n");
    assert!(
        found[0].starts_with("Warning (all) /data: label \"data\" (ext4) on /data"),
        "{found:?}"
    );
    assert!(found[1].starts_with("Warning (all) swap: "), "{found:?}");
    assert_eq!(with("/dev/disk/by-label/data /data ext4 nofail 0 2\n"), [""; 0]);
    let found = with("/dev/disk/by-label/nixos / ext4 defaults 0 1\n");
    assert!(found[0].starts_with("Refusal (all) /: label \"nixos\""), "{found:?}");
}

#[test]
fn boot_loaders() {
    let found = said(|sample| sample.files.clear());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("Warning (all) BIOS boot loader: no boot loader"), "{found:?}");
    let wishes = Wishes { uefi: Some(UefiLoader::Grub), bios: Some(BiosLoader::Grub) };
    let Err(Error::Refused(found)) = checked(&live().build(), wishes) else { panic!() };
    let about: Vec<&str> = found.iter().map(|found| found.about.as_str()).collect();
    assert_eq!(about, ["UEFI boot loader", "BIOS boot loader", "UEFI boot loader"]);
}

#[test]
fn other_systems_that_ride_along_are_for_other_machines() {
    let mut sample = live();
    with_syslinux(&mut sample);
    let other = "nb8v67zjqf63r0cn5x9a0qaz2jfn25v5-nixos-system-board-25.05";
    sample.files.push((format!("{other}/system"), "aarch64-linux\n".to_owned()));
    let built = sample.build();
    let input = Input { store: &built.store, system: &built.system, closure: &built.closure };
    let carried = [TOP, CHILD, other].map(|name| StorePath::from_base_name(name).unwrap());
    let found = check(input, &Wishes::default(), &carried).unwrap().findings;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].about, "nixos-system-board-25.05");
}

#[test]
fn nix_that_would_know_nothing() {
    let nix = |sample: &mut Sample| {
        sample.files.push((format!("{TOP}/sw/bin/nix-store"), "elf".to_owned()));
    };
    let found = said(nix);
    assert!(found[0].starts_with("Warning (all) Nix: Nix, but nothing"), "{found:?}");
    let unit = format!("{TOP}/etc/systemd/system/register-nix-paths.service");
    let found = said(|sample| {
        nix(sample);
        sample.files.push((unit, "[Unit]\n".to_owned()));
    });
    assert_eq!(found, [""; 0]);
}
