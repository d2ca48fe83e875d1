//! Systems: real toplevels' files, laid out in a chroot store.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::inputs::device_spec::DeviceSpec;
use crate::inputs::installer::BootLoader;

macro_rules! real {
    ($folder:literal, $file:literal) => {
        ($file, include_str!(concat!("../../testdata/real/", $folder, "/", $file)))
    };
}

const TOP: &str = "22qfp468zx6lkb1b8lll57c5fia9ccgs-nixos-system-oracle-24.11pre-git";
const ETC: &str = "nifl7r0xlx5y3d7msbwncx3fpkxi9386-etc";

/// A chroot store with one toplevel made of files read off a real one.
fn toplevel(files: &[(&str, &str)]) -> (tempfile::TempDir, HostStore) {
    let root = tempfile::tempdir().unwrap();
    let store = root.path().join("nix/store");
    fs::create_dir_all(store.join(TOP).join("specialisation")).unwrap();
    fs::create_dir_all(store.join(ETC).join("etc")).unwrap();
    symlink(format!("/nix/store/{ETC}/etc"), store.join(TOP).join("etc")).unwrap();
    for (name, text) in files {
        let folder = if *name == "fstab" { format!("{ETC}/etc") } else { TOP.to_owned() };
        fs::write(store.join(folder).join(name), text).unwrap();
    }
    let host = HostStore::at(root.path());
    (root, host)
}

#[test]
fn a_real_system() {
    let (root, store) = toplevel(&[
        real!("minimal-uefi", "boot.json"),
        real!("minimal-uefi", "fstab"),
        real!("minimal-uefi", "kernel-params"),
        real!("minimal-uefi", "nixos-version"),
        real!("minimal-uefi", "system"),
        ("init", "#!/bin/sh\n"),
    ]);
    let top = root.path().join("nix/store").join(TOP);
    fs::set_permissions(top.join("init"), fs::Permissions::from_mode(0o555)).unwrap();
    fs::create_dir_all(top.join("kernel-modules/lib/modules/6.1")).unwrap();
    fs::write(
        top.join("kernel-modules/lib/modules/6.1/modules.builtin"),
        "kernel/fs/ext4/ext4.ko\n",
    )
    .unwrap();
    symlink(format!("/nix/store/{TOP}"), root.path().join("result")).unwrap();
    let system = System::read(&store, &root.path().join("result")).unwrap();
    assert_eq!(system.main.toplevel.base_name(), TOP);
    assert_eq!(
        (system.main.label.as_str(), system.main.platform.as_str()),
        ("24.11pre-git", "x86_64-linux")
    );
    assert_eq!(system.main.kernel_params, ["console=ttyS0", "loglevel=4"]);
    let spec = system.main.bootspec.as_ref().unwrap();
    assert_eq!(spec.kernel_params, system.main.kernel_params);
    let root_mount = system.main.fstab.at("/").unwrap();
    assert_eq!(root_mount.device, DeviceSpec::Label("nixos".to_owned()));
    assert!(system.main.has_init && !system.main.etc_overlay && !system.main.blesses_boots);
    assert!(system.main.builtin_modules.contains("ext4"));
    assert!(system.main.installer.is_none());
    assert_eq!(system.all().count(), 1);
}

#[test]
fn a_container_has_no_bootspec() {
    let (_root, store) = toplevel(&[
        real!("proxmox-lxc", "fstab"),
        real!("proxmox-lxc", "nixos-version"),
        real!("proxmox-lxc", "system"),
    ]);
    let system = System::of(&store, &StorePath::from_base_name(TOP).unwrap()).unwrap();
    assert!(system.main.bootspec.is_none() && !system.main.has_init);
}

