//! Pre-flight of encrypted disks: a sample that fits, and what is said of each change to it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use super::offer::{LUKS, RANDOM_SWAP};
use super::tests::{checked, offer, only};
use super::*;
use crate::boot::sample::{CHILD, Sample, TOP};
use Severity::{Refusal, Warning};

/// An ESP, and a root in a LUKS volume whose names are all free.
pub(super) fn encrypted() -> Offer {
    let mut offer = offer();
    let root = &mut offer.volumes[1];
    let luks = Volume {
        name: "cryptroot".to_owned(),
        mount_point: None,
        fs_type: LUKS.to_owned(),
        ..root.clone()
    };
    (root.name, root.inside) = ("cryptroot".to_owned(), Some(1));
    offer.volumes.insert(1, luks);
    offer
}

const CRYPTTAB: &str = "crypt /dev/disk/by-uuid/0c7bb7a2-5d47-4b4c-9d6f-6a6a1f1f1f1f - discard\n";

/// A system that unlocks its root as `crypt`.
fn sample(crypttab: &'static str) -> Sample {
    let mut sample = Sample::new();
    let root = "/dev/mapper/crypt";
    sample.fstab = sample.fstab.replace("/dev/disk/by-label/nixos", root);
    sample.child_fstab = sample.fstab.clone();
    sample.builtin = "kernel/crypto/aes_generic.ko\nkernel/crypto/xts.ko\n";
    sample.initrd.push(("lib/modules/6.12/kernel/drivers/md/dm-crypt.ko.xz", "x"));
    sample.initrd.push(("etc/crypttab", crypttab));
    sample
}

fn said(crypttab: &'static str, change: impl FnOnce(&mut Sample, &mut Offer)) -> Report {
    let (mut sample, mut offer) = (sample(crypttab), encrypted());
    change(&mut sample, &mut offer);
    checked(sample, &offer)
}

#[test]
fn open_names_become_those_of_the_closure() {
    let report = said(CRYPTTAB, |_, _| {});
    assert_eq!(report.findings, []);
    let luks = &report.adopted[&1];
    assert_eq!(luks.mapper.as_deref(), Some("crypt"));
    assert_eq!(luks.uuid.as_deref(), Some("0c7bb7a2-5d47-4b4c-9d6f-6a6a1f1f1f1f"));
    for (crypttab, label, part_label) in [
        ("crypt LABEL=secret -\n", Some("secret"), None),
        ("crypt /dev/disk/by-partlabel/disk-main-luks none\n", None, Some("disk-main-luks")),
    ] {
        let report = said(crypttab, |_, _| {});
        assert_eq!(report.findings, [], "{crypttab}");
        let luks = &report.adopted[&1];
        assert_eq!((luks.label.as_deref(), luks.part_label.as_deref()), (label, part_label));
    }
}

#[test]
fn the_script_of_stage_1_names_volumes_too() {
    let report = said("", |sample, _| {
        sample.initrd[0].1 = "echo -n \"$p\" | cryptsetup luksOpen /dev/disk/by-partlabel/cryptroot \
                              crypt --key-file=-\n";
    });
    assert_eq!(report.findings, []);
    assert_eq!(report.adopted[&1].mapper.as_deref(), Some("crypt"));
    assert_eq!(report.adopted[&1].part_label.as_deref(), Some("cryptroot"));
}

#[test]
fn names_that_the_profile_fixes() {
    let fixed = |mapper: &str, uuid: Option<&str>| {
        said(CRYPTTAB, |_, offer| {
            offer.volumes[1].mapper = Some(mapper.to_owned());
            offer.volumes[1].uuid = uuid.map(str::to_owned);
        })
    };
    assert_eq!(fixed("crypt", None).findings, []);
    let report = fixed("other", None);
    let about: Vec<&str> = report.findings.iter().map(|f| f.about.as_str()).collect();
    assert_eq!(about, ["/dev/mapper/crypt", "partition \"cryptroot\"", "/"]);
    assert_eq!(
        report.findings[0].gives,
        "an encrypted volume named \"other\" in partition \"cryptroot\""
    );
    let report = fixed("crypt", Some("0c7bb7a2-0000-4b4c-9d6f-6a6a1f1f1f1f"));
    assert_eq!(only(&report).0, Refusal);
    assert!(report.findings[0].mend.starts_with("leave uuid out"), "{report:?}");
}

#[test]
fn what_is_unlocked_is_what_is_mounted() {
    let report = said(CRYPTTAB, |sample, _| {
        sample.fstab = sample.fstab.replace("mapper/crypt", "mapper/other");
        sample.child_fstab = sample.fstab.clone();
    });
    assert_eq!(only(&report), (Refusal, "/", "an encrypted volume named \"crypt\""));
    // By its label it is found whatever it was opened as; it has no partition of its own.
    let by = |device: &'static str| {
        said(CRYPTTAB, move |sample, _| {
            sample.fstab = sample.fstab.replace("/dev/mapper/crypt", device);
            sample.child_fstab = sample.fstab.clone();
        })
    };
    assert_eq!(by("LABEL=nixos").findings, []);
    let gives = "volume \"cryptroot\" inside LUKS, which is no partition of its own";
    assert_eq!(only(&by("PARTLABEL=cryptroot")), (Refusal, "/", gives));
}

