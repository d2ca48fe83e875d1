//! The ESP's files: names and texts, and what is refused.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::fs;

use serde_json::json;

use super::*;
use crate::boot::esp;
use crate::boot::sample::{CHILD, INITRD, KERNEL, Sample, TOP};
use crate::tree::Kind;

const EPOCH: Epoch = Epoch::new(1_735_689_599);

fn planned(sample: Sample, options: &Options) -> Result<Files, Error> {
    let built = sample.build();
    plan(&built.store, &built.system, Wishes { options, secrets: &[], epoch: EPOCH })
}

fn text<'a>(files: &'a Files, path: &str) -> &'a str {
    match files.0.get(path) {
        Some(Content::Text(text)) => text,
        other => panic!("{path}: {other:?} in {:?}", files.0.keys()),
    }
}

#[test]
fn as_nixos_builder_leaves_it() {
    let files = planned(Sample::new(), &Options::default()).unwrap();
    let names: Vec<&str> = files.0.keys().map(String::as_str).collect();
    let kernel = format!("EFI/nixos/{KERNEL}-bzImage.efi");
    let initrd = format!("EFI/nixos/{INITRD}-initrd.efi");
    let expected = [
        "EFI/BOOT/BOOTX64.EFI",
        &initrd,
        &kernel,
        "EFI/systemd/systemd-bootx64.efi",
        "loader/entries.srel",
        "loader/entries/nixos-generation-1-specialisation-debug.conf",
        "loader/entries/nixos-generation-1.conf",
        "loader/loader.conf",
    ];
    assert_eq!(names, expected, "one kernel for both");
    assert_eq!(
        text(&files, "loader/entries/nixos-generation-1.conf"),
        format!(
            "title NixOS\nsort-key nixos\n\
             version Generation 1 NixOS Sample 25.05 (Linux 6.12), built on 2024-12-31\n\
             linux /{kernel}\ninitrd /{initrd}\n\
             options init=/nix/store/{TOP}/init console=ttyS0 loglevel=4\n"
        )
    );
    let child = text(&files, "loader/entries/nixos-generation-1-specialisation-debug.conf");
    assert!(child.starts_with("title NixOS (debug)\n"));
    assert!(child.contains(&format!("options init=/nix/store/{CHILD}/init console")));
    assert_eq!(text(&files, "loader/entries.srel"), "type1\n");
    assert_eq!(
        text(&files, "loader/loader.conf"),
        "timeout 5\ndefault nixos-generation-1.conf\nconsole-mode keep\n"
    );
}

#[test]
fn options_and_the_closures_own_settings() {
    let mut sample = Sample::new();
    sample.builder.push_str(
        "EDITOR = \"\" == \"1\"\nDISTRO_NAME = \"AcmeOS\"\nREBOOT_FOR_BITLOCKER = bool(\"1\")\nCONSOLE_MODE = \"max\"\nBOOT_COUNTING_TRIES = \"2\"\n\
         BOOT_COUNTING = \"True\" == \"True\"\n",
    );
    sample.builder = sample.builder.replace("TIMEOUT = \"5\"", "TIMEOUT = \"menu-force\"");
    let files = planned(sample, &Options::default()).unwrap();
    assert_eq!(
        text(&files, "loader/loader.conf"),
        "timeout menu-force\ndefault nixos-generation-1[+.]*\neditor 0\n\
         reboot-for-bitlocker yes\nconsole-mode max\n"
    );
    let entry = text(&files, "loader/entries/nixos-generation-1+2.conf");
    assert!(entry.starts_with("title AcmeOS\n"), "{entry}");
    assert!(files.0.contains_key("loader/entries/nixos-generation-1+2.conf"));
    let options = Options {
        timeout: Some(Timeout::Seconds(0)),
        editor: Some(true),
        console_mode: Some(ConsoleMode::Number(2)),
        tries: Some(3),
    };
    let files = planned(Sample::new(), &options).unwrap();
    assert_eq!(
        text(&files, "loader/loader.conf"),
        "timeout 0\ndefault nixos-generation-1[+.]*\nconsole-mode 2\n"
    );
    assert!(files.0.contains_key("loader/entries/nixos-generation-1-specialisation-debug+3.conf"));
}

