//! From firmware to `init`: boot loader, kernel, the ESP and what the entries refer to.

use super::{Findings, Subject, Told};
use crate::boot::systemd_boot::Machine;
use crate::inputs::bootspec::Bootspec;
use crate::inputs::closure::Closure;
use crate::inputs::installer::BootLoader;
use crate::inputs::store::HostStore;
use crate::inputs::store_path::StoreFile;
use crate::inputs::system::Configuration;
use crate::units::Bytes;

/// Where NixOS mounts the ESP where nothing is configured (`boot.loader.efi.efiSysMountPoint`).
const ESP: &str = "/boot";

/// Checks what comes before stage 1 mounts anything.
pub(super) fn check(store: &HostStore, subject: &Subject<'_>, findings: &mut Findings) {
    let toplevel = &subject.configuration.toplevel;
    let Some(spec) = &subject.configuration.bootspec else {
        let kernel = toplevel.join("kernel").ok().and_then(|file| store.kind(&file).ok()?);
        let (wants, mend) = match kernel {
            Some(_) => ("a boot loader that knows no bootspec", "set boot.bootspec.enable = true"),
            None => (
                "to be run in a container",
                "build a configuration without boot.isContainer, or make an LXC or WSL image of it",
            ),
        };
        return findings.refuse(Told {
            about: "kernel".to_owned(),
            wants: format!("{wants}: {toplevel} has no boot.json"),
            gives: "a disk that firmware starts".to_owned(),
            mend: mend.to_owned(),
        });
    };
    platform(subject, findings);
    let has_boot_loader = boot_loader(subject, spec, findings);
    additions(subject, findings);
    extras(spec, findings);
    files(store, subject.configuration, subject.closure, findings);
    // Another boot loader has other wishes.
    if has_boot_loader {
        esp(subject, findings);
    }
}

fn platform(subject: &Subject<'_>, findings: &mut Findings) {
    let platform = &subject.configuration.platform;
    if Machine::from_platform(platform).is_none() {
        findings.refuse(Told {
            about: "platform".to_owned(),
            wants: platform.clone(),
            gives: "systemd-boot for x86_64-linux, aarch64-linux and i686-linux".to_owned(),
            mend: "build the configuration for one of these platforms".to_owned(),
        });
    }
}

/// Whether the boot loader is one that calve makes.
fn boot_loader(subject: &Subject<'_>, spec: &Bootspec, findings: &mut Findings) -> bool {
    let (wants, mend) = match &subject.configuration.installer {
        Some(installer) if installer.boot_loader == BootLoader::SystemdBoot => return true,
        Some(installer) => (
            format!("{} (it runs {})", installer.boot_loader, installer.command),
            "set boot.loader.systemd-boot.enable = true and rebuild; others are not supported yet",
        ),
        // A system that is never switched has no installer, but its bootspec tells.
        None if spec.systemd_boot => return true,
        None => (
            "no boot loader: it has no bin/switch-to-configuration that installs one".to_owned(),
            "set boot.loader.systemd-boot.enable = true and rebuild",
        ),
    };
    findings.refuse(Told {
        about: "boot loader".to_owned(),
        wants,
        gives: "systemd-boot".to_owned(),
        mend: mend.to_owned(),
    });
    false
}

/// What the closure's own installer would do beyond what an image has.
fn additions(subject: &Subject<'_>, findings: &mut Findings) {
    let Some(installer) = &subject.configuration.installer else { return };
    let settings = &installer.settings;
    let more = [
        (settings.copies_extra_files, "further files on the ESP (memtest86, drivers, entries)"),
        (settings.runs_extra_commands, "boot.loader.systemd-boot.extraInstallCommands to be run"),
    ];
    for (_, wants) in more.into_iter().filter(|(is_wanted, _)| *is_wanted) {
        findings.warn(Told {
            about: "boot loader".to_owned(),
            wants: wants.to_owned(),
            gives: "systemd-boot with its entries and kernels".to_owned(),
            mend: "run nixos-rebuild boot in the system once: its own installer adds the rest"
                .to_owned(),
        });
    }
}

/// What no medium has: it is the same for everybody who gets it, and never written again.
pub(crate) fn refuse_secrets(spec: &Bootspec, findings: &mut Findings) {
    if let Some(program) = &spec.initrd_secrets {
        findings.refuse(Told {
            about: "initrd secrets".to_owned(),
            wants: format!("secrets appended to its initrd by {program}"),
            gives: "the initrd of the store, without secrets".to_owned(),
            mend: "leave boot.initrd.secrets (and SSH host keys in the initrd) out, or make a disk"
                .to_owned(),
        });
    }
}