#[test]
fn nothing_unlocks_it() {
    let report = said("", |_, _| {});
    let gives = "a LUKS volume that has to be unlocked in stage 1";
    assert_eq!(only(&report), (Refusal, "partition \"cryptroot\"", gives));
    assert!(report.findings[0].mend.contains("by-partlabel/cryptroot"), "{report:?}");
    let report = said("", |sample, _| {
        for top in [TOP, CHILD] {
            sample.files.push((format!("{top}/etc/crypttab"), CRYPTTAB.to_owned()));
        }
    });
    assert_eq!(only(&report).0, Refusal, "too late: {report:?}");
}

#[test]
fn volumes_that_are_unlocked_later() {
    let data = |crypttab: &'static str| {
        said(CRYPTTAB, move |sample, offer| {
            let line = "/dev/mapper/data /data ext4 defaults 0 2\n";
            sample.fstab.push_str(line);
            sample.child_fstab = sample.fstab.clone();
            for top in [TOP, CHILD] {
                sample.files.push((format!("{top}/etc/crypttab"), crypttab.to_owned()));
            }
            let [luks, inside] = [1, 2].map(|index| offer.volumes[index].clone());
            offer.volumes.push(Volume { name: "data".to_owned(), ..luks });
            let (name, point) = ("data".to_owned(), Some("/data".to_owned()));
            offer.volumes.push(Volume { name, mount_point: point, inside: Some(3), ..inside });
        })
    };
    let report = data("data PARTLABEL=data /etc/data.key\n");
    assert_eq!(only(&report).0, Warning);
    assert!(report.findings[0].wants.contains("/etc/data.key"), "{report:?}");
    assert_eq!(report.adopted[&3].mapper.as_deref(), Some("data"));
    assert_eq!(data("data PARTLABEL=data none\n").findings, []);
    let report = data("");
    let gives = "a LUKS volume that has to be unlocked in stage 1";
    assert_eq!(only(&report), (Warning, "partition \"data\"", gives));
}

#[test]
fn volumes_that_no_partition_is() {
    let gives = "no encrypted volume of that name";
    let more = |line: &str| -> &'static str { Box::leak(format!("{CRYPTTAB}{line}").into()) };
    let report = said(more("data /dev/disk/by-partlabel/data - discard\n"), |_, _| {});
    assert_eq!(only(&report), (Refusal, "/dev/mapper/data", gives));
    let report = said(more("data LABEL=x none nofail\n"), |_, _| {});
    assert_eq!(only(&report).0, Warning);
    // A plain disk has none.
    let report = checked(sample(CRYPTTAB), &offer());
    assert_eq!(report.findings.len(), 2);
    assert_eq!(report.findings[0].gives, gives);
}

#[test]
fn devices_and_options_that_no_image_can_promise() {
    for device in ["/dev/sda2", "/dev/disk/by-id/x", "/dev/mapper/vg-root"] {
        let line: &'static str = Box::leak(format!("crypt {device} -\n").into());
        let report = said(line, |_, _| {});
        assert_eq!(only(&report).0, Refusal, "{device}");
        assert!(report.findings[0].mend.contains("by-partlabel/cryptroot"), "{report:?}");
    }
    for option in ["header=/h", "plain", "tcrypt"] {
        let line: &'static str = Box::leak(format!("crypt LABEL=x - {option}\n").into());
        assert_eq!(only(&said(line, |_, _| {})).0, Refusal, "{option}");
    }
}

#[test]
fn the_initrd_has_what_opens_it() {
    let without = |builtin: &'static str, has_module: bool| {
        said(CRYPTTAB, move |sample, _| {
            sample.builtin = builtin;
            if !has_module {
                sample.initrd.retain(|(name, _)| !name.contains("dm-crypt"));
            }
        })
    };
    let abouts = |report: &Report| {
        assert!(report.findings.iter().all(|finding| finding.severity == Refusal));
        report.findings.iter().map(|finding| finding.about.clone()).collect::<Vec<_>>()
    };
    let report = without("kernel/crypto/aes_generic.ko\nkernel/crypto/xts.ko\n", false);
    assert_eq!(abouts(&report), ["dm_crypt"]);
    assert!(report.findings[0].mend.contains("[ \"dm_crypt\" ]"), "{report:?}");
    assert_eq!(abouts(&without("kernel/fs/proc/proc.ko\n", true)), ["xts", "aes"]);
    assert_eq!(abouts(&without("kernel/arch/x86/crypto/aesni-intel.ko\n", true)), [""; 0]);
    // Nobody knows what a kernel without a list has built in.
    assert_eq!(abouts(&without("", false)), [""; 0]);
}

