//! What the system swaps to, held against the layout's swap areas.
//!
//! A swap area that is missing delays the boot but does not stop it, so nothing here refuses. With
//! `randomEncryption` NixOS opens the partition at each start under a name made of its path, with a new
//! key, and makes a swap area in it: fstab then knows `/dev/mapper/dev-disk-byx2dpartlabel-swap`, and
//! so does a line of crypttab with the option `swap`.
//!
//! Follows nixpkgs' `nixos/modules/config/swap.nix` and systemd's escaping of paths.

use std::collections::BTreeMap;

use super::adopt::{self, Adopted};
use super::offer::{RANDOM_SWAP, Volume};
use super::{Findings, Subject, Told, mounts};
use crate::inputs::device_spec::DeviceSpec;
use crate::inputs::fstab::Mount;

/// Checks one line of fstab.
pub(super) fn check(
    subject: &Subject<'_>,
    mount: &Mount,
    adopted: &mut BTreeMap<usize, Adopted>,
    findings: &mut Findings,
) {
    let mut gives = "no swap area".to_owned();
    let mut mend =
        "add a swap volume to the profile, or remove it from swapDevices: the boot waits 90 \
                    seconds for it"
            .to_owned();
    for (index, volume) in areas(subject) {
        let mut tried = adopted.clone();
        match area(subject, mount, (index, volume), &mut tried) {
            Ok(()) => {
                *adopted = tried;
                return;
            }
            Err(found) => (gives, mend) = found,
        }
    }
    if !mount.is_optional() {
        let wants = random_device(subject, mount).map_or_else(
            || mount.device.to_string(),
            |device| format!("{device}, with a new key at each start"),
        );
        findings.warn(Told { about: "swap".to_owned(), wants, gives, mend });
    }
}

/// Says which areas nothing swaps to.
pub(super) fn unused(
    subject: &Subject<'_>,
    adopted: &BTreeMap<usize, Adopted>,
    findings: &mut Findings,
) {
    let mounts = &subject.configuration.fstab.mounts;
    let swaps: Vec<&Mount> = mounts.iter().filter(|mount| mount.is_swap()).collect();
    for (index, volume) in areas(subject) {
        let is_used =
            |mount: &&Mount| area(subject, mount, (index, volume), &mut adopted.clone()).is_ok();
        if !swaps.iter().any(is_used) {
            findings.warn(Told {
                about: "swap".to_owned(),
                wants: "nothing to swap to there".to_owned(),
                gives: format!("{} in partition {:?}", volume.fs_type, volume.name),
                mend: "add it to swapDevices, or choose a profile without it".to_owned(),
            });
        }
    }
}

fn areas<'a>(subject: &Subject<'a>) -> impl Iterator<Item = (usize, &'a Volume)> {
    let is_area = |volume: &Volume| matches!(volume.fs_type.as_str(), "swap" | RANDOM_SWAP);
    subject.offer.volumes.iter().enumerate().filter(move |(_, volume)| is_area(volume))
}

/// Whether an area is what a line means, under the name that it has for it; the error is told.
fn area(
    subject: &Subject<'_>,
    mount: &Mount,
    (index, volume): (usize, &Volume),
    adopted: &mut BTreeMap<usize, Adopted>,
) -> Result<(), (String, String)> {
    let is_random = volume.fs_type == RANDOM_SWAP;
    match random_device(subject, mount) {
        Some(device) if is_random => {
            if let DeviceSpec::Path(path) = &device {
                return Err((
                    format!("partition {:?}, which may be any device", volume.name),
                    format!("name a partition label in swapDevices instead of {path:?}"),
                ));
            }
            let adopted = adopted.entry(index).or_default();
            adopt::adopt(&device, volume, adopted).map_err(|clash| (clash.gives, clash.mend))
        }
        None if !is_random => mounts::device(mount, (index, volume), subject.offer, adopted),
        Some(_) => Err((
            format!("a swap area of its own in partition {:?}", volume.name),
            "make it random-swap in the profile".to_owned(),
        )),
        None => Err((
            format!("partition {:?}, blank until it is swapped to with a new key", volume.name),
            "set randomEncryption.enable = true for it in swapDevices, or make it swap in the profile"
                .to_owned(),
        )),
    }
}

/// The device that is swapped to with a new key at each start, where a line means one.
fn random_device(subject: &Subject<'_>, mount: &Mount) -> Option<DeviceSpec> {
    let DeviceSpec::Mapper(name) = &mount.device else { return None };
    let crypttab = subject.configuration.crypttab.iter();
    let listed =
        crypttab.filter(|volume| volume.is_random_swap()).find(|volume| volume.name == *name);
    listed.map(|volume| volume.device.clone()).or_else(|| {
        let path = unescaped(name)?;
        path.starts_with("/dev/").then(|| DeviceSpec::parse(&path))
    })
}

/// The path of which NixOS made a name: `/` became `-`, other signs their number without systemd's
/// backslash. What only looks like such a number is left alone.
fn unescaped(name: &str) -> Option<String> {
    let mut path = vec![b'/'];
    let mut rest = name.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let number = after.get(..2).filter(|_| *first == b'x');
        let number = number.and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = number.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let is_escaped = |byte: &u8| !byte.is_ascii_alphanumeric() && !b":_./".contains(byte);
        let byte = match (first, escaped.filter(is_escaped)) {
            (_, Some(byte)) => {
                rest = &after[2..];
                byte
            }
            (plain, None) => {
                rest = after;
                if *plain == b'-' { b'/' } else { *plain }
            }
        };
        path.push(byte);
    }
    String::from_utf8(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_nixos_makes_of_paths() {
        for (name, path) in [
            ("dev-disk-byx2dpartlabel-swap", "/dev/disk/by-partlabel/swap"),
            ("dev-disk-byx2dpartlabel-diskx2dmainx2dswap", "/dev/disk/by-partlabel/disk-main-swap"),
            ("dev-disk-byx2dpartlabel-xylo_1.x41", "/dev/disk/by-partlabel/xylo_1.x41"),
            ("dev-vda3", "/dev/vda3"),
            ("cryptswap", "/cryptswap"),
        ] {
            assert_eq!(unescaped(name).as_deref(), Some(path), "{name}");
        }
    }
}
