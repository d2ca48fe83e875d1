//! A NixOS system that never was, in a chroot store: the right files in the right places.
//!
//! Small enough to be made for each test, complete enough to be checked and built: a toplevel with
//! `boot.json`, an fstab, a kernel, an initrd, systemd-boot, the installer that
//! `switch-to-configuration` runs, and a registration. Tests change a file and see what is said.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

pub(crate) const TOPLEVEL: &str = "0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-nixos-system-fake-26.05";
const ETC: &str = "1a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-etc";
const KERNEL: &str = "2a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-linux-6.12";
const INITRD: &str = "3a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-initrd-linux-6.12";
pub(crate) const SYSTEMD: &str = "4a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-systemd-258";
const INSTALLER: &str = "5a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-install-systemd-boot.sh";
const MODULES: &str = "6a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-kernel-modules";

/// All paths with the size that is registered for each.
const PATHS: [(&str, u64); 7] = [
    (TOPLEVEL, 12_288),
    (ETC, 4_096),
    (KERNEL, 14 << 20),
    (INITRD, 30 << 20),
    (SYSTEMD, 90 << 20),
    (INSTALLER, 512),
    (MODULES, 2 << 20),
];

/// What the fstab of a NixOS system looks like.
pub(crate) const FSTAB: &str = "\
# This is a generated file.  Do not edit!
/dev/disk/by-label/nixos / ext4 x-initrd.mount 0 1
/dev/disk/by-label/ESP /boot vfat defaults 0 2
";

/// What that of a live system looks like.
const LIVE: &str = "\
tmpfs / tmpfs x-initrd.mount,mode=0755 0 0
/dev/root /iso auto x-initrd.mount 0 0
/iso/nix-store.squashfs /nix/.ro-store squashfs x-initrd.mount,loop 0 0
tmpfs /nix/.rw-store tmpfs x-initrd.mount,mode=0755 0 0
overlay /nix/store overlay x-initrd.mount,lowerdir=/nix/.ro-store,upperdir=/nix/.rw-store/store,workdir=/nix/.rw-store/work 0 0
";

/// A disk so small that all of it can be read in a moment.
const SMALL: &str = r#"
[[partitions]]
name = "ESP"
type = "esp"
size = "48M"
content.vfat = { mount = "/boot" }

[[partitions]]
name = "nixos"
type = "root"
size = "32M"
content.ext4 = { mount = "/", reserve = "1M" }
"#;

/// The same, encrypted, and quick to open.
const ENCRYPTED: &str = r#"
[[partitions]]
name = "ESP"
type = "esp"
size = "48M"
content.vfat = { mount = "/boot" }

[[partitions]]
name = "cryptroot"
type = "root"
size = "48M"

[partitions.content.luks]
kdf.pbkdf2 = { iterations = 1000 }
content.ext4 = { mount = "/", reserve = "1M" }
"#;

/// What unlocks it.
pub(crate) const CRYPTTAB: &str = "crypt /dev/disk/by-partlabel/cryptroot - discard\n";

/// The fstab of a system with an encrypted root.
pub(crate) const ENCRYPTED_FSTAB: &str = "\
/dev/mapper/crypt / ext4 x-initrd.mount 0 1
/dev/disk/by-label/ESP /boot vfat defaults 0 2
";

/// A directory with `store` (a chroot store), `fake.registration`, `small.toml`, and a link `result`.
pub(crate) struct Fake {
    directory: tempfile::TempDir,
}

impl Fake {
    pub(crate) fn new() -> Self {
        let fake = Self { directory: tempfile::tempdir().unwrap() };
        fake.put(TOPLEVEL, "nixos-version", "26.05.20260501.abcdef");
        fake.put(TOPLEVEL, "system", "x86_64-linux");
        fake.put(TOPLEVEL, "kernel-params", "console=ttyS0 loglevel=4");
        fake.put(TOPLEVEL, "init", "#!/nix/store/bash\n");
        fake.put(TOPLEVEL, "boot.json", &boot_json());
        fake.put(TOPLEVEL, "bin/switch-to-configuration", &switch());
        for (name, target) in [
            ("etc", format!("{ETC}/etc")),
            ("systemd", SYSTEMD.to_owned()),
            ("kernel", format!("{KERNEL}/bzImage")),
            ("initrd", format!("{INITRD}/initrd")),
            ("kernel-modules", MODULES.to_owned()),
        ] {
            symlink(format!("/nix/store/{target}"), fake.path(TOPLEVEL, name)).unwrap();
        }
        fake.put(ETC, "etc/fstab", FSTAB);
        fake.put(KERNEL, "bzImage", &"kernel ".repeat(1000));
        fs::create_dir_all(fake.path(INITRD, "")).unwrap();
        fs::write(fake.path(INITRD, "initrd"), initrd()).unwrap();
        fake.put(SYSTEMD, "lib/systemd/boot/efi/systemd-bootx64.efi", "MZ systemd-boot");
        fake.put(MODULES, "lib/modules/6.12/modules.builtin", &builtin());
        fs::write(fake.path(INSTALLER, ""), "#!/nix/store/bash\nsystemd-boot-builder\n").unwrap();
        for (path, name) in [(TOPLEVEL, "init"), (TOPLEVEL, "bin/switch-to-configuration")] {
            let executable = fs::Permissions::from_mode(0o555);
            fs::set_permissions(fake.path(path, name), executable).unwrap();
        }
        fs::write(fake.dir().join("fake.registration"), registration()).unwrap();
        fs::write(fake.dir().join("small.toml"), SMALL).unwrap();
        symlink(format!("/nix/store/{TOPLEVEL}"), fake.dir().join("result")).unwrap();
        fake
    }

