//! Where a live system looks for its medium, and on it for its store.
//!
//! The chain is read backwards: `/nix/store` is an overlay over a directory (or a bind of it, or the
//! squashfs itself), on which a squashfs is mounted, which is a file of a file system, which is found
//! by its label. The scripted stage 1 of NixOS makes `/dev/root` of `root=` on the kernel's command line;
//! systemd is told the label in fstab. There, names are spelt as udev writes them in `by-label`.

use super::{MODULE, Subject};
use crate::boot::preflight::mounts::needs_device;
use crate::boot::preflight::{Findings, Told};
use crate::inputs::device_spec::DeviceSpec;
use crate::inputs::fstab::{Mount, in_system};
use crate::inputs::stage1::Kind;
use crate::tree::TreePath;
use crate::writers::iso9660::VolumeId;

const STORE: &str = "/nix/store";

/// What the scripted stage 1 makes of `root=`.
const DEV_ROOT: &str = "/dev/root";

/// What a medium must be, so that a configuration finds its store on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The volume's name.
    pub volume: VolumeId,
    /// Where on the medium the squashfs with the store lies.
    pub squashfs: TreePath,
    /// Whether the store is writable: an overlay over the squashfs.
    pub is_overlay: bool,
}

/// Why it cannot be told: what the configuration wants, what a medium gives, the mend.
type Refusal = Told;

/// Reads the shape; what does not fit is a finding.
pub(super) fn read(subject: Subject<'_>, findings: &mut Findings) -> Option<Shape> {
    warn_of_volumes(subject, findings);
    match shape(subject) {
        Ok(shape) => Some(shape),
        Err(refusal) => {
            findings.refuse(refusal);
            None
        }
    }
}

fn shape(subject: Subject<'_>) -> Result<Shape, Refusal> {
    let store = at(subject, STORE).ok_or_else(|| no_live_system(subject))?;
    let is_overlay = store.fs_type == "overlay";
    let squashfs = match lower(subject, store) {
        Some(directory) => at(subject, directory).ok_or_else(|| {
            refusal(STORE, describe(store), format!("nothing mounted on {directory}"))
        })?,
        None => store,
    };
    if squashfs.fs_type != "squashfs" {
        return Err(refusal(STORE, describe(squashfs), "a squashfs on the medium".to_owned()));
    }
    let DeviceSpec::File(file) = &squashfs.device else {
        let gives = "a squashfs that is a file on the medium".to_owned();
        return Err(refusal(STORE, describe(squashfs), gives));
    };
    let file = in_system(file);
    let (medium, inner) = medium(subject, file).ok_or_else(|| {
        let gives = "that file on the medium, and nothing mounts the medium above it".to_owned();
        refusal(STORE, describe(squashfs), gives)
    })?;
    let volume = volume(subject, medium)?;
    let squashfs = TreePath::parse(inner).map_err(|error| {
        refusal(STORE, describe(squashfs), format!("paths that are some: {error}"))
    })?;
    Ok(Shape { volume, squashfs, is_overlay })
}

/// What is mounted in one place; what fstab says counts, else what stage 1 says.
fn at<'a>(subject: Subject<'a>, point: &str) -> Option<&'a Mount> {
    mounts(subject).find(|mount| in_system(&mount.mount_point) == point)
}

/// All mounts, the last lines of a list first, as they hide those before.
fn mounts(subject: Subject<'_>) -> impl Iterator<Item = &Mount> {
    let early = subject.stage1.map_or(&[][..], |stage1| &stage1.mounts);
    subject.configuration.fstab.mounts.iter().rev().chain(early.iter().rev())
}

/// The directory that a store is made of; none where it is mounted directly.
fn lower<'a>(subject: Subject<'_>, store: &'a Mount) -> Option<&'a str> {
    if store.is_bind() {
        return match &store.device {
            DeviceSpec::File(directory) => Some(in_system(directory)),
            DeviceSpec::Label(_)
            | DeviceSpec::Uuid(_)
            | DeviceSpec::PartLabel(_)
            | DeviceSpec::PartUuid(_)
            | DeviceSpec::Mapper(_)
            | DeviceSpec::Path(_)
            | DeviceSpec::Virtual(_) => None,
        };
    }
    let mut directories = store.option("lowerdir")?.split(':').map(in_system);
    let is_squashfs =
        |point: &&str| at(subject, point).is_some_and(|mount| mount.fs_type == "squashfs");
    directories.clone().find(is_squashfs).or(directories.next_back())
}

/// The mount that a file lies on, and its path there; what has no device is no medium.
fn medium<'a, 'p>(subject: Subject<'a>, file: &'p str) -> Option<(&'a Mount, &'p str)> {
    let below = mounts(subject).filter_map(|mount| {
        let rest = file.strip_prefix(in_system(&mount.mount_point))?;
        rest.starts_with('/').then_some((mount, rest))
    });
    below.min_by_key(|(_, rest)| rest.len())
}

