//! A NixOS closure in a directory, made of small files: enough for everything that never starts it.
//!
//! Tests change one thing about it, which must then be refused; unchanged it must pass.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::inputs::closure::{Closure, PathInfo};
use crate::inputs::initrd::tests::archive;
use crate::inputs::store::HostStore;
use crate::inputs::store_path::StorePath;
use crate::inputs::system::System;

pub(crate) const TOP: &str = "22qfp468zx6lkb1b8lll57c5fia9ccgs-nixos-system-sample-25.05";
pub(crate) const CHILD: &str = "0cp4457rsfjysx8b863093x3ljf5yrry-nixos-system-sample-25.05";
pub(crate) const KERNEL: &str = "p1ghxi6s5ar9ga8i0wcsadlng4vqc25a-linux-6.12";
pub(crate) const INITRD: &str = "31nfjp6r58f3bm5ddfyc1f23kh7674vw-initrd-linux-6.12";
pub(crate) const SYSTEMD: &str = "dkjkx193vdcfsb620i6awinym48z03lq-systemd-257";
const INSTALLER: &str = "y9i4scmv78gywlhbm19i3pg3cld72p8d";
const BUILDER: &str = "dc5k4dn45d4spay66vy6alhcbycbmzds-systemd-boot";

pub(crate) const APPENDER: &str = "qaakrj9a3lf484bs3l9n77gk1x84j3jk-append-initrd-secrets";

/// The script that NixOS makes to append secrets.
pub(crate) fn appender(secrets: &[(&str, &str)]) -> String {
    let mut script =
        "#!/bin/bash -e\ntmp=$(mktemp -d ${TMPDIR:-/tmp}/initrd-secrets.XXXXXXXXXX)\n\n".to_owned();
    for (dest, source) in secrets {
        script.push_str(&format!(
            "mkdir -p $(dirname \"$tmp/.initrd-secrets/{dest}\")\n\
             cp -a {source} \"$tmp/.initrd-secrets/{dest}\"\n\n"
        ));
    }
    script
        + "# mindepth 1 so that we don't change the mode of /\n\
              (cd \"$tmp\" && find . -mindepth 1 -print0 | sort -z | cpio --quiet -o -H newc -R +0:+0 \
              --reproducible --null) | \\\n  /bin/gzip -9n >> \"$1\"\n"
}

/// What a test may change.
pub(crate) struct Sample {
    pub fstab: String,
    pub child_fstab: String,
    pub installer: &'static str,
    pub builder: String,
    /// Files of the initrd, by name.
    pub initrd: Vec<(&'static str, &'static str)>,
    pub builtin: &'static str,
    pub boot_json: Value,
    /// Base names that the registration lacks.
    pub unregistered: Vec<&'static str>,
    /// Base names that it has beside the sample's own.
    pub registered: Vec<&'static str>,
    pub bless: bool,
    /// Further files of the store.
    pub files: Vec<(String, String)>,
    root: tempfile::TempDir,
}

fn document(top: &str) -> Value {
    json!({
        "org.nixos.bootspec.v1": {
            "init": format!("/nix/store/{top}/init"),
            "initrd": format!("/nix/store/{INITRD}/initrd"),
            "kernel": format!("/nix/store/{KERNEL}/bzImage"),
            "kernelParams": ["console=ttyS0", "loglevel=4"],
            "label": "NixOS Sample 25.05 (Linux 6.12)",
            "system": "x86_64-linux",
            "toplevel": format!("/nix/store/{top}"),
        },
        "org.nixos.specialisation.v1": {},
        "org.nixos.systemd-boot": { "sortKey": "nixos" },
    })
}

impl Sample {
    pub(crate) fn new() -> Self {
        let fstab = "/dev/disk/by-label/nixos / ext4 x-initrd.mount 0 1\n\
                     /dev/disk/by-label/ESP /boot vfat defaults 0 2\n";
        let mut boot_json = document(TOP);
        boot_json["org.nixos.specialisation.v1"]["debug"] = document(CHILD);
        Self {
            fstab: fstab.to_owned(),
            child_fstab: fstab.to_owned(),
            installer: "install-systemd-boot.sh",
            builder: "#!/bin/python3\n\nEFI_SYS_MOUNT_POINT = Path(\"/boot\")\n\
                      BOOT_MOUNT_POINT = Path(\"/boot\")\nTIMEOUT = \"5\"\n"
                .to_owned(),
            initrd: vec![
                ("init", "#!/bin/sh\n"),
                ("lib/modules/6.12/kernel/fs/ext4/ext4.ko.xz", "x"),
                ("lib/modules/6.12/kernel/drivers/virtio/virtio_pci.ko.xz", "x"),
                ("lib/modules/6.12/kernel/drivers/block/virtio_blk.ko.xz", "x"),
            ],
            builtin: "kernel/fs/proc/proc.ko\n",
            boot_json,
            unregistered: Vec::new(),
            registered: Vec::new(),
            bless: true,
            files: Vec::new(),
            root: tempfile::tempdir().unwrap(),
        }
    }