#[test]
fn devicetrees_and_missing_initrds() {
    let mut sample = Sample::new();
    sample.spec()["initrd"] = json!(null);
    sample.boot_json["org.nixos.systemd-boot"]["devicetree"] =
        json!(format!("/nix/store/{KERNEL}/bzImage"));
    let files = planned(sample, &Options::default()).unwrap();
    let entry = text(&files, "loader/entries/nixos-generation-1.conf");
    assert!(!entry.contains("initrd"));
    assert!(entry.ends_with(&format!("\ndevicetree /EFI/nixos/{KERNEL}-bzImage.efi\n")));
}

#[test]
fn what_cannot_start_is_refused() {
    let options = Options::default();
    let mut sample = Sample::new();
    sample.spec()["initrdSecrets"] = json!(format!("/nix/store/{KERNEL}/x"));
    assert!(matches!(planned(sample, &options), Err(Error::Appender(_))));
    let mut sample = Sample::new();
    sample.appends(&[("/etc/ssh/key", "/etc/secrets/key")]);
    let error = planned(sample, &options).unwrap_err().to_string();
    assert!(error.ends_with("expects the secret /etc/ssh/key in its initrd, which was not given"));
    let mut sample = Sample::new();
    sample.boot_json["org.nixos.extra-initrd.v1"] = json!({ "paths": ["/a"] });
    assert!(matches!(planned(sample, &options), Err(Error::ExtraInitrds { .. })));
    let mut sample = Sample::new();
    sample.spec()["kernelParams"] = json!(["quiet\nlinux /evil"]);
    assert!(matches!(planned(sample, &options), Err(Error::Control { .. })));
    let mut sample = Sample::new();
    let child = sample.boot_json["org.nixos.specialisation.v1"]["debug"].clone();
    sample.boot_json["org.nixos.specialisation.v1"] = json!({ "a/b": child });
    assert!(matches!(planned(sample, &options), Err(Error::Name { .. })));
    let mut sample = Sample::new();
    sample.builder = sample
        .builder
        .replace("EFI_SYS_MOUNT_POINT = Path(\"/boot", "EFI_SYS_MOUNT_POINT = Path(\"/efi");
    assert!(matches!(planned(sample, &options), Err(Error::Xbootldr { .. })));
    let mut sample = Sample::new();
    sample.bless = false;
    let counted = Options { tries: Some(3), ..options };
    assert!(matches!(planned(sample, &counted), Err(Error::NoBlessing { .. })));
}

#[test]
fn entries_of_a_tree() {
    let built = Sample::new().build();
    let wishes = Wishes { options: &Options::default(), secrets: &[], epoch: EPOCH };
    let files = plan(&built.store, &built.system, wishes).unwrap();
    let entries = esp::entries(&built.store, &files, EPOCH).unwrap();
    assert_eq!(entries.len(), files.0.len());
    let size = |name: &str| {
        let (_, entry) =
            entries.iter().find(|(path, _)| path.relative() == name.as_bytes()).unwrap();
        let Kind::File(source) = &entry.kind else { panic!("{name}") };
        source.size().get()
    };
    let kernel = fs::metadata(built.path(&format!("{KERNEL}/bzImage"))).unwrap().len();
    assert_eq!(size(&format!("EFI/nixos/{KERNEL}-bzImage.efi")), kernel);
    assert_eq!(size("EFI/BOOT/BOOTX64.EFI"), 3);
    assert_eq!(size("loader/entries.srel"), 6);
    assert_eq!(esp::room(&entries).auto.get(), 512 << 20);
}

#[test]
fn days() {
    for (seconds, day) in [
        (0, "1970-01-01"),
        (951_782_400, "2000-02-29"),
        (951_868_800, "2000-03-01"),
        (1_735_689_599, "2024-12-31"),
        (1_735_689_600, "2025-01-01"),
        (u32::MAX, "2106-02-07"),
    ] {
        assert_eq!(entry::date(Epoch::new(seconds)), day);
    }
}