/// What entries would need beyond the closure.
pub(crate) fn extras(spec: &Bootspec, findings: &mut Findings) {
    if !spec.extra_initrds.is_empty() {
        findings.refuse(Told {
            about: "initrd".to_owned(),
            wants: format!("further initrds on the ESP: {}", spec.extra_initrds.join(", ")),
            gives: "an ESP with nothing but the closure's files".to_owned(),
            mend: "leave system.boot.extraInitrd out".to_owned(),
        });
    }
}

/// Whether all that an entry names is in the closure, and there.
pub(crate) fn files(
    store: &HostStore,
    configuration: &Configuration,
    closure: &Closure,
    findings: &mut Findings,
) {
    let Some(spec) = &configuration.bootspec else { return };
    let named = [
        ("init=", Some(&spec.init)),
        ("kernel", Some(&spec.kernel)),
        ("initrd", spec.initrd.as_ref()),
        ("devicetree", spec.devicetree.as_ref()),
    ];
    for (about, file) in named {
        if let Some(file) = file {
            self::file(store, closure, about, file, findings);
        }
    }
    let is_own_init = spec.init.path() == &configuration.toplevel;
    if is_own_init && !configuration.has_init {
        findings.refuse(Told {
            about: "init=".to_owned(),
            wants: format!("to start {}", spec.init),
            gives: "no executable file there".to_owned(),
            mend: "rebuild the system; boot.json and toplevel do not belong together".to_owned(),
        });
    }
}

fn file(
    store: &HostStore,
    closure: &Closure,
    about: &str,
    file: &StoreFile,
    findings: &mut Findings,
) {
    let gives = if !closure.contains(file.path()) {
        format!("a closure without {}", file.path())
    } else {
        match store.kind(file) {
            Ok(Some(kind)) if kind.is_file() => return,
            Ok(Some(_)) => "something there that is no file".to_owned(),
            Ok(None) => "nothing there".to_owned(),
            Err(error) => error.to_string(),
        }
    };
    findings.refuse(Told {
        about: about.to_owned(),
        wants: file.to_string(),
        gives,
        mend: "give the registration of this very system, or rebuild it".to_owned(),
    });
}

fn esp(subject: &Subject<'_>, findings: &mut Findings) {
    let settings = subject.configuration.installer.as_ref().map(|i| i.settings.clone());
    let settings = settings.unwrap_or_default();
    let expected = settings.esp_mount_point.unwrap_or_else(|| ESP.to_owned());
    if let Some(boot) = settings.boot_mount_point.filter(|boot| *boot != expected) {
        findings.refuse(Told {
            about: boot.clone(),
            wants: format!("kernels on {boot} and the ESP on {expected} (XBOOTLDR)"),
            gives: "kernels on the ESP".to_owned(),
            mend: "leave boot.loader.systemd-boot.xbootldrMountPoint out and rebuild".to_owned(),
        });
    }
    let told = |wants: String, gives: String, mend: String| Told {
        about: expected.clone(),
        wants,
        gives,
        mend,
    };
    let wants = format!("the ESP on {expected}, where its boot loader is installed");
    let Some((_, volume)) = subject.offer.esp() else {
        let mend = "add an EFI system partition to the profile".to_owned();
        return findings.refuse(told(wants, "no EFI system partition".to_owned(), mend));
    };
    if volume.mount_point.as_deref() != Some(expected.as_str()) {
        let gives = match &volume.mount_point {
            Some(point) => format!("the ESP on {point}"),
            None => "an ESP that is mounted nowhere".to_owned(),
        };
        let mend = format!(
            "set the ESP's mount point to {expected:?} in the profile, or \
             boot.loader.efi.efiSysMountPoint in the configuration"
        );
        findings.refuse(told(wants.clone(), gives, mend));
    }
    if subject.configuration.fstab.at(&expected).is_none() {
        findings.refuse(told(
            wants,
            format!("an fstab that mounts nothing on {expected}: the next nixos-rebuild would fail"),
            format!("add fileSystems.{expected:?} = {{ device = \"/dev/disk/by-label/ESP\"; fsType = \"vfat\"; }}"),
        ));
    }
    size(subject, volume.size, findings);
}

fn size(subject: &Subject<'_>, size: Option<Bytes>, findings: &mut Findings) {
    let Some(size) = size else { return };
    let (needed, auto) = (subject.offer.esp_needed, subject.offer.esp_auto);
    let told = |wants: String| Told {
        about: "ESP".to_owned(),
        wants,
        gives: size.to_string(),
        mend: format!("make the ESP at least {auto}, or leave its size to calve"),
    };
    if size < needed {
        findings.refuse(told(format!("{needed} for kernels and initrds")));
    } else if size < auto {
        findings.warn(told(format!("{auto}, so that three generations fit")));
    }
}