    /// Where tests run the program.
    pub(crate) fn dir(&self) -> &Path {
        self.directory.path()
    }

    /// Replaces the fstab.
    pub(crate) fn fstab(&self, text: &str) {
        self.put(ETC, "etc/fstab", text);
    }

    /// Makes GRUB the boot loader.
    pub(crate) fn grub(&self) {
        fs::write(self.path(INSTALLER, ""), "#!/nix/store/bash\ninstall-grub.pl\n").unwrap();
        let switch = self.path(TOPLEVEL, "bin/switch-to-configuration");
        fs::set_permissions(&switch, fs::Permissions::from_mode(0o755)).unwrap();
        let text = fs::read_to_string(&switch).unwrap();
        fs::write(&switch, text.replace(INSTALLER, &format!("{ETC}/bin/install-grub"))).unwrap();
        self.put(ETC, "bin/install-grub", "#!/nix/store/bash\ninstall-grub.pl\n");
    }

    /// Makes it a container: no kernel, and an init that a shell of the closure runs.
    pub(crate) fn container(&self) {
        for file in ["boot.json", "kernel", "initrd", "kernel-modules"] {
            fs::remove_file(self.path(TOPLEVEL, file)).unwrap();
        }
        // As much of an ELF header as tells that it is for x86_64.
        self.put(SYSTEMD, "bin/sh", "\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0");
        self.init(&format!("#! /nix/store/{SYSTEMD}/bin/sh\necho hello\n"));
        self.put(ETC, "etc/os-release", "NAME=NixOS\nID=nixos\n");
    }