/// An area of 1 GiB in the offer, behind the sample's plain root.
fn swapping(fs_type: &str, lines: &str, crypttab: &str) -> Report {
    let mut offer = offer();
    offer.volumes.push(Volume {
        name: "swap".to_owned(),
        fs_type: fs_type.to_owned(),
        ..Volume::default()
    });
    let mut sample = Sample::new();
    sample.fstab.push_str(lines);
    sample.child_fstab = sample.fstab.clone();
    for top in [TOP, CHILD] {
        sample.files.push((format!("{top}/etc/crypttab"), crypttab.to_owned()));
    }
    checked(sample, &offer)
}

#[test]
fn swap_areas() {
    let report = swapping("swap", "/dev/disk/by-label/swap none swap defaults\n", "");
    assert_eq!(report.findings, []);
    assert_eq!(report.adopted[&2].label.as_deref(), Some("swap"));
    let gives = "swap in partition \"swap\"";
    assert_eq!(only(&swapping("swap", "", "")), (Warning, "swap", gives));
    let random = "/dev/mapper/dev-disk-byx2dpartlabel-swap none swap defaults\n";
    let report = swapping("swap", random, "");
    assert_eq!(report.findings.len(), 2);
    assert!(report.findings[0].wants.contains("with a new key at each start"), "{report:?}");
}

#[test]
fn swap_with_a_new_key_at_each_start() {
    let random = "/dev/mapper/dev-disk-byx2dpartlabel-diskx2dswap none swap defaults\n";
    let report = swapping(RANDOM_SWAP, random, "");
    assert_eq!(report.findings, []);
    assert_eq!(report.adopted[&2].part_label.as_deref(), Some("disk-swap"));
    let listed = "cryptswap PARTLABEL=x /dev/urandom swap,cipher=aes-xts-plain64\n";
    let report = swapping(RANDOM_SWAP, "/dev/mapper/cryptswap none swap sw\n", listed);
    assert_eq!(report.findings, []);
    assert_eq!(report.adopted[&2].part_label.as_deref(), Some("x"));
    let by_path = "/dev/mapper/dev-vda3 none swap defaults\n";
    let report = swapping(RANDOM_SWAP, by_path, "");
    assert!(report.findings[0].mend.contains("instead of \"/dev/vda3\""), "{report:?}");
    let plain = swapping(RANDOM_SWAP, "LABEL=swap none swap defaults\n", "");
    assert!(plain.findings[0].mend.contains("randomEncryption"), "{plain:?}");
    assert!(!plain.is_refused());
}

#[test]
fn swap_inside_luks() {
    let report = said(CRYPTTAB, |sample, offer| {
        let table = sample.initrd.last_mut().unwrap();
        table.1 = "crypt LABEL=crypt -\nswap LABEL=cryptswap -\n";
        sample.fstab.push_str("/dev/mapper/swap none swap defaults\n");
        sample.child_fstab = sample.fstab.clone();
        let luks = offer.volumes[1].clone();
        offer.volumes.push(Volume { name: "two".to_owned(), ..luks });
        let swap =
            Volume { name: "two".to_owned(), fs_type: "swap".to_owned(), ..Volume::default() };
        offer.volumes.push(Volume { inside: Some(3), ..swap });
    });
    assert_eq!(report.findings, []);
    let adopted = [1, 3].map(|index| report.adopted[&index].mapper.clone().unwrap());
    assert_eq!(adopted, ["crypt", "swap"]);
}

/// A root that is made anew, and one volume whose directories are shown where they are looked for.
fn impermanent(nix: &str) -> Report {
    let mut sample = sample(CRYPTTAB);
    sample.fstab = format!(
        "tmpfs / tmpfs x-initrd.mount,mode=755 0 0\n\
         /dev/mapper/crypt /persist ext4 {nix} 0 2\n\
         /persist/nix /nix none bind,x-initrd.mount 0 0\n\
         /dev/disk/by-label/ESP /boot vfat defaults 0 2\n"
    );
    sample.child_fstab = sample.fstab.clone();
    let mut offer = encrypted();
    offer.volumes[2].mount_point = Some("/persist".to_owned());
    checked(sample, &offer)
}

#[test]
fn bind_mounts_are_followed() {
    assert_eq!(impermanent("x-initrd.mount").findings, []);
    let report = impermanent("defaults");
    let gives = "/persist/nix on volume \"cryptroot\", which stage 1 does not mount";
    assert_eq!(only(&report), (Refusal, "/nix", gives));
}

#[test]
fn two_volumes_are_not_opened_as_one() {
    let report = said("crypt LABEL=one -\n", |_, offer| {
        let [luks, inside] = [1, 2].map(|index| offer.volumes[index].clone());
        let mapper = Some("crypt".to_owned());
        offer.volumes[1].mapper.clone_from(&mapper);
        offer.volumes.push(Volume { name: "two".to_owned(), mapper, ..luks });
        offer.volumes.push(Volume { mount_point: None, inside: Some(3), ..inside });
    });
    assert!(report.findings.iter().any(|finding| finding.about == "mapper name \"crypt\""));
}
