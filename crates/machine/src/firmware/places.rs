//! The places where distributions put UEFI firmware when no descriptor names it.
//!
//! Read off the file lists of the packages named beside each pair. Nix store paths cannot be
//! known beforehand: on NixOS the descriptors and the data directory of the system's QEMU serve.

use std::path::PathBuf;

use super::Search;
use crate::architecture::Architecture;

const X86_64: [(&str, &str); 12] = [
    // Debian, Ubuntu: ovmf
    ("usr/share/OVMF/OVMF_CODE_4M.fd", "usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("usr/share/OVMF/OVMF_CODE.fd", "usr/share/OVMF/OVMF_VARS.fd"),
    // Fedora: edk2-ovmf
    ("usr/share/edk2/ovmf/OVMF_CODE.fd", "usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("usr/share/edk2/ovmf/OVMF_CODE_4M.qcow2", "usr/share/edk2/ovmf/OVMF_VARS_4M.qcow2"),
    // Arch: edk2-ovmf
    ("usr/share/edk2/x64/OVMF_CODE.4m.fd", "usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    ("usr/share/edk2-ovmf/x64/OVMF_CODE.fd", "usr/share/edk2-ovmf/x64/OVMF_VARS.fd"),
    // openSUSE: qemu-ovmf-x86_64
    ("usr/share/qemu/ovmf-x86_64-4m-code.bin", "usr/share/qemu/ovmf-x86_64-4m-vars.bin"),
    // NixOS: libvirtd's OVMF; the data directory of the system's QEMU
    ("run/libvirt/nix-ovmf/OVMF_CODE.fd", "run/libvirt/nix-ovmf/OVMF_VARS.fd"),
    (
        "run/current-system/sw/share/qemu/edk2-x86_64-code.fd",
        "run/current-system/sw/share/qemu/edk2-i386-vars.fd",
    ),
    // Homebrew (Apple silicon, then Intel) and QEMU built from source: qemu
    ("opt/homebrew/share/qemu/edk2-x86_64-code.fd", "opt/homebrew/share/qemu/edk2-i386-vars.fd"),
    ("usr/local/share/qemu/edk2-x86_64-code.fd", "usr/local/share/qemu/edk2-i386-vars.fd"),
    ("usr/share/qemu/edk2-x86_64-code.fd", "usr/share/qemu/edk2-i386-vars.fd"),
];

const AARCH64: [(&str, &str); 8] = [
    // Debian, Ubuntu: qemu-efi-aarch64
    ("usr/share/AAVMF/AAVMF_CODE.fd", "usr/share/AAVMF/AAVMF_VARS.fd"),
    // Fedora: edk2-aarch64
    (
        "usr/share/edk2/aarch64/QEMU_EFI-pflash.raw",
        "usr/share/edk2/aarch64/vars-template-pflash.raw",
    ),
    // Arch: edk2-aarch64
    ("usr/share/edk2/aarch64/QEMU_CODE.fd", "usr/share/edk2/aarch64/QEMU_VARS.fd"),
    // NixOS
    ("run/libvirt/nix-ovmf/AAVMF_CODE.fd", "run/libvirt/nix-ovmf/AAVMF_VARS.fd"),
    (
        "run/current-system/sw/share/qemu/edk2-aarch64-code.fd",
        "run/current-system/sw/share/qemu/edk2-arm-vars.fd",
    ),
    // Homebrew, and QEMU built from source
    ("opt/homebrew/share/qemu/edk2-aarch64-code.fd", "opt/homebrew/share/qemu/edk2-arm-vars.fd"),
    ("usr/local/share/qemu/edk2-aarch64-code.fd", "usr/local/share/qemu/edk2-arm-vars.fd"),
    ("usr/share/qemu/edk2-aarch64-code.fd", "usr/share/qemu/edk2-arm-vars.fd"),
];

/// Code and variable store of every known place, best first.
pub(super) fn pairs(search: &Search) -> Vec<(PathBuf, PathBuf)> {
    let (known, code, vars): (&[(&str, &str)], _, _) = match search.architecture {
        Architecture::X86_64 => (&X86_64, "edk2-x86_64-code.fd", "edk2-i386-vars.fd"),
        Architecture::Aarch64 => (&AARCH64, "edk2-aarch64-code.fd", "edk2-arm-vars.fd"),
    };
    let given = search.data_dirs.iter().map(|dir| (dir.join(code), dir.join(vars)));
    let known = known.iter().map(|(code, vars)| (search.root.join(code), search.root.join(vars)));
    let prebuilt = search.prebuilt.iter().map(|cache| {
        let dir = cache.join(search.architecture.prebuilt());
        (dir.join("code.fd"), dir.join("vars.fd"))
    });
    given.chain(known).chain(prebuilt).collect()
}

/// The packages that hold the firmware, by distribution.
pub(super) fn packages(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => {
            "ovmf (Debian, Ubuntu), edk2-ovmf (Fedora, Arch) or qemu (NixOS, Homebrew)"
        }
        Architecture::Aarch64 => {
            "qemu-efi-aarch64 (Debian, Ubuntu), edk2-aarch64 (Fedora, Arch) or qemu (NixOS, Homebrew)"
        }
    }
}
