//! Real NixOS systems held against the smallest disk: what is said of each is pinned.
//!
//! Their texts and lists of names are real (`testdata/real`); what the data does not hold is made in the
//! shape that nixpkgs gives it: the installer's wrapper, the builder's constants, empty modules.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::tests::offer;
use super::*;
use crate::boot::sample::appender;
use crate::inputs::closure::PathInfo;
use crate::inputs::initrd::tests::archive;
use crate::inputs::store_path::StorePath;

const TOOL: &str = "6s63c41cv1ir5901qbz93yams8kf6y42";
const BUILDER: &str = "35iqiqby77i6gwlijhp81xl7zs3blahn-systemd-boot";

/// A folder of real data, laid out as a chroot store.
struct Real {
    folder: PathBuf,
    root: tempfile::TempDir,
}

impl Real {
    fn text(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.folder.join(file)).ok()
    }

    fn put(&self, path: &str, content: impl AsRef<[u8]>) {
        let file = self.root.path().join("nix/store").join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o555)).unwrap();
    }

    /// The toplevel's own files, as far as anybody reads them.
    fn toplevel(&self, top: &str, installer: &str) {
        for file in ["boot.json", "kernel-params", "nixos-version", "system"] {
            if let Some(text) = self.text(file) {
                self.put(&format!("{top}/{file}"), text);
            }
        }
        self.put(&format!("{top}/etc/fstab"), self.text("fstab").unwrap());
        self.put(&format!("{top}/init"), "#!/bin/sh\n");
        let switch = format!("#! /bin/bash -e\nexport INSTALL_BOOTLOADER='{installer}'\nexec x\n");
        self.put(&format!("{top}/bin/switch-to-configuration"), switch);
        // Debian's kernel, which these systems have, has its virtio bus built in.
        let modules = format!("{top}/kernel-modules/lib/modules/6.12.107");
        self.put(&format!("{modules}/modules.builtin"), "kernel/drivers/virtio/virtio_pci.ko\n");
        let call = format!("#!/bin/sh\n/nix/store/{BUILDER}/bin/systemd-boot \"$@\"\n\n");
        self.put(&format!("{TOOL}-install-systemd-boot.sh"), call);
        let constants = "#! python3 -B\nimport os\nEFI_SYS_MOUNT_POINT = Path(\"/boot\")\n\
                         BOOT_MOUNT_POINT = Path(\"/boot\")\nTIMEOUT = \"5\"\n";
        self.put(&format!("{BUILDER}/bin/systemd-boot"), constants);
    }

    /// The initrd, with the real names and links.
    fn initrd(&self, path: &str) {
        let list = self.text("initrd.list");
        let minimal = self.folder.with_file_name("minimal-uefi").join("initrd.list");
        let list = list.unwrap_or_else(|| fs::read_to_string(minimal).unwrap());
        let fsinfo = self.text("initrd-fsinfo").unwrap_or_default();
        let opened = "echo -n \"$p\" | cryptsetup luksOpen /dev/disk/by-partlabel/cryptroot \
                      cryptroot --allow-discards --key-file=-\n";
        let script = if list.contains("cryptsetup") { opened } else { "" };
        let records: Vec<(&str, u32, &[u8])> = list
            .lines()
            .map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                let name = words[8];
                match (line.as_bytes()[0], words.get(10)) {
                    (b'l', Some(target)) => (name, 0o120_777, target.as_bytes()),
                    (b'd', None) => (name, 0o040_555, &b""[..]),
                    (b'-', None) if name.ends_with("-stage-1-init.sh") => {
                        (name, 0o100_555, script.as_bytes())
                    }
                    (b'-', None) if name.ends_with("-initrd-fsinfo") => {
                        (name, 0o100_444, fsinfo.as_bytes())
                    }
                    (b'-', None) => (name, 0o100_444, &b""[..]),
                    _ => panic!("{line}"),
                }
            })
            .collect();
        self.put(path, archive(&records));
    }
}

/// What pre-flight says of a real system: severity, subject and what the layout gives.
fn said(folder: &str, installer: &str) -> (Vec<String>, BTreeMap<usize, Adopted>) {
    said_of(&offer(), folder, installer)
}

