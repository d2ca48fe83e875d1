//! Makes sure that the programs which tests, demo and sample systems need are there.
//!
//! Each need is a program looked up by path, so that a machine which has everything is done in
//! no time, whatever distribution it runs. What is missing is installed by apt on Debian when we
//! are root; otherwise the exact command, or the list of programs, is shown.
//! `/dev/kvm` is never needed.

mod apt;

use std::path::Path;

use crate::program::{self, say};

/// Why set-up stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Not root: the user has to do it.
    #[error("missing programs: {missing}\nas root, run:\n{commands}")]
    NotRoot { missing: String, commands: String },
    /// Not a Debian system: the user knows better what packages are called.
    #[error("missing programs: {0}\nthis is not Debian: install what brings them and run again")]
    NotDebian(String),
    /// Installed without complaint, and still not there.
    #[error("still missing after installing: {0}")]
    StillMissing(String),
    /// apt's sources could not be read or written.
    #[error(transparent)]
    Apt(#[from] apt::Error),
}

/// A program or file, and the Debian package that brings it.
#[derive(Debug)]
pub(crate) struct Need {
    pub(crate) file: &'static str,
    pub(crate) package: &'static str,
}

/// Everything the chores use. A need with a slash is a file, else a program.
const NEEDS: &[Need] = &[
    Need { file: "qemu-system-x86_64", package: "qemu-system-x86" },
    Need { file: "qemu-img", package: "qemu-utils" },
    Need { file: "/usr/share/OVMF/OVMF_CODE_4M.fd", package: "ovmf" },
    Need { file: "nix-build", package: "nix-bin" },
    Need { file: "sgdisk", package: "gdisk" },
    Need { file: "sfdisk", package: "fdisk" },
    Need { file: "mcopy", package: "mtools" },
    Need { file: "mkfs.fat", package: "dosfstools" },
    Need { file: "mke2fs", package: "e2fsprogs" },
    Need { file: "cryptsetup", package: "cryptsetup-bin" },
    Need { file: "busybox", package: "busybox-static" },
    Need { file: "cpio", package: "cpio" },
    Need { file: "zstd", package: "zstd" },
    Need { file: "xz", package: "xz-utils" },
    Need { file: "lz4", package: "lz4" },
    Need { file: "depmod", package: "kmod" },
    Need { file: "ssh", package: "openssh-client" },
    Need { file: "mksquashfs", package: "squashfs-tools" },
    Need { file: "unsquashfs", package: "squashfs-tools" },
    Need { file: "xorriso", package: "xorriso" },
    Need { file: "isoinfo", package: "genisoimage" },
    Need { file: "fsck.fat", package: "dosfstools" },
    Need { file: "grub-mkimage", package: "grub-common" },
    Need { file: "/usr/lib/grub/i386-pc/cdboot.img", package: "grub-pc-bin" },
    Need { file: "/usr/lib/grub/x86_64-efi/normal.mod", package: "grub-efi-amd64-bin" },
    Need { file: "/usr/lib/ISOLINUX/isolinux.bin", package: "isolinux" },
    Need { file: "/usr/lib/syslinux/modules/bios/ldlinux.c32", package: "syslinux-common" },
    Need { file: "losetup", package: "mount" },
    Need { file: "mkfs.btrfs", package: "btrfs-progs" },
    Need { file: "mkfs.xfs", package: "xfsprogs" },
    Need { file: "blkid", package: "util-linux" },
    Need { file: "patchelf", package: "patchelf" },
    Need { file: "dpkg-deb", package: "dpkg" },
    Need { file: "tar", package: "tar" },
    Need { file: "gzip", package: "gzip" },
    Need { file: "bsdtar", package: "libarchive-tools" },
    Need { file: "lxc-start", package: "lxc" },
    Need { file: "/usr/share/lxc/config/common.conf", package: "lxc" },
    Need { file: "systemd-nspawn", package: "systemd-container" },
    Need { file: "newuidmap", package: "uidmap" },
    Need { file: "unshare", package: "util-linux" },
    Need { file: "setpriv", package: "util-linux" },
    Need { file: "pwck", package: "passwd" },
    Need { file: "script", package: "bsdutils" },
    Need { file: "ssh-keygen", package: "openssh-client" },
    Need { file: "/usr/sbin/sshd", package: "openssh-server" },
    Need { file: "systemd-tty-ask-password-agent", package: "systemd" },
];

/// `cargo xtask setup`.
pub(crate) fn run() -> Result<(), Error> {
    with(&[])
}

/// Sets up what all chores use, and what one of them needs besides.
pub(crate) fn with(more: &[Need]) -> Result<(), Error> {
    let absent = || NEEDS.iter().chain(more).filter(|need| !present(need.file)).collect::<Vec<_>>();
    let missing = absent();
    if missing.is_empty() {
        return Ok(());
    }
    let names = list(missing.iter().map(|need| need.file));
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    if !Path::new("/etc/debian_version").exists() {
        return Err(Error::NotDebian(names));
    }
    let plan = apt::plan(&packages)?;
    if !program::is_root() {
        return Err(Error::NotRoot { missing: names, commands: plan.to_string() });
    }
    say(&format!("setup: installing {}", packages.join(" ")));
    apt::install(&plan)?;
    match absent().as_slice() {
        [] => Ok(()),
        still => Err(Error::StillMissing(list(still.iter().map(|need| need.file)))),
    }
}

fn present(file: &str) -> bool {
    if file.starts_with('/') { Path::new(file).exists() } else { program::find(file).is_some() }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
