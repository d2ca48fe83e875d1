//! What stage 1 of a live system must be able to drive: the medium's formats, and drives.
//!
//! Without the formats nothing starts. Which drive the medium will be in nobody knows, so a drive that
//! cannot be driven is told and no more.

use super::{MODULE, Subject};
use crate::boot::preflight::modules::is_at_hand;
use crate::boot::preflight::{Findings, Told};

/// A format, as NixOS' options call it, and the kernel's module for it.
const FORMATS: [(&str, &str); 3] =
    [("iso9660", "isofs"), ("squashfs", "squashfs"), ("loop", "loop")];

/// A drive, and sets of modules any of which drives it.
const DRIVES: [(&str, &[&[&str]], &str); 3] = [
    ("a CD drive", &[&["sr_mod"]], "sr_mod"),
    ("a USB stick", &[&["usb_storage"], &["uas"]], "usb_storage"),
    (
        "a virtio disk of QEMU",
        &[&["virtio_pci", "virtio_blk"], &["virtio_pci", "virtio_scsi"]],
        "virtio_pci\" \"virtio_blk",
    ),
];

/// Checks the modules of a configuration.
pub(super) fn check(subject: Subject<'_>, is_overlay: bool, findings: &mut Findings) {
    let is_missing =
        |module: &str| is_at_hand(subject.configuration, subject.stage1, module) == Some(false);
    let overlay = is_overlay.then_some(("overlay", "overlay"));
    for (name, module) in FORMATS.into_iter().chain(overlay) {
        if is_missing(module) {
            findings.refuse(Told {
                about: "modules".to_owned(),
                wants: format!("{name} in stage 1"),
                gives: format!(
                    "an initrd without the module {module}, and a kernel that has it not built in"
                ),
                mend: format!("{MODULE}, or add {name:?} to boot.initrd.kernelModules"),
            });
        }
    }
    for (drive, ways, missing) in DRIVES {
        let is_driven = ways.iter().any(|modules| !modules.iter().any(|module| is_missing(module)));
        if !is_driven {
            findings.warn(Told {
                about: "modules".to_owned(),
                wants: format!("modules in stage 1, but none for {drive}"),
                gives: "a medium that may be in any drive".to_owned(),
                mend: format!("add \"{missing}\" to boot.initrd.availableKernelModules"),
            });
        }
    }
}
