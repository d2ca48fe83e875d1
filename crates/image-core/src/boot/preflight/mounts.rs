//! fstab against the layout: every mount finds its volume, and every volume that matters is mounted.

use std::collections::BTreeMap;

use super::adopt::{self, Adopted};
use super::offer::Volume;
use super::{Findings, Subject, Told};
use crate::inputs::device_spec::DeviceSpec;
use crate::inputs::fstab::Mount;
use crate::inputs::stage1;

/// What no system runs without: its store, and the database without which Nix collects all of it.
const NEEDED: [&str; 2] = ["/nix/store", "/nix/var/nix/db"];

/// Checks all mounts of a configuration.
pub(super) fn check(
    subject: &Subject<'_>,
    adopted: &mut BTreeMap<usize, Adopted>,
    findings: &mut Findings,
) {
    for mount in wanted(subject) {
        if mount.is_swap() {
            swap(subject, mount, adopted, findings);
        } else {
            self::mount(subject, mount, adopted, findings);
        }
    }
    if let Some(root) = root_of_the_command_line(subject) {
        self::mount(subject, &root, adopted, findings);
    }
    for volume in &subject.offer.volumes {
        unmounted(subject, volume, findings);
    }
}

/// The mounts of fstab and of stage 1 that need a device, each once.
fn wanted<'a>(subject: &Subject<'a>) -> Vec<&'a Mount> {
    let early = subject.stage1.iter().flat_map(|stage1| &stage1.mounts);
    let mut mounts: Vec<&Mount> = Vec::new();
    for mount in subject.configuration.fstab.mounts.iter().chain(early) {
        let is_known = mounts.iter().any(|known| {
            known.spec == mount.spec
                && known.mount_point == place(mount)
                && known.is_swap() == mount.is_swap()
        });
        if !is_known && needs_device(mount) {
            mounts.push(mount);
        }
    }
    mounts
}

/// Whether a mount is of something that only a layout can make: a block device, or a pool of ZFS,
/// whose name looks like none. `tmpfs`, overlays, shares of other machines and of a hypervisor name
/// no device.
pub(crate) fn needs_device(mount: &Mount) -> bool {
    let is_device = match mount.device {
        DeviceSpec::Label(_)
        | DeviceSpec::Uuid(_)
        | DeviceSpec::PartLabel(_)
        | DeviceSpec::PartUuid(_)
        | DeviceSpec::Mapper(_)
        | DeviceSpec::Path(_) => true,
        DeviceSpec::Virtual(_) => mount.fs_type == "zfs",
        DeviceSpec::File(_) => false,
    };
    is_device && !mount.is_bind()
}

/// Where a mount will be.
fn place(mount: &Mount) -> &str {
    in_system(&mount.mount_point)
}

/// What a path is called in the running system; systemd's stage 1 has it below `/sysroot`.
pub(crate) fn in_system(path: &str) -> &str {
    match path.strip_prefix("/sysroot") {
        Some("") => "/",
        Some(below) if below.starts_with('/') => below,
        Some(_) | None => path,
    }
}

fn describe(mount: &Mount) -> String {
    format!("{} ({}) on {}", mount.device, mount.fs_type, place(mount))
}

fn mount(
    subject: &Subject<'_>,
    mount: &Mount,
    adopted: &mut BTreeMap<usize, Adopted>,
    findings: &mut Findings,
) {
    let point = place(mount);
    let told = |gives: String, mend: String| Told {
        about: point.to_owned(),
        wants: describe(mount),
        gives,
        mend,
    };
    let Some((index, volume)) = subject.offer.at(point) else {
        let told = told(
            format!("no volume mounted on {point}"),
            format!(
                "add a volume with that mount point to the profile, or remove fileSystems.{point:?} from the configuration"
            ),
        );
        return if mount.is_optional() { findings.warn(told) } else { findings.refuse(told) };
    };
    if mount.fs_type != "auto" && mount.fs_type != volume.fs_type {
        findings.refuse(told(
            format!("{} on volume {:?}", volume.fs_type, volume.name),
            format!(
                "set fileSystems.{point:?}.fsType = {:?}, or change the profile",
                volume.fs_type
            ),
        ));
        return;
    }
    if let Err((gives, mend)) = device(mount, volume, adopted.entry(index).or_default()) {
        findings.refuse(told(gives, mend));
    }
}

