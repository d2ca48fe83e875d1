//! What the system unlocks, held against the layout's LUKS volumes.
//!
//! Stage 1 waits for each volume of its crypttab or script, also for one that nothing mounts; so does
//! the running system for those of `/etc/crypttab`. Each is matched with a volume of the layout, whose
//! open names become those that the closure looks for. What is inside is checked where it is mounted.
//!
//! Not checked: whether a key file is what the volume opens with, and what tokens, FIDO2 or TPM2 would do;
//! with any of them the passphrase still opens.

use std::collections::{BTreeMap, BTreeSet};

use super::adopt::{self, Adopted};
use super::modules::NEEDED_FOR_BOOT;
use super::offer::Volume;
use super::{Findings, Subject, Told, mounts};
use crate::inputs::crypttab;
use crate::inputs::device_spec::DeviceSpec;
use crate::inputs::fstab::Mount;

/// When a volume is unlocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// By the initrd.
    First,
    /// By the running system.
    Second,
}

/// A volume that the closure unlocks.
#[derive(Clone, Copy, Debug)]
struct Wanted<'a> {
    stage: Stage,
    volume: &'a crypttab::Volume,
}

/// Checks the volumes that are unlocked, and takes over their names.
pub(super) fn check(
    subject: &Subject<'_>,
    adopted: &mut BTreeMap<usize, Adopted>,
    findings: &mut Findings,
) {
    let wanted = wanted(subject);
    let found = matched(subject, adopted, &wanted);
    let taken: BTreeSet<usize> = found.iter().flatten().copied().collect();
    for (wanted, found) in wanted.iter().zip(&found) {
        match found {
            Some(index) => {
                let volume = &subject.offer.volumes[*index];
                open(*wanted, volume, adopted.entry(*index).or_default(), findings);
            }
            None => missing(subject, *wanted, &taken, findings),
        }
    }
    for (index, luks) in subject.offer.luks() {
        let by = wanted.iter().zip(&found).find(|(_, found)| **found == Some(index));
        unopened(subject, (index, luks), by.map(|(wanted, _)| *wanted), findings);
    }
}

/// What the closure unlocks: by stage 1, then by the running system.
fn wanted<'a>(subject: &Subject<'a>) -> Vec<Wanted<'a>> {
    let early = subject.stage1.iter().flat_map(|stage1| &stage1.volumes);
    let early = early.map(|volume| Wanted { stage: Stage::First, volume });
    let mut wanted: Vec<Wanted<'a>> = early.collect();
    for volume in &subject.configuration.crypttab {
        let is_known = wanted.iter().any(|known| known.volume.name == volume.name);
        // Swap with a key of its own is found where it is swapped to.
        if !is_known && !volume.is_random_swap() {
            wanted.push(Wanted { stage: Stage::Second, volume });
        }
    }
    wanted
}

/// Whether a volume of the layout, with its index, may be one that is unlocked.
type Sign<'s> = dyn Fn(&Wanted<'_>, usize, &Volume) -> bool + 's;

/// Finds the LUKS volume that each is, by ever weaker signs.
fn matched(
    subject: &Subject<'_>,
    adopted: &BTreeMap<usize, Adopted>,
    wanted: &[Wanted<'_>],
) -> Vec<Option<usize>> {
    let name_of = |index: usize, luks: &Volume| {
        let taken = adopted.get(&index).and_then(|adopted| adopted.mapper.clone());
        luks.mapper.clone().or(taken)
    };
    let mut free: Vec<(usize, &Volume)> = subject.offer.luks().collect();
    let mut found = vec![None; wanted.len()];
    let signs: [&Sign<'_>; 3] = [
        &|wanted, index, luks| name_of(index, luks).as_ref() == Some(&wanted.volume.name),
        &|wanted, index, luks| name_of(index, luks).is_none() && is_named(luks, wanted.volume),
        &|wanted, index, luks| {
            name_of(index, luks).is_none() && is_mounted_from(subject, index, &wanted.volume.name)
        },
    ];
    for sign in signs {
        for (wanted, found) in wanted.iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
            let hit = free.iter().position(|(index, luks)| sign(wanted, *index, luks));
            *found = hit.map(|hit| free.remove(hit).0);
        }
    }
    // One volume and one wish are left: they are for each other.
    let mut open = found.iter_mut().filter(|found| found.is_none());
    if let ([(index, luks)], Some(only), None) = (free.as_slice(), open.next(), open.next())
        && name_of(*index, luks).is_none()
    {
        *only = Some(*index);
    }
    found
}

/// Whether the profile already gives a LUKS volume a name that the closure looks for.
fn is_named(luks: &Volume, wanted: &crypttab::Volume) -> bool {
    let is = |ours: Option<&String>, name: &String| {
        ours.is_some_and(|ours| ours.eq_ignore_ascii_case(name))
    };
    match &wanted.device {
        DeviceSpec::Label(name) => is(luks.label.as_ref(), name),
        DeviceSpec::Uuid(name) => is(luks.uuid.as_ref(), name),
        DeviceSpec::PartLabel(name) => luks.part_label.as_ref().unwrap_or(&luks.name) == name,
        DeviceSpec::PartUuid(name) => is(luks.part_uuid.as_ref(), name),
        DeviceSpec::Mapper(_)
        | DeviceSpec::Path(_)
        | DeviceSpec::Virtual(_)
        | DeviceSpec::File(_) => false,
    }
}

