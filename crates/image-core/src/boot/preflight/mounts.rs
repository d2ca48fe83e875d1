//! fstab against the layout: every mount finds its volume, and every volume that matters is mounted.

use std::collections::BTreeMap;

use super::adopt::{self, Adopted};
use super::modules::NEEDED_FOR_BOOT;
use super::offer::{Offer, Volume};
use super::{Findings, Subject, Told, swap};
use crate::inputs::binds::{Bind, Binds};
use crate::inputs::device_spec::DeviceSpec;
use crate::inputs::fstab::{Mount, in_system};
use crate::inputs::stage1;
use crate::tree::TreePath;

/// What no system runs without: its store, and the database without which Nix collects all of it.
pub(super) const NEEDED: [&str; 2] = ["/nix/store", "/nix/var/nix/db"];

/// Checks all mounts of a configuration.
pub(super) fn check(
    subject: &Subject<'_>,
    adopted: &mut BTreeMap<usize, Adopted>,
    findings: &mut Findings,
) {
    for mount in wanted(subject) {
        if mount.is_swap() {
            swap::check(subject, mount, adopted, findings);
        } else {
            self::mount(subject, mount, adopted, findings);
        }
    }
    if let Some(root) = root_of_the_command_line(subject) {
        self::mount(subject, &root, adopted, findings);
    }
    swap::unused(subject, adopted, findings);
    for volume in &subject.offer.volumes {
        unmounted(subject, volume, findings);
    }
    for bind in Binds::of(&subject.configuration.fstab).iter() {
        bound(subject, bind, findings);
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
pub(super) fn place(mount: &Mount) -> &str {
    in_system(&mount.mount_point)
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
    if let Some((gives, mend)) = subvolume(mount, volume) {
        findings.refuse(told(gives, mend));
        return;
    }
    // The names are those of the whole.
    let whole = volume.part_of.and_then(|index| Some((index, subject.offer.volumes.get(index)?)));
    let whole = whole.unwrap_or((index, volume));
    if let Err((gives, mend)) = device(mount, whole, subject.offer, adopted) {
        findings.refuse(told(gives, mend));
    }
}

/// What is wrong with the subvolume that a mount is of.
fn subvolume(mount: &Mount, volume: &Volume) -> Option<(String, String)> {
    let wanted = mount.option("subvol").map(|path| path.trim_matches('/'));
    let wanted = wanted.filter(|path| !path.is_empty());
    let given = volume.subvolume.as_deref();
    let word = |subvolume: Option<&str>| match subvolume {
        Some(name) => format!("the subvolume {name:?}"),
        None => "the whole file system".to_owned(),
    };
    let point = place(mount);
    (wanted != given).then(|| {
        let gives = format!("{} there; the system wants {}", word(given), word(wanted));
        let option = given.map_or("without subvol=".to_owned(), |name| format!("subvol={name}"));
        (gives, format!("mount fileSystems.{point:?} with {option}, or change the profile"))
    })
}

/// Whether the volume can be found by the name that the mount has for it; the error is told.
pub(super) fn device(
    mount: &Mount,
    (index, volume): (usize, &Volume),
    offer: &Offer,
    adopted: &mut BTreeMap<usize, Adopted>,
) -> Result<(), (String, String)> {
    let point = place(mount);
    match (&mount.device, volume.inside) {
        (DeviceSpec::Mapper(name), Some(luks)) => mapper(name, luks, offer, adopted),
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
            let adopted = adopted.entry(index).or_default();
            adopt::adopt(device, volume, adopted).map_err(|clash| (clash.gives, clash.mend))
        }
    }
}

/// Whether a LUKS volume is opened under a name; where nothing opens it, that is told already.
fn mapper(
    name: &str,
    luks: usize,
    offer: &Offer,
    adopted: &BTreeMap<usize, Adopted>,
) -> Result<(), (String, String)> {
    let taken = adopted.get(&luks).and_then(|adopted| adopted.mapper.as_ref());
    let fixed = offer.volumes.get(luks).and_then(|luks| luks.mapper.as_ref());
    match taken.or(fixed) {
        Some(known) if known != name => Err((
            format!("an encrypted volume named {known:?}"),
            format!(
                "mount \"/dev/mapper/{known}\" in the configuration, or name it {name:?} in the profile"
            ),
        )),
        Some(_) | None => Ok(()),
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
    let is_needed = NEEDED.iter().any(|path| holding(subject, path) == Some(volume));
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

/// The volume that a path lies on, bind mounts followed.
pub(super) fn holding<'a>(subject: &Subject<'a>, path: &str) -> Option<&'a Volume> {
    let points = subject.offer.volumes.iter().filter_map(|volume| volume.mount_point.as_ref());
    let points: Vec<TreePath> = points.filter_map(|point| TreePath::parse(point).ok()).collect();
    let path = TreePath::parse(path).ok()?;
    let place = Binds::of(&subject.configuration.fstab).place(&path, &points);
    subject.offer.holding(&place.to_string())
}

/// What stage 1 shows in a second place has to be there in stage 1.
fn bound(subject: &Subject<'_>, bind: &Bind, findings: &mut Findings) {
    let (from, to) = (bind.from.to_string(), bind.to.to_string());
    let is_early = |point: &str| {
        let mount = subject.configuration.fstab.at(point);
        NEEDED_FOR_BOOT.contains(&point) || mount.is_some_and(Mount::is_in_initrd)
    };
    let Some(volume) = holding(subject, &from) else { return };
    let Some(point) = volume.mount_point.as_deref() else { return };
    if is_early(&to) && !is_early(point) {
        findings.refuse(Told {
            about: to.clone(),
            wants: format!("to show {from} on {to} in stage 1"),
            gives: format!("{from} on volume {:?}, which stage 1 does not mount", volume.name),
            mend: format!("set fileSystems.{point:?}.neededForBoot = true and rebuild"),
        });
    }
}
