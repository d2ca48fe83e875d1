//! One menu in three languages; the sample has a specialisation that shares kernel and initrd.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::boot::sample::{CHILD, INITRD, KERNEL, Sample, TOP};
use crate::boot::systemd_boot::{Content, Machine};

fn menu(copy_to_ram: bool) -> Menu {
    let built = Sample::new().build();
    let wanted = Wanted { distro: "NixOS", copy_to_ram };
    Menu::of(&built.store, &built.system, &wanted).unwrap()
}

#[test]
fn the_entries() {
    let found = menu(false);
    let lines: Vec<String> = found
        .entries
        .iter()
        .map(|entry| format!("{}: {}: {}", entry.name, entry.title, entry.command_line()))
        .collect();
    let own = format!("init=/nix/store/{TOP}/init console=ttyS0 loglevel=4");
    let child = format!("init=/nix/store/{CHILD}/init console=ttyS0 loglevel=4");
    assert_eq!(
        lines,
        [
            format!("nixos: NixOS 25.05.sample: {own}"),
            format!("nixos-specialisation-debug: NixOS 25.05.sample (debug): {child}"),
            format!("nixos-copytoram: NixOS 25.05.sample: Copy ISO Files to RAM: {own} copytoram"),
            format!(
                "nixos-serial: NixOS 25.05.sample: Serial console=ttyS0,115200n8: {own} \
                 console=ttyS0,115200n8"
            ),
        ]
    );
    assert_eq!(found.default_entry().unwrap().name, "nixos");
    assert_eq!(menu(true).default_entry().unwrap().name, "nixos-copytoram");
    let files: Vec<String> = found.files().iter().map(|file| place(file)).collect();
    let expected =
        [format!("/boot/nix/store/{INITRD}/initrd"), format!("/boot/nix/store/{KERNEL}/bzImage")];
    assert_eq!(files, expected, "what entries share is there once");
}

#[test]
fn systemd_boot_has_kernels_beside_its_entries() {
    let program = format!("/nix/store/{KERNEL}/boot.efi").parse().unwrap();
    let files = systemd_boot::files(&menu(true), Machine::Aarch64, program).0;
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "EFI/BOOT/BOOTAA64.EFI",
            &format!("EFI/nixos/{INITRD}-initrd.efi"),
            &format!("EFI/nixos/{KERNEL}-bzImage.efi"),
            "loader/entries.srel",
            "loader/entries/nixos-copytoram.conf",
            "loader/entries/nixos-serial.conf",
            "loader/entries/nixos-specialisation-debug.conf",
            "loader/entries/nixos.conf",
            "loader/loader.conf",
        ]
    );
    let text = |name: &str| match &files[name] {
        Content::Text(text) => text.clone(),
        Content::Store(file) | Content::Initrd { file, .. } => file.to_string(),
    };
    assert_eq!(
        text("loader/entries/nixos-copytoram.conf"),
        format!(
            "title NixOS 25.05.sample: Copy ISO Files to RAM\nsort-key nixos-002\n\
             linux /EFI/nixos/{KERNEL}-bzImage.efi\ninitrd /EFI/nixos/{INITRD}-initrd.efi\n\
             options init=/nix/store/{TOP}/init console=ttyS0 loglevel=4 copytoram\n"
        )
    );
    let conf = "timeout 10\ndefault nixos-copytoram.conf\nconsole-mode keep\n";
    assert_eq!(text("loader/loader.conf"), conf);
}

#[test]
fn grub_and_isolinux_read_kernels_from_the_medium() {
    let (kernel, initrd) = (format!("/boot/nix/store/{KERNEL}/bzImage"), place_of_initrd());
    let own = format!("init=/nix/store/{TOP}/init console=ttyS0 loglevel=4");
    let grub = grub::text(&menu(true));
    assert!(grub.starts_with("set default=2\nset timeout=10\n"), "{grub}");
    let entry = format!(
        "menuentry 'NixOS 25.05.sample' --id nixos {{\n  linux {kernel} {own}\n  initrd {initrd}\n}}\n"
    );
    assert!(grub.contains(&entry), "{grub}");
    assert!(grub.contains("--id firmware {\n    fwsetup\n"), "{grub}");
    let isolinux = isolinux::text(&menu(true));
    assert!(isolinux.contains("TIMEOUT 100\nUI menu.c32\n"), "{isolinux}");
    let entry = format!(
        "\nLABEL nixos-copytoram\nMENU LABEL NixOS 25.05.sample: Copy ISO Files to RAM\n\
         MENU DEFAULT\nLINUX {kernel}\nINITRD {initrd}\nAPPEND {own} copytoram\n"
    );
    assert!(isolinux.contains(&entry), "{isolinux}");
    assert_eq!(isolinux.matches("MENU DEFAULT").count(), 1);
}

fn place_of_initrd() -> String {
    format!("/boot/nix/store/{INITRD}/initrd")
}

#[test]
fn texts_that_no_menu_can_hold() {
    let of = |edit: &dyn Fn(&mut System)| {
        let mut built = Sample::new().build();
        edit(&mut built.system);
        let wanted = Wanted { distro: "NixOS", copy_to_ram: false };
        Menu::of(&built.store, &built.system, &wanted).unwrap_err().to_string()
    };
    let label = of(&|system| "a\nb".clone_into(&mut system.main.label));
    assert!(label.contains("the system's name has a control character"), "{label}");
    let parameter = of(&|system| {
        let spec = system.main.bootspec.as_mut().unwrap();
        spec.kernel_params.push("a\tb".to_owned());
    });
    assert!(parameter.contains("a kernel parameter"), "{parameter}");
    for name in ["a b", "a/b", "a:b"] {
        let named = of(&|system| {
            let child = system.specialisations["debug"].clone();
            system.specialisations.insert(name.to_owned(), child);
        });
        assert!(named.contains("cannot be named in a boot menu"), "{named}");
    }
}