    /// Makes it a live system, as nixpkgs' `iso-image.nix` does.
    pub(crate) fn live(&self) {
        self.fstab(LIVE);
        let json = boot_json().replace(r#""console=ttyS0""#, r#""root=LABEL=fake-live""#);
        self.put(TOPLEVEL, "boot.json", &json);
        let modules = ["fs/isofs/isofs", "fs/squashfs/squashfs", "fs/overlayfs/overlay"];
        let modules = modules.into_iter().chain(["drivers/block/loop", "drivers/scsi/sr_mod"]);
        let list: String = modules.map(|module| format!("kernel/{module}.ko\n")).collect();
        self.put(MODULES, "lib/modules/6.12/modules.builtin", &(builtin() + &list));
    }

    /// Replaces the initrd by one with these files.
    pub(crate) fn initrd(&self, files: &[(&str, &str)]) {
        let records = files.iter().enumerate();
        let records = records.map(|(at, (name, text))| record(at + 1, name, 0o100_555, text));
        let archive = records.chain([record(0, "TRAILER!!!", 0, "")]).collect::<Vec<_>>().concat();
        fs::write(self.path(INITRD, "initrd"), archive).unwrap();
    }

    /// Lets its boot loader's installer append secrets to the initrd: DEST and SOURCE of each.
    pub(crate) fn appends(&self, secrets: &[(&str, &str)]) {
        let mut script =
            "#!/nix/store/bash -e\n\ntmp=$(mktemp -d ${TMPDIR:-/tmp}/x.XXXX)\n".to_owned();
        for (dest, source) in secrets {
            script.push_str(&format!(
                "mkdir -p $(dirname \"$tmp/.initrd-secrets/{dest}\")\n\
                 cp -a {source} \"$tmp/.initrd-secrets/{dest}\"\n\n"
            ));
        }
        script.push_str("(cd \"$tmp\" && find . -mindepth 1 | cpio -o -H newc) | gzip >> \"$1\"\n");
        self.put(ETC, "bin/append-initrd-secrets", &script);
        let kernel = "\"kernel\":";
        let program = format!("/nix/store/{ETC}/bin/append-initrd-secrets");
        let json =
            boot_json().replace(kernel, &format!("\"initrdSecrets\": {program:?}, {kernel}"));
        self.put(TOPLEVEL, "boot.json", &json);
    }

    /// The bytes of the initrd.
    pub(crate) fn initrd_bytes(&self) -> Vec<u8> {
        fs::read(self.path(INITRD, "initrd")).unwrap()
    }

    /// Lets stage 1 unlock what a crypttab says, for an fstab that knows about it.
    pub(crate) fn encrypted(&self, crypttab: &str, fstab: &str) {
        self.fstab(fstab);
        self.initrd(&[("etc/initrd-release", "ID=nixos\n"), ("etc/crypttab", crypttab)]);
        let modules = ["drivers/md/dm-crypt", "crypto/xts", "crypto/aes_generic"];
        let list: String = modules.map(|module| format!("kernel/{module}.ko\n")).concat();
        self.put(MODULES, "lib/modules/6.12/modules.builtin", &(builtin() + &list));
        fs::write(self.dir().join("encrypted.toml"), ENCRYPTED).unwrap();
    }

    /// Replaces the toplevel's init.
    pub(crate) fn init(&self, text: &str) {
        fs::remove_file(self.path(TOPLEVEL, "init")).unwrap();
        self.put(TOPLEVEL, "init", text);
        let executable = fs::Permissions::from_mode(0o555);
        fs::set_permissions(self.path(TOPLEVEL, "init"), executable).unwrap();
    }

    pub(crate) fn path(&self, path: &str, inner: &str) -> PathBuf {
        let path = self.dir().join("store/nix/store").join(path);
        if inner.is_empty() { path } else { path.join(inner) }
    }

    fn put(&self, path: &str, inner: &str, text: &str) {
        let file = self.path(path, inner);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
}

/// The arguments that lead to the fake system, before those of a test.
pub(crate) fn with_system<'a>(command: &[&'a str], rest: &[&'a str]) -> Vec<&'a str> {
    let system = ["./result", "--store", "store", "--registration", "fake.registration"];
    command.iter().chain(&system).chain(rest).copied().collect()
}

fn boot_json() -> String {
    format!(
        r#"{{
  "org.nixos.bootspec.v1": {{
    "init": "/nix/store/{TOPLEVEL}/init",
    "initrd": "/nix/store/{INITRD}/initrd",
    "kernel": "/nix/store/{KERNEL}/bzImage",
    "kernelParams": ["console=ttyS0", "loglevel=4"],
    "label": "NixOS Fake 26.05 (Linux 6.12)",
    "system": "x86_64-linux",
    "toplevel": "/nix/store/{TOPLEVEL}"
  }},
  "org.nixos.specialisation.v1": {{}},
  "org.nixos.systemd-boot": {{ "sortKey": "nixos" }}
}}
"#
    )
}

fn switch() -> String {
    format!("#!/nix/store/bash\nexport INSTALL_BOOTLOADER='/nix/store/{INSTALLER}'\n")
}

fn builtin() -> String {
    let modules = ["fs/ext4/ext4", "fs/fat/vfat", "drivers/block/virtio_blk"];
    let modules = modules.into_iter().chain(["drivers/virtio/virtio_pci"]);
    modules.map(|module| format!("kernel/{module}.ko\n")).collect()
}

/// A cpio archive (newc) with nothing in it but its end, as the kernel reads it.
fn initrd() -> Vec<u8> {
    let mut archive = record(0, "TRAILER!!!", 0, "");
    archive.resize(archive.len().next_multiple_of(512), 0);
    archive
}

/// One entry of an archive.
fn record(inode: usize, name: &str, mode: usize, text: &str) -> Vec<u8> {
    let name_size = name.len() + 1;
    let fields = [inode, mode, 0, 0, 1, 0, text.len(), 0, 0, 0, 0, name_size, 0];
    let fields: String = fields.map(|field| format!("{field:08x}")).concat();
    let mut record = format!("070701{fields}{name}\0").into_bytes();
    record.resize(record.len().next_multiple_of(4), 0);
    record.extend_from_slice(text.as_bytes());
    record.resize(record.len().next_multiple_of(4), 0);
    record
}

/// As `nix-store --dump-db` prints it; the toplevel refers to everything.
fn registration() -> String {
    let mut text = String::new();
    for (number, (path, size)) in PATHS.iter().enumerate() {
        let hash = format!("{number:064x}");
        let references: Vec<&str> = match *path {
            TOPLEVEL => PATHS.iter().skip(1).map(|(path, _)| *path).collect(),
            _ => Vec::new(),
        };
        text.push_str(&format!("/nix/store/{path}\n{hash}\n{size}\n\n{}\n", references.len()));
        for reference in references {
            text.push_str(&format!("/nix/store/{reference}\n"));
        }
    }
    text
}
