//! What a disk must hold, line by line: each test is named after one promise of the design.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::fs;

use super::*;
use crate::boot::sample::{Built, INITRD, KERNEL, Sample, TOP};
use crate::disk::{
    DiskSize, Ext4Fill, Fill, Foreign, ForeignFill, Partition, Share, Size, VfatFill, Volume,
};
use crate::units::{Bytes, MIB, SectorSize};

const EPOCH: Epoch = Epoch::new(1_700_000_000);

fn layout() -> Layout {
    let path = |text: &str| TreePath::parse(text).unwrap();
    let root = Ext4Fill { reserve: MIB * 16, ..Ext4Fill::new(path("/")) };
    let esp = Fill::Vfat(VfatFill::new(path("/boot")));
    let root = Partition::new("root", PartitionKind::Root, Fill::Ext4(root));
    let esp = Partition::new("esp", PartitionKind::Esp, esp);
    Layout::new(SectorSize::B512, vec![esp, Partition { size: Size::Rest, ..root }])
}

/// Does something with the disk of a sample and overlays.
fn with<T>(
    built: &Built,
    overlays: &[Overlay],
    act: impl FnOnce(&DiskSpec<'_>, Input<'_>) -> T,
) -> T {
    let ids = Ids::from_parts(&[b"contract"]);
    let spec = DiskSpec {
        layout: layout(),
        boot: systemd_boot::Options::default(),
        overlays,
        rules: &[],
        initrd_secrets: &[],
        ids: &ids,
        epoch: EPOCH,
        target: Target::Qemu,
        keyslots: &Keyslots::default(),
    };
    act(&spec, Input { store: &built.store, system: &built.system, closure: &built.closure })
}

/// The lines of all volumes together.
fn listing(built: &Built, overlays: &[Overlay]) -> Result<String, Error> {
    with(built, overlays, |spec, input| {
        let Checked { layout, esp, .. } = check(spec, input)?;
        Ok(tree(spec, input, &layout, &esp)?.listing())
    })
}

fn has(listing: &str, line: &str) -> bool {
    listing.lines().any(|found| found == line)
}

#[test]
fn store_paths_are_root_s_read_only_and_of_the_first_second() {
    let listing = listing(&Sample::new().build(), &[]).unwrap();
    assert!(has(&listing, "/nix/store d 1775 0:30000 1"), "{listing}");
    let paths: Vec<&str> = listing.lines().filter(|line| line.starts_with("/nix/store/")).collect();
    assert!(paths.len() > 10);
    for line in paths {
        let words: Vec<&str> = line.split(' ').collect();
        let mode = match words[1] {
            "d" => "0555",
            "l" => "0777",
            _ if words[2] == "0555" => "0555",
            _ => "0444",
        };
        assert_eq!(words[2..5], [mode, "0:0", "1"], "{line}");
    }
    assert!(has(&listing, &format!("/nix/store/{TOP}/init f 0555 0:0 1 10")), "{listing}");
}

#[test]
fn nix_finds_its_profile_and_keeps_it() {
    let listing = listing(&Sample::new().build(), &[]).unwrap();
    let at = EPOCH.seconds();
    for line in [
        format!("/nix/var/nix/profiles/system l 0777 0:0 {at} -> system-1-link"),
        format!("/nix/var/nix/profiles/system-1-link l 0777 0:0 {at} -> /nix/store/{TOP}"),
        format!("/nix/var/nix/gcroots/profiles l 0777 0:0 {at} -> /nix/var/nix/profiles"),
        format!("/nix/var/nix/db/schema f 0644 0:0 {at} 2"),
        format!("/etc/NIXOS f 0644 0:0 {at} 0"),
    ] {
        assert!(has(&listing, &line), "{line}\n{listing}");
    }
    assert!(listing.contains("/nix/var/nix/db/db.sqlite f 0644 0:0"));
    assert!(
        !listing.contains("/nix-path-registration"),
        "a plain closure has no first-boot loader"
    );
}

#[test]
fn nothing_that_must_differ_from_machine_to_machine() {
    let listing = listing(&Sample::new().build(), &[]).unwrap();
    for part in ["machine-id", "random-seed", "ssh_host", "/etc/shadow", "/etc/passwd"] {
        assert!(!listing.contains(part), "{part}\n{listing}");
    }
    for line in listing.lines() {
        let owner = line.split(' ').nth(3).unwrap();
        assert!(owner == "0:0" || line.starts_with("/nix/store d "), "{line}");
    }
}

