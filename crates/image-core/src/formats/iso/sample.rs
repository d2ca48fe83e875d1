//! The sample system in the shape of nixpkgs' `iso-image.nix`, with boot loaders for a BIOS too.

#![allow(clippy::unwrap_used)]

use crate::boot::sample::Sample;

pub(super) const SYSLINUX: &str = "yb84nwgvixzi9sx9nxssq581pc0cc8p3-syslinux-6.04";

pub(super) const FSTAB: &str = "tmpfs / tmpfs x-initrd.mount,mode=0755 0 0\n\
    /dev/root /iso auto x-initrd.mount 0 0\n\
    /iso/nix-store.squashfs /nix/.ro-store squashfs x-initrd.mount,loop 0 0\n\
    tmpfs /nix/.rw-store tmpfs x-initrd.mount,mode=0755 0 0\n\
    overlay /nix/store overlay x-initrd.mount,lowerdir=/nix/.ro-store,\
    upperdir=/nix/.rw-store/store,workdir=/nix/.rw-store/work 0 0\n";

pub(super) const ROOT: &str = "root=LABEL=nixos-25.05-x86_64";

/// The modules that a live system's initrd has.
const MODULES: [&str; 6] = [
    "lib/modules/6.12/kernel/fs/isofs/isofs.ko.xz",
    "lib/modules/6.12/kernel/fs/squashfs/squashfs.ko.xz",
    "lib/modules/6.12/kernel/fs/overlayfs/overlay.ko.xz",
    "lib/modules/6.12/kernel/drivers/block/loop.ko.xz",
    "lib/modules/6.12/kernel/drivers/scsi/sr_mod.ko.xz",
    "lib/modules/6.12/kernel/drivers/usb/storage/usb-storage.ko.xz",
];

pub(super) fn live() -> Sample {
    let mut sample = Sample::new();
    FSTAB.clone_into(&mut sample.fstab);
    FSTAB.clone_into(&mut sample.child_fstab);
    sample.initrd.extend(MODULES.map(|module| (module, "x")));
    parameters(&mut sample, &[ROOT, "console=ttyS0"]);
    sample
}

/// Gives the system and its specialisation these parameters.
pub(super) fn parameters(sample: &mut Sample, parameters: &[&str]) {
    sample.spec()["kernelParams"] = serde_json::json!(parameters);
    let child = &mut sample.boot_json["org.nixos.specialisation.v1"]["debug"];
    child["org.nixos.bootspec.v1"]["kernelParams"] = serde_json::json!(parameters);
}

/// Brings a syslinux along.
pub(super) fn with_syslinux(sample: &mut Sample) {
    for name in super::loaders::ISOLINUX {
        let file = format!("{SYSLINUX}/share/syslinux/{name}");
        let size = if name == "isohdpfx.bin" { 432 } else { 4096 };
        sample.files.push((file, name.chars().cycle().take(size).collect()));
    }
    sample.registered.push(SYSLINUX);
}