/// Whether the volume can be found by the name that the mount has for it; the error is told.
fn device(mount: &Mount, volume: &Volume, adopted: &mut Adopted) -> Result<(), (String, String)> {
    let point = place(mount);
    match (&mount.device, &volume.mapper) {
        (DeviceSpec::Mapper(name), Some(mapper)) if name == mapper => Ok(()),
        (DeviceSpec::Mapper(name), Some(mapper)) => Err((
            format!("an encrypted volume named {mapper:?}"),
            format!("name it {name:?} in the profile"),
        )),
        (DeviceSpec::Mapper(_), None) => Err((
            format!("the plain volume {:?}", volume.name),
            "use a profile with an encrypted volume, or a configuration without boot.initrd.luks"
                .to_owned(),
        )),
        (DeviceSpec::Path(path), _) => Err((
            format!("a volume {:?} that may be any device", volume.name),
            format!(
                "set fileSystems.{point:?}.device to a label, such as \"/dev/disk/by-label/nixos\", \
                 instead of {path:?}"
            ),
        )),
        (device, _) => {
            adopt::adopt(device, volume, adopted).map_err(|clash| (clash.gives, clash.mend))
        }
    }
}

/// A swap area that is missing delays the boot but does not stop it.
fn swap(
    subject: &Subject<'_>,
    mount: &Mount,
    adopted: &mut BTreeMap<usize, Adopted>,
    findings: &mut Findings,
) {
    let areas = subject.offer.volumes.iter().enumerate().filter(|(_, v)| v.fs_type == "swap");
    let mut gives = "no swap area".to_owned();
    for (index, volume) in areas {
        let mut tried = adopted.get(&index).cloned().unwrap_or_default();
        match device(mount, volume, &mut tried) {
            Ok(()) => {
                adopted.insert(index, tried);
                return;
            }
            Err((found, _)) => gives = found,
        }
    }
    if !mount.is_optional() {
        findings.warn(Told {
            about: "swap".to_owned(),
            wants: mount.device.to_string(),
            gives,
            mend:
                "add a swap volume to the profile, or remove it from swapDevices: the boot waits \
                   90 seconds for it"
                    .to_owned(),
        });
    }
}

/// What the command line says of the root; the last word counts.
fn root_word<'a>(subject: &Subject<'a>) -> Option<&'a str> {
    let spec = subject.configuration.bootspec.as_ref()?;
    spec.kernel_params.iter().rev().find_map(|word| word.strip_prefix("root="))
}

/// Whether systemd finds the root by its partition's type (`boot.initrd.systemd.root = "gpt-auto"`).
fn finds_root_by_type(subject: &Subject<'_>) -> bool {
    root_word(subject) == Some("gpt-auto")
}

/// The root that the command line names; systemd mounts it instead of fstab's. The scripted stage 1
/// makes no more of it than a link, `/dev/root`.
fn root_of_the_command_line(subject: &Subject<'_>) -> Option<Mount> {
    subject.stage1.filter(|stage1| stage1.kind == stage1::Kind::Systemd)?;
    let spec = root_word(subject)?;
    let device = DeviceSpec::parse(spec);
    let is_device = !matches!(device, DeviceSpec::Virtual(_) | DeviceSpec::File(_));
    is_device.then(|| Mount {
        spec: spec.to_owned(),
        device,
        mount_point: "/".to_owned(),
        fs_type: "auto".to_owned(),
        options: Vec::new(),
        line: 1,
    })
}

/// What the layout makes and the closure does not mount.
fn unmounted(subject: &Subject<'_>, volume: &Volume, findings: &mut Findings) {
    let Some(point) = &volume.mount_point else { return };
    // The ESP has rules of its own.
    let is_mounted = wanted(subject).iter().any(|mount| place(mount) == point);
    let is_found = point == "/"
        && (finds_root_by_type(subject) || root_of_the_command_line(subject).is_some());
    if volume.is_esp || is_mounted || is_found {
        return;
    }
    let is_needed = NEEDED.iter().any(|path| subject.offer.holding(path) == Some(volume));
    let told = Told {
        about: point.clone(),
        wants: match subject.configuration.fstab.at(point) {
            Some(mount) => describe(mount),
            None => format!("nothing mounted on {point}"),
        },
        gives: format!("volume {:?} ({})", volume.name, volume.fs_type),
        mend: format!(
            "add fileSystems.{point:?} to the configuration, or choose a profile without the volume"
        ),
    };
    if is_needed { findings.refuse(told) } else { findings.warn(told) }
}
