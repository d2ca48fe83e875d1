//! What stage 1 can drive: file systems that it mounts, volumes that it unlocks, QEMU's disks.
//!
//! A module may be a file in the initrd or built into the kernel (`modules.builtin`). Where neither list
//! is there, nothing is known and nothing is said.

use super::offer::Target;
use super::{Findings, Subject, Told};
use crate::inputs::stage1::Stage1;
use crate::inputs::system::Configuration;

/// Mount points that NixOS mounts in stage 1 whatever fstab says (`utils.pathsNeededForBoot`).
pub(super) const NEEDED_FOR_BOOT: [&str; 9] =
    ["/", "/nix", "/nix/store", "/var", "/var/log", "/var/lib", "/var/lib/nixos", "/etc", "/usr"];

/// Checks the modules of a configuration.
pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings) {
    let volumes = subject.offer.volumes.iter().filter_map(|volume| {
        let point = volume.mount_point.as_deref()?;
        let mount = subject.configuration.fstab.at(point)?;
        let is_early = NEEDED_FOR_BOOT.contains(&point) || mount.is_in_initrd();
        is_early.then_some((point, volume.fs_type.as_str()))
    });
    for (point, fs_type) in volumes {
        file_system(subject, point, fs_type, findings);
    }
    let unlocks = subject.stage1.is_some_and(|stage1| !stage1.volumes.is_empty());
    if unlocks && subject.offer.luks().next().is_some() {
        encryption(subject, findings);
    }
    if subject.offer.target == Target::Qemu {
        virtio(subject, findings);
    }
}

/// Whether a module is at hand; `None` where that cannot be known.
fn has(subject: &Subject<'_>, module: &str) -> Option<bool> {
    is_at_hand(subject.configuration, subject.stage1, module)
}

/// Whether stage 1 of a configuration has a module; `None` where that cannot be known.
pub(crate) fn is_at_hand(
    configuration: &Configuration,
    stage1: Option<&Stage1>,
    module: &str,
) -> Option<bool> {
    let builtin = &configuration.builtin_modules;
    let in_initrd = stage1.is_some_and(|stage1| stage1.modules.contains(module));
    if in_initrd || builtin.contains(module) {
        return Some(true);
    }
    // A closure without modules has a kernel with everything built in, listed nowhere.
    (!builtin.is_empty()).then_some(false)
}

fn file_system(subject: &Subject<'_>, point: &str, fs_type: &str, findings: &mut Findings) {
    if has(subject, fs_type) == Some(false) {
        findings.refuse(Told {
            about: point.to_owned(),
            wants: format!("to mount {point} in stage 1"),
            gives: format!(
                "{fs_type}, for which the initrd has no module and the kernel nothing built in"
            ),
            mend: format!(
                "add boot.initrd.supportedFilesystems.{fs_type} = true (or \
                 boot.initrd.availableKernelModules = [ \"{fs_type}\" ]) and rebuild"
            ),
        });
    }
}

/// Modules of which any one does a part of aes-xts-plain64: the kernel's own code, also under the names
/// of other releases, and those for the instructions of a processor.
const CIPHER: [(&str, &[&str]); 3] = [
    ("dm_crypt", &["dm_crypt"]),
    ("xts", &["xts", "aesni_intel", "aes_ce_blk", "aes_neon_blk", "aes_neon_bs"]),
    (
        "aes",
        &["aes_generic", "aes", "libaes", "aesni_intel", "aes_x86_64", "aes_ce_blk", "aes_arm64"],
    ),
];

/// What opens a LUKS volume: device-mapper's target, and the cipher that it is written with.
fn encryption(subject: &Subject<'_>, findings: &mut Findings) {
    for (name, any) in CIPHER {
        let found: Vec<Option<bool>> = any.iter().map(|module| has(subject, module)).collect();
        if !found.iter().all(|found| *found == Some(false)) {
            continue;
        }
        findings.refuse(Told {
            about: name.to_owned(),
            wants: "to unlock a LUKS volume in stage 1".to_owned(),
            gives: format!(
                "one encrypted with aes-xts-plain64, for which the initrd has no module {name} and \
                 the kernel nothing built in"
            ),
            mend: format!("add boot.initrd.availableKernelModules = [ {name:?} ] and rebuild"),
        });
    }
}

fn virtio(subject: &Subject<'_>, findings: &mut Findings) {
    let bus = has(subject, "virtio_pci");
    let disk = [has(subject, "virtio_blk"), has(subject, "virtio_scsi")];
    let is_missing = bus == Some(false) || disk == [Some(false); 2];
    if is_missing {
        findings.warn(Told {
            about: "virtio".to_owned(),
            wants: "a disk that its initrd has a module for".to_owned(),
            gives: "QEMU's virtio disks; virtio_pci with virtio_blk or virtio_scsi is missing, so \
                    stage 1 would wait for the root for ever"
                .to_owned(),
            mend: "import (modulesPath + \"/profiles/qemu-guest.nix\") and rebuild".to_owned(),
        });
    }
}