/// The same of another layout.
fn said_of(
    offer: &Offer,
    folder: &str,
    installer: &str,
) -> (Vec<String>, BTreeMap<usize, Adopted>) {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/real");
    let real = Real { folder: data.join(folder), root: tempfile::tempdir().unwrap() };
    let document = real.text("boot.json").map(|text| {
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        document["org.nixos.bootspec.v1"].clone()
    });
    let named = |key: &str| -> Option<String> {
        let path = document.as_ref()?.get(key)?.as_str()?;
        Some(path.strip_prefix("/nix/store/").unwrap().to_owned())
    };
    let top = named("toplevel").unwrap_or_else(|| format!("{TOOL}-nixos-system-lxc"));
    real.toplevel(&top, installer);
    if let (Some(kernel), Some(initrd)) = (named("kernel"), named("initrd")) {
        real.put(&kernel, "kernel");
        real.initrd(&initrd);
    }
    if let Some(program) = named("initrdSecrets") {
        real.put(&program, appender(&[("/etc/ssh/nitrd_host_key", "/root/initrd_host_key")]));
    }
    let systemd = real.root.path().join("nix/store").join(&top).join("systemd");
    symlink(format!("/nix/store/{BUILDER}"), systemd).unwrap();
    let store = HostStore::at(real.root.path());
    let top = StorePath::from_base_name(&top).unwrap();
    let system = System::of(&store, &top).unwrap();
    let mut paths = vec![top.clone()];
    let parts = ["kernel", "initrd"].into_iter().filter_map(named);
    paths.extend(
        parts.map(|file| StorePath::from_base_name(file.split('/').next().unwrap()).unwrap()),
    );
    let info = |path: &StorePath| {
        let references = if *path == top { paths.clone() } else { Vec::new() };
        PathInfo::sample(path.clone(), references)
    };
    let closure = Closure::of(paths.iter().map(info), std::slice::from_ref(&top)).unwrap();
    let report = check(&store, &system, &closure, offer).unwrap();
    let line =
        |finding: &Finding| format!("{:?} {}: {}", finding.severity, finding.about, finding.gives);
    (report.findings.iter().map(line).collect(), report.adopted)
}

fn systemd_boot() -> String {
    format!("/nix/store/{TOOL}-install-systemd-boot.sh")
}

#[test]
fn systems_that_fit() {
    for folder in ["minimal-uefi", "testvm"] {
        let (findings, adopted) = said(folder, &systemd_boot());
        assert!(findings.is_empty(), "{folder}: {findings:#?}");
        assert_eq!(adopted[&0].label.as_deref(), Some("ESP"));
        assert_eq!(adopted[&1].label.as_deref(), Some("nixos"));
    }
}

#[test]
fn an_encrypted_root() {
    let (findings, _) = said("luks-initrd-ssh", &systemd_boot());
    let expected = [
        "Refusal initrd secrets: no such secret",
        "Refusal /dev/mapper/cryptroot: no encrypted volume of that name",
        "Refusal /: the plain volume \"root\"",
    ];
    assert_eq!(findings, expected);
    let (findings, adopted) =
        said_of(&encrypted_tests::encrypted(), "luks-initrd-ssh", &systemd_boot());
    assert_eq!(findings, expected[..1]);
    assert_eq!(adopted[&1].mapper.as_deref(), Some("cryptroot"));
    assert_eq!(adopted[&1].part_label.as_deref(), Some("cryptroot"));
}

#[test]
fn btrfs_on_lvm() {
    let (findings, _) = said("btrfs-lvm-swap", &systemd_boot());
    let expected = [
        "Refusal /: ext4 on volume \"root\"",
        "Refusal /nix: no volume mounted on /nix",
        "Warning swap: no swap area",
    ];
    assert_eq!(findings, expected);
}

#[test]
fn grub_for_a_bios() {
    let (findings, _) = said("grub-bios", &format!("/nix/store/{TOOL}-install-grub.sh"));
    let expected = ["Refusal boot loader: systemd-boot"];
    assert_eq!(findings, expected);
}

#[test]
fn an_iso() {
    let none = "echo '\\''Warning: do not know how to make this configuration bootable";
    let (findings, _) = said("iso", none);
    let expected = [
        "Refusal boot loader: systemd-boot",
        "Refusal /iso: no volume mounted on /iso",
        "Refusal /: volume \"root\" (ext4)",
    ];
    assert_eq!(findings, expected);
}

#[test]
fn a_container() {
    let (findings, _) = said("proxmox-lxc", &format!("/nix/store/{TOOL}-init-script-builder.sh"));
    let expected = ["Refusal kernel: a disk that firmware starts"];
    assert_eq!(findings, expected);
}