#[test]
fn a_program_that_appends_nothing_is_none() {
    let read = |script: &str| {
        let program = format!("/nix/store/{ETC}/etc/append");
        let mut document: serde_json::Value =
            serde_json::from_str(include_str!("../../testdata/real/minimal-uefi/boot.json"))
                .unwrap();
        document["org.nixos.bootspec.v1"]["initrdSecrets"] = program.as_str().into();
        let document = document.to_string();
        let (root, store) = toplevel(&[
            ("boot.json", &document),
            real!("minimal-uefi", "nixos-version"),
            real!("minimal-uefi", "system"),
        ]);
        fs::write(root.path().join("nix/store").join(ETC).join("etc/append"), script).unwrap();
        let system = System::of(&store, &StorePath::from_base_name(TOP).unwrap()).unwrap();
        system.main.bootspec.unwrap().initrd_secrets
    };
    let usage = "#!/bin/bash -e\nif [ \"$1\"x = \"--helpx\" ]; then\n  usage\n  exit 0\nfi\n";
    let append = "tmp=$(mktemp -d)\ncp -a /key \"$tmp/.initrd-secrets/key\"\n";
    assert_eq!(read(&format!("{usage}\nexit 0\n\n{append}")), None);
    assert!(read(&format!("{usage}\n\n\n{append}")).is_some());
}

#[test]
fn boots_are_blessed_by_units_that_are_enabled() {
    let blesses = |boot_complete: &str, service: &str| {
        let (root, store) = toplevel(&[
            real!("minimal-uefi", "boot.json"),
            real!("minimal-uefi", "nixos-version"),
            real!("minimal-uefi", "system"),
        ]);
        let paths = root.path().join("nix/store");
        let units = paths.join(ETC).join("etc/systemd/system");
        let package = format!("/nix/store/{TOP}/systemd/example/systemd/system/x");
        let program = paths.join(TOP).join("systemd/lib/systemd");
        let example = paths.join(TOP).join("systemd/example/systemd/system");
        for directory in [&units, &program, &example] {
            fs::create_dir_all(directory).unwrap();
        }
        fs::write(program.join("systemd-bless-boot"), "").unwrap();
        fs::write(example.join("x"), "[Unit]\n").unwrap();
        fs::write(example.join("boot-complete.target"), "[Unit]\n").unwrap();
        for (name, target) in
            [("boot-complete.target", boot_complete), ("systemd-bless-boot.service", service)]
        {
            let target = if target == "enabled" { package.as_str() } else { target };
            if !target.is_empty() {
                symlink(target, units.join(name)).unwrap();
            }
        }
        let system = System::of(&store, &StorePath::from_base_name(TOP).unwrap()).unwrap();
        system.main.blesses_boots
    };
    assert!(blesses("enabled", "enabled"));
    assert!(!blesses("", "enabled"), "a unit in the package alone is not found");
    assert!(!blesses("enabled", ""));
    assert!(!blesses("/dev/null", "enabled"), "masked");
}

#[test]
fn what_is_no_system_is_refused() {
    let (_root, store) = toplevel(&[real!("proxmox-lxc", "system")]);
    let found = System::of(&store, &StorePath::from_base_name(TOP).unwrap()).unwrap_err();
    let expected = "is no NixOS system: expected a file \"nixos-version\" in it";
    assert_eq!(found.to_string(), format!("/nix/store/{TOP} {expected}"));
    let (_root, store) = toplevel(&[
        real!("testvm", "boot.json"),
        real!("testvm", "nixos-version"),
        real!("testvm", "system"),
    ]);
    let found = System::of(&store, &StorePath::from_base_name(TOP).unwrap()).unwrap_err();
    assert!(matches!(found, Error::OtherToplevel { .. }), "{found}");
}

/// The sample system, where `cargo xtask fixture` has built it.
#[test]
fn the_sample_system() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/fixture/mini/system");
    let store = HostStore::host();
    let Ok(path) = store.find(&sample) else {
        eprintln!("SKIPPED: the sample system is not built (cargo xtask fixture mini)");
        return;
    };
    let system = System::of(&store, &path).unwrap();
    assert_eq!(system.main.installer.as_ref().unwrap().boot_loader, BootLoader::SystemdBoot);
    assert_eq!(system.specialisations.len(), 1);
    let initrd = system.main.bootspec.as_ref().unwrap().initrd.clone().unwrap();
    let stage1 = crate::inputs::stage1::Stage1::read(&store, &initrd).unwrap();
    assert!(stage1.modules.contains("virtio_blk"), "{:?}", stage1.modules);
    assert!(system.main.has_init);
}
