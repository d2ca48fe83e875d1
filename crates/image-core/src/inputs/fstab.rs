//! `fstab`: what the system mounts and where it expects to find it.
//!
//! Read from the toplevel's `etc/fstab` and from the initrd's own, which lists what stage 1 mounts. NixOS
//! leaves out the last two numbers for swap. Follows fstab(5).

use serde::Serialize;

use super::device_spec::DeviceSpec;
pub use super::table::Error;
use super::table::{Row, rows};

/// One line: something to mount, or to swap to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    /// The device as written, escapes undone.
    pub spec: String,
    /// The device, told apart.
    pub device: DeviceSpec,
    /// Where; `none` for swap.
    pub mount_point: String,
    /// The file system, `swap` or `auto`.
    pub fs_type: String,
    /// The options, split at commas.
    pub options: Vec<String>,
    /// The line, counted from 1.
    pub line: usize,
}

impl Mount {
    /// Whether an option stands there by itself.
    pub fn has_option(&self, option: &str) -> bool {
        self.options.iter().any(|o| o == option)
    }

    /// The value of an option `name=value`.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find_map(|o| o.strip_prefix(name)?.strip_prefix('='))
    }

    /// Whether it shows a directory that is already there under a second name.
    pub fn is_bind(&self) -> bool {
        self.has_option("bind") || self.has_option("rbind")
    }

    /// Whether it is an area to swap to and no file system.
    pub fn is_swap(&self) -> bool {
        self.fs_type == "swap"
    }

    /// Whether the boot goes on without it: it is only tried, or left until somebody needs it.
    pub fn is_optional(&self) -> bool {
        ["nofail", "noauto", "x-systemd.automount"].iter().any(|option| self.has_option(option))
    }

    /// Whether stage 1 mounts it.
    pub fn is_in_initrd(&self) -> bool {
        self.has_option("x-initrd.mount")
    }
}

/// All lines of an fstab, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Fstab {
    /// The lines that are no comments.
    pub mounts: Vec<Mount>,
}

impl Fstab {
    /// Reads the text; `file` is how errors call it.
    pub fn parse(text: &str, file: &str) -> Result<Self, Error> {
        let mounts = rows(text).map(|row| mount(row, file)).collect::<Result<_, Error>>()?;
        Ok(Self { mounts })
    }

    /// What is mounted in one place; the last line wins, as in mounting.
    pub fn at(&self, mount_point: &str) -> Option<&Mount> {
        self.mounts.iter().rfind(|mount| mount.mount_point == mount_point)
    }
}

fn mount(mut row: Row<'_>, file: &str) -> Result<Mount, Error> {
    let (Some(spec), Some(mount_point), Some(fs_type)) = (row.field(), row.field(), row.field())
    else {
        return Err(row.short(file, "device, mount point and type"));
    };
    Ok(Mount {
        device: DeviceSpec::parse(&spec),
        spec,
        mount_point: normal(&mount_point),
        fs_type,
        options: row.options(),
        line: row.line,
    })
}

/// A mount point without slashes that change nothing.
fn normal(path: &str) -> String {
    if !path.starts_with('/') {
        return path.to_owned();
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    format!("/{}", parts.join("/"))
}

/// What a path is called in the running system; systemd's stage 1 has it below `/sysroot`.
pub fn in_system(path: &str) -> &str {
    match path.strip_prefix("/sysroot") {
        Some("") => "/",
        Some(below) if below.starts_with('/') => below,
        Some(_) | None => path,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn real(text: &str) -> Vec<(DeviceSpec, String, String)> {
        let fstab = Fstab::parse(text, "etc/fstab").unwrap();
        fstab.mounts.into_iter().map(|m| (m.device, m.mount_point, m.fs_type)).collect()
    }

    #[test]
    fn real_files() {
        let text = str::to_owned;
        let uefi = real(include_str!("../../testdata/real/minimal-uefi/fstab"));
        let expected = [
            (DeviceSpec::Label(text("nixos")), text("/"), text("ext4")),
            (DeviceSpec::Label(text("ESP")), text("/boot"), text("vfat")),
        ];
        assert_eq!(uefi, expected);
        let luks = real(include_str!("../../testdata/real/luks-initrd-ssh/fstab"));
        assert_eq!(luks[0].0, DeviceSpec::Mapper(text("cryptroot")));
        assert_eq!(real(include_str!("../../testdata/real/proxmox-lxc/fstab")), []);

        let lvm = include_str!("../../testdata/real/btrfs-lvm-swap/fstab");
        let lvm = Fstab::parse(lvm, "etc/fstab").unwrap();
        let root = lvm.at("/").unwrap();
        assert_eq!(root.device, DeviceSpec::Path(text("/dev/vg/root")));
        assert_eq!(root.option("subvol"), Some("@root"));
        assert!(root.is_in_initrd() && !lvm.at("/boot").unwrap().is_in_initrd());
        assert!(lvm.mounts.iter().any(Mount::is_swap));

        let iso = include_str!("../../testdata/real/iso/fstab");
        let iso = Fstab::parse(iso, "etc/fstab").unwrap();
        assert_eq!(iso.at("/").unwrap().device, DeviceSpec::Virtual(text("tmpfs")));
        let store = iso.at("/nix/.ro-store").unwrap();
        assert_eq!(store.device, DeviceSpec::File(text("/iso/nix-store.squashfs")));
    }

    #[test]
    fn escapes_comments_and_short_lines() {
        let text = "  # a\n\nLABEL=my\\040root\t/mnt/a\\040b//c/  auto\n/a /b none bind,nofail 0 0";
        let fstab = Fstab::parse(text, "fstab").unwrap();
        assert_eq!(fstab.mounts[0].device, DeviceSpec::Label("my root".to_owned()));
        assert_eq!(fstab.mounts[0].mount_point, "/mnt/a b/c");
        assert_eq!(fstab.mounts[0].line, 3);
        assert!(fstab.mounts[0].options.is_empty());
        assert!(fstab.mounts[1].is_bind() && fstab.mounts[1].is_optional());
        let found = Fstab::parse("\n/dev/sda1 /", "etc/fstab").unwrap_err().to_string();
        let expected = "expected device, mount point and type, found \"/dev/sda1 /\"";
        assert_eq!(found, format!("etc/fstab line 2: {expected}"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[\\PC\n]{0,120}") {
            let _ = Fstab::parse(&text, "fstab");
        }
    }
}