#[test]
fn the_esp_is_as_nixos_leaves_it() {
    let listing = listing(&Sample::new().build(), &[]).unwrap();
    let files: Vec<&str> = listing
        .lines()
        .filter(|line| line.starts_with("/boot/") && line.contains(" f "))
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    let initrd = format!("/boot/EFI/nixos/{INITRD}-initrd.efi");
    let kernel = format!("/boot/EFI/nixos/{KERNEL}-bzImage.efi");
    let expected = [
        "/boot/EFI/BOOT/BOOTX64.EFI",
        &initrd,
        &kernel,
        "/boot/EFI/systemd/systemd-bootx64.efi",
        "/boot/loader/entries/nixos-generation-1-specialisation-debug.conf",
        "/boot/loader/entries/nixos-generation-1.conf",
        "/boot/loader/entries.srel",
        "/boot/loader/loader.conf",
    ];
    assert_eq!(files, expected);
}

/// A sample whose `/etc` is an overlay.
fn overlaid(is_mutable: bool) -> Built {
    let mut sample = Sample::new();
    sample.files.push((format!("{TOP}/etc-metadata-image"), "erofs".to_owned()));
    if is_mutable {
        sample.initrd.push(("nix/store/x-unit-rw-etc.service/rw-etc.service", "[Unit]\n"));
    }
    sample.build()
}

#[test]
fn files_for_an_overlaid_etc_go_to_its_upper_directory() {
    let user = tempfile::tempdir().unwrap();
    fs::create_dir(user.path().join("etc")).unwrap();
    fs::write(user.path().join("etc/hello"), "world").unwrap();
    let overlay: Overlay = user.path().to_str().unwrap().parse().unwrap();
    let overlays = [overlay];
    let at = EPOCH.seconds();
    let plain = listing(&Sample::new().build(), &overlays).unwrap();
    assert!(has(&plain, &format!("/etc/hello f 0644 0:0 {at} 5")), "{plain}");
    let listed = listing(&overlaid(true), &overlays).unwrap();
    assert!(has(&listed, &format!("/.rw-etc/upper/hello f 0644 0:0 {at} 5")), "{listed}");
    assert!(has(&listed, &format!("/.rw-etc/upper/NIXOS f 0644 0:0 {at} 0")), "{listed}");
    assert!(has(&listed, &format!("/etc d 0755 0:0 {at}")), "{listed}");
    let found = listing(&overlaid(false), &overlays).unwrap_err();
    assert!(found.to_string().starts_with("/etc/hello would be hidden"), "{found}");
    let listed = listing(&overlaid(false), &[]).unwrap();
    assert!(has(&listed, &format!("/etc d 0755 0:0 {at}")), "{listed}");
    assert!(!listed.contains("NIXOS"), "{listed}");
}

#[test]
fn a_root_that_is_made_anew_needs_no_volume_but_loses_no_file() {
    let build = || {
        let mut sample = Sample::new();
        sample.fstab = "tmpfs / tmpfs x-initrd.mount,mode=755 0 0\n\
            /dev/disk/by-label/nixos /nix ext4 x-initrd.mount 0 2\n\
            /dev/disk/by-label/ESP /boot vfat defaults 0 2\n"
            .to_owned();
        sample.child_fstab = sample.fstab.clone();
        sample.build()
    };
    let of = |overlays: &[Overlay]| {
        with(&build(), overlays, |spec, input| {
            let mut spec = spec.clone();
            let nix = Ext4Fill::new(TreePath::parse("/nix").unwrap());
            spec.layout.partitions[1].content = Fill::Ext4(nix);
            plan(&spec, input)
        })
    };
    assert_eq!(of(&[]).unwrap().report.findings, []);
    let user = tempfile::tempdir().unwrap();
    fs::write(user.path().join("hello"), "world").unwrap();
    let found = of(&[user.path().to_str().unwrap().parse().unwrap()]).unwrap_err();
    assert!(found.to_string().starts_with("/hello lies on no volume"), "{found}");
    let kept: Overlay = format!("{}:/nix/persist", user.path().display()).parse().unwrap();
    assert!(of(&[kept]).is_ok());
}