/// Whether what lies in a LUKS volume is mounted from a name below `/dev/mapper`.
fn is_mounted_from(subject: &Subject<'_>, luks: usize, mapper: &str) -> bool {
    let device = DeviceSpec::Mapper(mapper.to_owned());
    let mut fstab = subject.configuration.fstab.mounts.iter();
    fstab.any(|mount| {
        let is_here = |inside: &Volume| match &inside.mount_point {
            Some(point) => mounts::place(mount) == point,
            None => mount.is_swap() && inside.fs_type == "swap",
        };
        mount.device == device && subject.offer.inside(luks).any(is_here)
    })
}

/// Takes over how a volume is named; says what would keep it from opening.
fn open(wanted: Wanted<'_>, luks: &Volume, adopted: &mut Adopted, findings: &mut Findings) {
    let Wanted { volume, .. } = wanted;
    let name = &volume.name;
    adopted.mapper = Some(name.clone());
    let told = |wants: String, gives: String, mend: String| Told {
        about: format!("/dev/mapper/{name}"),
        wants,
        gives,
        mend,
    };
    if let Some(option) = volume.odd_option() {
        findings.refuse(told(
            format!("a device to unlock with the option {option:?}"),
            format!("LUKS2 with its header in front, in partition {:?}", luks.name),
            format!("remove the option from the entry {name:?} in the configuration"),
        ));
    }
    let by_path = |found: &dyn std::fmt::Display| {
        told(
            format!("to unlock {found} as {name:?}"),
            format!("partition {:?}, which may be any device", luks.name),
            format!(
                "set boot.initrd.luks.devices.{name:?}.device = \"/dev/disk/by-partlabel/{}\"",
                luks.name
            ),
        )
    };
    match &volume.device {
        device @ (DeviceSpec::Path(_)
        | DeviceSpec::File(_)
        | DeviceSpec::Virtual(_)
        | DeviceSpec::Mapper(_)) => findings.refuse(by_path(device)),
        device @ (DeviceSpec::Label(_)
        | DeviceSpec::Uuid(_)
        | DeviceSpec::PartLabel(_)
        | DeviceSpec::PartUuid(_)) => {
            if let Err(clash) = adopt::adopt(device, luks, adopted) {
                let wants = format!("to unlock {device} as {name:?}");
                findings.refuse(told(wants, clash.gives, clash.mend));
            }
        }
    }
    if let Some(file) = &volume.key_file {
        findings.warn(told(
            format!("to unlock with the key file {file}, without asking"),
            "a volume that opens with the keys given when it is made".to_owned(),
            "make that file one of the volume's keys, and see that it is there when it is needed"
                .to_owned(),
        ));
    }
}

/// The closure unlocks what no volume of the layout is.
fn missing(
    subject: &Subject<'_>,
    wanted: Wanted<'_>,
    taken: &BTreeSet<usize>,
    findings: &mut Findings,
) {
    let Wanted { stage, volume } = wanted;
    let name = &volume.name;
    let mut others = subject.offer.luks().filter(|(index, _)| !taken.contains(index));
    let (gives, mend) = match others.next() {
        Some((_, Volume { name: partition, mapper: Some(other), .. })) => (
            format!("an encrypted volume named {other:?} in partition {partition:?}"),
            format!(
                "name it {name:?} in the profile, or leave its name out to adopt the closure's"
            ),
        ),
        Some(_) | None => (
            "no encrypted volume of that name".to_owned(),
            format!(
                "use a profile with an encrypted volume named {name:?}, or remove \
                 boot.initrd.luks.devices.{name:?} from the configuration"
            ),
        ),
    };
    let when = match stage {
        Stage::First => "in stage 1",
        Stage::Second => "in stage 2",
    };
    let told = Told {
        about: format!("/dev/mapper/{name}"),
        wants: format!("to unlock {} as {name:?} {when}", volume.device),
        gives,
        mend,
    };
    // The running system goes on without it, after 90 seconds.
    if volume.is_optional() || stage == Stage::Second {
        findings.warn(told);
    } else {
        findings.refuse(told);
    }
}

/// A LUKS volume that nothing opens, or that is opened too late for what lies in it.
fn unopened(
    subject: &Subject<'_>,
    (index, luks): (usize, &Volume),
    by: Option<Wanted<'_>>,
    findings: &mut Findings,
) {
    let is_early = |volume: &Volume| {
        let Some(point) = volume.mount_point.as_deref() else { return false };
        let mount = subject.configuration.fstab.at(point);
        let is_needed =
            mounts::NEEDED.iter().any(|path| mounts::holding(subject, path) == Some(volume));
        NEEDED_FOR_BOOT.contains(&point) || is_needed || mount.is_some_and(Mount::is_in_initrd)
    };
    let is_early = subject.offer.inside(index).any(is_early);
    let wants = match by.map(|wanted| wanted.stage) {
        Some(Stage::First) => return,
        Some(Stage::Second) if !is_early => return,
        Some(Stage::Second) => "to unlock it after stage 1 has mounted what is in it".to_owned(),
        None => "nothing that is encrypted there".to_owned(),
    };
    let partition = &luks.name;
    let mapper = luks.mapper.as_ref().unwrap_or(partition);
    let told = Told {
        about: format!("partition {partition:?}"),
        wants,
        gives: "a LUKS volume that has to be unlocked in stage 1".to_owned(),
        mend: format!(
            "add boot.initrd.luks.devices.{mapper:?}.device = \"/dev/disk/by-partlabel/{partition}\" \
             to the configuration, or choose a profile without encryption"
        ),
    };
    if is_early { findings.refuse(told) } else { findings.warn(told) }
}