/// The name by which the medium is looked for.
fn volume(subject: Subject<'_>, medium: &Mount) -> Result<VolumeId, Refusal> {
    let point = in_system(&medium.mount_point);
    let refuse = |wants: String, gives: &str| refusal(point, wants, gives.to_owned());
    if !matches!(medium.fs_type.as_str(), "auto" | "iso9660") {
        return Err(refuse(describe(medium), "an ISO 9660 volume"));
    }
    let label = match &medium.device {
        DeviceSpec::Label(label) => label.clone(),
        DeviceSpec::Path(path) if path == DEV_ROOT => root_label(subject, point)?,
        DeviceSpec::Uuid(_)
        | DeviceSpec::PartLabel(_)
        | DeviceSpec::PartUuid(_)
        | DeviceSpec::Mapper(_)
        | DeviceSpec::Path(_)
        | DeviceSpec::Virtual(_)
        | DeviceSpec::File(_) => {
            return Err(refuse(describe(medium), "a volume that is found by its label"));
        }
    };
    VolumeId::new(&label)
        .map_err(|error| refuse(format!("a medium called {label:?}"), &error.to_string()))
}

/// The label in `root=`, of which only NixOS' scripted stage 1 makes `/dev/root`.
fn root_label(subject: Subject<'_>, point: &str) -> Result<String, Refusal> {
    let wants = format!("{DEV_ROOT} on {point}");
    if subject.stage1.is_some_and(|stage1| stage1.kind == Kind::Systemd) {
        let gives = "no such device: only the scripted stage 1 makes one".to_owned();
        let mut told = refusal(point, wants, gives);
        told.mend = format!(
            "set fileSystems.{point:?}.device to /dev/disk/by-label/ and the volume's name, as \
             nixpkgs' iso-image.nix does since 25.11"
        );
        return Err(told);
    }
    let parameters = subject.configuration.bootspec.iter().flat_map(|spec| &spec.kernel_params);
    let mut words = parameters.flat_map(|parameter| parameter.split_ascii_whitespace());
    // The script makes the link at the first such word and fails to at the next.
    let root = words.find_map(|word| word.strip_prefix("root="));
    // It puts the label behind by-label/ as it is, so that is how it is spelt.
    let link = root.and_then(|root| match root.strip_prefix("LABEL=") {
        Some(label) => Some(format!("/dev/disk/by-label/{label}")),
        None => root.starts_with("/dev/disk/by-label/").then(|| root.to_owned()),
    });
    match link.as_deref().map(DeviceSpec::parse) {
        // The script takes what stands between the second and the third sign.
        Some(DeviceSpec::Label(label)) if !label.contains('=') => Ok(label),
        Some(_) | None => {
            let found = root.map_or("no root=".to_owned(), |root| format!("root={root}"));
            let wants = format!("{wants}, and has {found} among its kernel parameters");
            let gives = "a volume that is found by root=LABEL=".to_owned();
            Err(refusal(point, wants, gives))
        }
    }
}

/// What is no live system: its store lies on its root.
fn no_live_system(subject: Subject<'_>) -> Refusal {
    let root = at(subject, "/").map_or("a disk".to_owned(), describe);
    let gives = format!("a medium that cannot be written, and nothing mounted on {STORE}");
    refusal(STORE, format!("its store on {root}"), gives)
}

/// Tells of mounts that need more than the medium.
fn warn_of_volumes(subject: Subject<'_>, findings: &mut Findings) {
    for mount in &subject.configuration.fstab.mounts {
        let is_root = in_system(&mount.mount_point) == "/";
        let is_medium = matches!(&mount.device, DeviceSpec::Path(path) if path == DEV_ROOT)
            || matches!(mount.fs_type.as_str(), "iso9660")
            || mounts(subject).any(|other| is_on(other, mount));
        if !needs_device(mount) || mount.is_optional() || is_medium {
            continue;
        }
        let about = if mount.is_swap() { "swap" } else { in_system(&mount.mount_point) };
        let told = Told {
            about: about.to_owned(),
            wants: describe(mount),
            gives: "a medium with one volume, and what the machine happens to have".to_owned(),
            mend: "take it out of the configuration, or add \"nofail\" to its options: the boot \
                   waits 90 seconds for it"
                .to_owned(),
        };
        // Without a store of its own it is refused anyway, and for a better reason.
        if is_root && at(subject, STORE).is_some() {
            findings.refuse(Told { mend: MODULE.to_owned(), ..told });
        } else if !is_root {
            findings.warn(told);
        }
    }
}

/// Whether one mount is a file on the other.
fn is_on(mount: &Mount, medium: &Mount) -> bool {
    let DeviceSpec::File(file) = &mount.device else { return false };
    let rest = in_system(file).strip_prefix(in_system(&medium.mount_point));
    rest.is_some_and(|rest| rest.starts_with('/'))
}

fn describe(mount: &Mount) -> String {
    let point = in_system(&mount.mount_point);
    format!("{} ({}) on {point}", mount.device, mount.fs_type)
}

fn refusal(about: &str, wants: String, gives: String) -> Refusal {
    Told { about: about.to_owned(), wants, gives, mend: MODULE.to_owned() }
}