    /// Edits the system's part of `boot.json`.
    pub(crate) fn spec(&mut self) -> &mut Value {
        &mut self.boot_json["org.nixos.bootspec.v1"]
    }

    /// Lets both configurations append secrets, DEST and SOURCE each, to the initrd that they share.
    pub(crate) fn appends(&mut self, secrets: &[(&str, &str)]) {
        let program = format!("{APPENDER}/bin/append-initrd-secrets");
        self.files.push((program.clone(), appender(secrets)));
        let program = json!(format!("/nix/store/{program}"));
        self.spec()["initrdSecrets"] = program.clone();
        let child = &mut self.boot_json["org.nixos.specialisation.v1"]["debug"];
        child["org.nixos.bootspec.v1"]["initrdSecrets"] = program;
    }

    fn put(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let file = self.root.path().join("nix/store").join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, content).unwrap();
        file
    }

    fn toplevel(&self, top: &str, fstab: &str, boot_json: &str) {
        self.put(&format!("{top}/nixos-version"), "25.05.sample");
        self.put(&format!("{top}/system"), "x86_64-linux");
        self.put(&format!("{top}/etc/fstab"), fstab);
        self.put(&format!("{top}/boot.json"), boot_json);
        self.put(&format!("{top}/kernel-modules/lib/modules/6.12/modules.builtin"), self.builtin);
        let init = self.put(&format!("{top}/init"), "#!/bin/sh\n");
        fs::set_permissions(&init, fs::Permissions::from_mode(0o555)).unwrap();
        let command = format!("/nix/store/{INSTALLER}-{}", self.installer);
        let switch = format!("#!/bin/sh\nexport INSTALL_BOOTLOADER='{command}'\n");
        self.put(&format!("{top}/bin/switch-to-configuration"), switch);
        let systemd = init.parent().unwrap().join("systemd");
        symlink(format!("/nix/store/{SYSTEMD}"), systemd).unwrap();
    }

    /// Writes everything down.
    pub(crate) fn build(self) -> Built {
        self.toplevel(TOP, &self.fstab, &self.boot_json.to_string());
        let child = &self.boot_json["org.nixos.specialisation.v1"]["debug"];
        let child = if child.is_null() { document(CHILD) } else { child.clone() };
        self.toplevel(CHILD, &self.child_fstab, &child.to_string());
        self.put(&format!("{KERNEL}/bzImage"), vec![1; 3000]);
        let files: Vec<(&str, u32, &[u8])> =
            self.initrd.iter().map(|(name, text)| (*name, 0o100_444, text.as_bytes())).collect();
        self.put(&format!("{INITRD}/initrd"), archive(&files));
        let systemd = format!("{SYSTEMD}/lib/systemd");
        for efi in ["x64", "aa64"] {
            self.put(&format!("{systemd}/boot/efi/systemd-boot{efi}.efi"), efi);
        }
        if self.bless {
            self.put(&format!("{systemd}/systemd-bless-boot"), "");
            for (top, unit) in [TOP, CHILD].into_iter().flat_map(|top| {
                ["boot-complete.target", "systemd-bless-boot.service"].map(|unit| (top, unit))
            }) {
                self.put(&format!("{top}/etc/systemd/system/{unit}"), "[Unit]\n");
            }
        }
        let install = format!("#!/bin/sh -e\n/nix/store/{BUILDER}/bin/systemd-boot \"$@\"\n");
        self.put(&format!("{INSTALLER}-{}", self.installer), install);
        self.put(&format!("{BUILDER}/bin/systemd-boot"), &self.builder);
        for (path, text) in &self.files {
            self.put(path, text);
        }
        let store = HostStore::at(self.root.path());
        let top = StorePath::from_base_name(TOP).unwrap();
        let system = System::of(&store, &top).unwrap();
        Built { closure: self.closure(top), system, store, root: self.root }
    }

    fn closure(&self, top: StorePath) -> Closure {
        let names = [TOP, CHILD, KERNEL, INITRD, SYSTEMD];
        let paths: Vec<StorePath> = names
            .into_iter()
            .filter(|name| !self.unregistered.contains(name))
            .chain(self.registered.iter().copied())
            .map(|name| StorePath::from_base_name(name).unwrap())
            .collect();
        let info = |path: &StorePath| {
            let references = if *path == top { paths.clone() } else { Vec::new() };
            PathInfo::sample(path.clone(), references)
        };
        Closure::of(paths.iter().map(info), std::slice::from_ref(&top)).unwrap()
    }
}

/// A sample on the disk, and what was read from it.
pub(crate) struct Built {
    pub store: HostStore,
    pub system: System,
    pub closure: Closure,
    root: tempfile::TempDir,
}

impl Built {
    /// A file of the sample's store.
    pub(crate) fn path(&self, inner: &str) -> PathBuf {
        Path::new(self.root.path()).join("nix/store").join(inner)
    }
}