#[test]
fn an_automatic_esp_holds_three_generations() {
    let disk = with(&Sample::new().build(), &[], plan).unwrap();
    let esp = &disk.geometry.partitions[0];
    assert_eq!(esp.size, Bytes::new(512 << 20));
    assert_eq!(disk.report.findings, []);
}

#[test]
fn a_refusal_comes_with_all_findings() {
    let mut sample = Sample::new();
    sample.installer = "install-grub.sh";
    sample.fstab.push_str("/dev/sda7 /home ext4 defaults 0 2\n");
    let Err(Error::Refused(report)) = with(&sample.build(), &[], check) else { panic!() };
    let about: Vec<&str> = report.findings.iter().map(|f| f.about.as_str()).collect();
    assert_eq!(about, ["boot loader", "/home"]);
}

/// An installation decides what a build does, for the size of a real disk.
#[test]
fn a_geometry_without_bytes_is_that_of_the_plan() {
    let built = Sample::new().build();
    let sized = |size: Bytes| {
        with(&built, &[], |spec, input| {
            let mut spec = spec.clone();
            spec.layout.size = DiskSize::Fixed(size);
            let decided = check(&spec, input)?.geometry(&spec, input)?;
            Ok::<_, Error>((decided, plan(&spec, input)?.geometry))
        })
    };
    let inodes = |geometry: &Geometry| {
        let Volume::Ext4(volume) = &geometry.partitions[1].content else { panic!("{geometry:?}") };
        volume.size.get() / volume.bytes_per_inode.get()
    };
    let (decided, planned) = sized(MIB * 8192).unwrap();
    assert_eq!(format!("{decided:?}"), format!("{planned:?}"));
    // The image of a small disk has the inodes of its tree; one that is filled later needs them, too.
    let (decided, planned) = sized(MIB * 544).unwrap();
    assert!(inodes(&planned) < 2048 && inodes(&decided) > 2048, "{decided:?}");
    let said = sized(MIB * 300).unwrap_err().to_string();
    assert!(said.contains("esp") || said.contains("root"), "{said}");
}

/// A btrfs is decided and checked like any volume, and written by nobody here.
#[test]
fn a_btrfs_is_for_installations() {
    let of = |subvolume: &str| {
        let mut sample = Sample::new();
        sample.fstab = format!(
            "/dev/disk/by-label/pool / btrfs x-initrd.mount,subvol=@ 0 0\n\
             /dev/disk/by-label/pool /nix btrfs x-initrd.mount,subvol=/{subvolume} 0 0\n\
             /dev/disk/by-label/ESP /boot vfat defaults 0 2\n"
        );
        sample.child_fstab = sample.fstab.clone();
        sample.initrd.push(("lib/modules/6.12/kernel/fs/btrfs/btrfs.ko.xz", "x"));
        sample.build()
    };
    let share = |mount: &str, name: &str| Share {
        mount: TreePath::parse(mount).unwrap(),
        subvolume: Some(name.to_owned()),
    };
    let made = |built: &Built| {
        with(built, &[], |spec, input| {
            let mut spec = spec.clone();
            let shares = vec![share("/", "@"), share("/nix", "@nix")];
            let (kind, label, uuid, reserve) = (Foreign::Btrfs, None, None, MIB);
            let fill = ForeignFill { kind, label, uuid, reserve, shares };
            spec.layout.partitions[1].content = Fill::Foreign(fill);
            let checked = check(&spec, input)?;
            assert_eq!(checked.report.findings, []);
            let geometry = checked.geometry(&spec, input)?;
            let Volume::Foreign(volume) = &geometry.partitions[1].content else { panic!() };
            assert_eq!(volume.label.as_deref(), Some("pool"), "adopted, once for all subvolumes");
            assert!(geometry.partitions[1].needed > MIB * 300);
            checked.plan(&spec, input)
        })
    };
    let said = made(&of("@nix")).unwrap_err().to_string();
    assert!(said.starts_with("partition \"root\" is btrfs, which images are not made"), "{said}");
    let Error::Refused(report) = made(&of("@store")).unwrap_err() else { panic!() };
    let gives: Vec<&str> = report.findings.iter().map(|found| found.gives.as_str()).collect();
    let expected = "the subvolume \"@nix\" there; the system wants the subvolume \"@store\"";
    assert_eq!(gives, [expected]);
}
