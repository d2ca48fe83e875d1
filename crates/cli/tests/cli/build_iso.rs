//! `calve build iso`: what is told, what is refused, and that the image is what it says.

use std::fs;

use crate::fake::{Fake, SYSTEMD, TOPLEVEL, with_system};
use crate::run::{calve, output};

fn live() -> Fake {
    let fake = Fake::new();
    fake.live();
    fake
}

/// What a run says, but for the store paths, whose made-up hashes are not theirs.
fn iso(fake: &Fake, rest: &[&str]) -> String {
    let said = calve(fake.dir(), &with_system(&["build", "iso"], rest));
    let (start, end) = ("warning: these store paths are not", "written ");
    match (said.find(start), said.find(end)) {
        (Some(from), Some(to)) => said[..from].to_owned() + &said[to..],
        _ => said,
    }
}

#[test]
fn what_it_would_be() {
    let fake = live();
    let said = iso(&fake, &["--dry-run", "--copy-to-ram"]);
    assert!(said.starts_with("exit code: 0\n"), "{said}");
    for line in [
        "   NixOS 26.05.20260501.abcdef\n",
        " * NixOS 26.05.20260501.abcdef: Copy ISO Files to RAM\n",
        "   NixOS 26.05.20260501.abcdef: Serial console=ttyS0,115200n8\n",
        " in /nix-store.squashfs, zstd 9; how large that makes it is known after packing\n",
        "medium    \"fake-live\", started in UEFI by systemd-boot\n",
        "    the system wants  no boot loader for BIOS: neither syslinux nor GRUB\n",
    ] {
        assert!(said.contains(line), "{line}{said}");
    }
    assert!(!fake.dir().join("nixos-26.05.20260501.abcdef-x86_64-linux.iso").exists());
}

#[test]
fn an_image() {
    let fake = live();
    let said = iso(&fake, &["--digest"]);
    let name = "nixos-26.05.20260501.abcdef-x86_64-linux.iso";
    assert!(said.contains(&format!("--- stdout\n{name}\n")), "{said}");
    let image = fs::read(fake.dir().join(name)).unwrap();
    assert_eq!(&image[0x8001..0x8006], b"CD001");
    assert_eq!(&image[0x8028..0x8048], format!("{:<32}", "fake-live").as_bytes());
    assert_eq!(&image[0x200..0x208], b"EFI PART");
    let streamed = output(fake.dir(), &with_system(&["build", "iso"], &["-o", "-"]));
    assert!(streamed.stdout == image, "the same down a pipe");
    let again = iso(&fake, &[]);
    assert!(again.starts_with("exit code: 2\n") && again.contains("--force"), "{again}");
}

#[test]
fn a_report() {
    let fake = live();
    let carried = format!("/nix/store/{SYSTEMD}");
    let rest = ["--json", "-q", "--compress", "lz4", "-o", "a.iso", "--carry", &carried];
    let json = output(fake.dir(), &with_system(&["build", "iso"], &rest)).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let size = fs::metadata(fake.dir().join("a.iso")).unwrap().len();
    assert_eq!(json["image"]["size"], size);
    assert_eq!(json["carried"], serde_json::json!([carried]));
    assert_eq!(json["medium"]["volumeId"], "fake-live");
    assert_eq!(json["medium"]["uefi"], "systemd-boot");
    assert_eq!(json["medium"]["bios"], serde_json::Value::Null);
    assert_eq!(json["squashfs"]["compression"], "lz4");
    assert_eq!(json["squashfs"]["path"], "/nix-store.squashfs");
}

#[test]
fn a_system_for_a_disk_is_refused() {
    let said = iso(&Fake::new(), &[]);
    assert!(said.starts_with("exit code: 3\n"), "{said}");
    assert!(said.contains("error: this system would not start from an ISO\n"), "{said}");
    let wants = "its store on label \"nixos\" (ext4) on /\n";
    assert!(said.contains(wants), "{said}");
    let said = calve(Fake::new().dir(), &with_system(&["check"], &["--for", "iso"]));
    assert!(said.starts_with("exit code: 3\n"), "{said}");
}

#[test]
fn the_checks_alone() {
    let fake = live();
    let said = calve(fake.dir(), &with_system(&["check"], &["--for", "iso"]));
    assert!(said.contains("-fake-26.05 would start from an ISO\n"), "{said}");
    let said = calve(fake.dir(), &with_system(&["show"], &[]));
    let line = "as an ISO: volume \"fake-live\", store in /nix-store.squashfs, started in UEFI by \
                systemd-boot\n";
    assert!(said.contains(line), "{said}");
}

#[test]
fn words_that_are_none() {
    let fake = live();
    for (rest, expected) in [
        (["--compress", "bzip2"], "expected zstd, xz, lz4, gzip or none, found"),
        (["--uefi-loader", "lilo"], "expected systemd-boot or grub, found"),
        (["--bios-loader", "lilo"], "expected isolinux or grub, found"),
        (["--dry-run", "--pieces"], "--pieces lists an image as it is"),
    ] {
        let said = iso(&fake, &rest);
        assert!(said.starts_with("exit code: 2\n") && said.contains(expected), "{said}");
    }
    let said = iso(&fake, &["--bios-loader", "grub"]);
    assert!(said.starts_with("exit code: 3\n"), "{said}");
    assert!(said.contains("it brings no grub for BIOS"), "{said}");
    assert!(!fake.dir().join(TOPLEVEL).exists());
}
