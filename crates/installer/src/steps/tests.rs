//! Whole installations as lists: what a dry run shows, to be read as text in review.

use std::collections::BTreeSet;

use calve_image_core::disk::luks2::Kdf;
use calve_image_core::disk::{
    Architecture, DiskSize, Ext4Fill, Fill, Foreign, ForeignFill, Geometry, Given, Keyslots,
    Layout, LuksFill, Partition, PartitionKind, Share, Size, SwapFill, VfatFill,
};
use calve_image_core::epoch::Epoch;
use calve_image_core::ids::Ids;
use calve_image_core::inputs::etc_dir::EtcDir;
use calve_image_core::inputs::fstab::Fstab;
use calve_image_core::inputs::secret_appender::{Appended, Origin};
use calve_image_core::inputs::store_path::StorePath;
use calve_image_core::tree::{TreeBuilder, TreePath};
use calve_image_core::units::{GIB, MIB, SectorSize};

use super::*;

pub(super) fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

pub(super) fn esp() -> Partition {
    let esp = VfatFill { label: Some("ESP".to_owned()), ..VfatFill::new(path("/boot")) };
    let esp = Partition::new("ESP", PartitionKind::Esp, Fill::Vfat(esp));
    Partition { size: Size::Fixed(GIB), ..esp }
}

pub(super) fn ext4(mount: &str) -> Fill {
    Fill::Ext4(Ext4Fill { label: Some("nixos".to_owned()), ..Ext4Fill::new(path(mount)) })
}

pub(super) fn luks(content: Fill) -> Fill {
    let fill = LuksFill {
        name: Some("cryptroot".to_owned()),
        label: Some("it's root".to_owned()),
        sector: SectorSize::B4096,
        kdf: Kdf::default(),
        ..LuksFill::new(content)
    };
    Fill::Luks(Box::new(fill))
}

pub(super) fn swap(name: &str) -> Partition {
    let swap = SwapFill { label: Some("swap".to_owned()), uuid: None };
    let swap = Partition::new(name, PartitionKind::Swap, Fill::Swap(swap));
    Partition { size: Size::Fixed(GIB), ..swap }
}

pub(super) fn rest(name: &str, content: Fill) -> Partition {
    let kind = PartitionKind::Root;
    Partition { size: Size::Rest, ..Partition::new(name, kind, content) }
}

pub(super) fn layout(partitions: Vec<Partition>) -> Layout {
    Layout { size: DiskSize::Fixed(GIB * 16), ..Layout::new(SectorSize::B512, partitions) }
}

pub(super) fn geometry(layout: &Layout) -> Geometry {
    let trees: Vec<_> =
        layout.mounts().iter().map(|_| TreeBuilder::new(Epoch::STORE).build().unwrap()).collect();
    let keyslots = Keyslots { others: 2, ..Keyslots::default() };
    let given = Given {
        trees: &trees,
        ids: &Ids::from_parts(&[b"install"]),
        epoch: Epoch::STORE,
        architecture: Architecture::X86_64,
        keyslots: &keyslots,
    };
    layout.resolve(&given).unwrap()
}

pub(super) fn toplevel() -> StorePath {
    StorePath::from_base_name("22qfp468zx6lkb1b8lll57c5fia9ccgs-nixos-system-web-26.05").unwrap()
}

/// An installation with nothing special about it.
pub(super) fn finish<'a>(
    toplevel: &'a StorePath,
    mounts: &'a [TreePath],
    fstab: &'a Fstab,
) -> Finish<'a> {
    Finish {
        toplevel,
        engine: Engine::NixosInstall,
        etc: EtcDir::Plain,
        mounts,
        fstab,
        host_key: HostKeyWay::Made { path: path("/etc/ssh/ssh_host_ed25519_key") },
        extra_files: 0,
        chown: &[],
        initrd_secrets: &[],
    }
}

/// All steps of an installation on one disk.
fn whole(layout: &Layout, fstab: &str, change: impl FnOnce(Finish<'_>) -> Vec<Step>) -> Vec<Step> {
    let geometry = geometry(layout);
    let fstab = Fstab::parse(fstab, "fstab").unwrap();
    let place = Place {
        name: "main",
        layout,
        geometry: &geometry,
        device: "/dev/disk/by-id/nvme-Samsung_SSD_970_EVO_500GB_S466NX0K123456",
        old: &["nvme0n1p1".to_owned(), "nvme0n1p2".to_owned()],
        fstab: &fstab,
    };
    let mut steps = disk(&place);
    steps.push(copy());
    steps.extend(change(finish(&toplevel(), &layout.mounts(), &fstab)));
    steps.extend(restart(&place.spots()));
    let names: BTreeSet<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names.len(), steps.len(), "the journal knows steps by their names");
    assert!(steps.iter().all(|step| !step.is_volatile || step.destroys.is_none()));
    let guards = |step: &Step| step.commands().iter().any(|command| command.guards.is_some());
    assert!(steps.iter().all(|step| guards(step) == step.destroys.is_some()));
    steps
}

#[test]
fn a_plain_server() {
    let layout = layout(vec![esp(), swap("a \"swap\""), rest("root", ext4("/"))]);
    let steps = whole(&layout, "", |finish| install(&finish).unwrap());
    insta::assert_snapshot!(listing(&steps));
    let programs: Vec<&str> = programs(&steps).into_iter().collect();
    let expected = "findmnt mkdir mkfs.ext4 mkfs.vfat mkswap mount mountpoint nixos-install sfdisk \
                    ssh-keygen swapoff swapon sync systemctl tar udevadm umount wipefs";
    assert_eq!(programs.join(" "), expected.replace("mkdir ", "").replace("tar ", ""));
}

/// Also what tests run.
pub(crate) fn encrypted_server() -> Vec<Step> {
    let layout = layout(vec![esp(), swap("swap"), rest("cryptroot", luks(ext4("/")))]);
    let secret =
        |dest: &str, from: &str| Appended { dest: path(dest), origin: Origin::File(path(from)) };
    let initrd = "/etc/secrets/initrd/ssh_host_ed25519_key";
    let secrets = [
        secret(initrd, initrd),
        secret("/etc/tauthkey", "/var/lib/tailscale auth/key"),
        // Another configuration reads the same.
        secret(initrd, initrd),
    ];
    let chown = ["/home/alice=1000:100".parse().unwrap()];
    whole(&layout, "", |finish| {
        install(&Finish {
            host_key: HostKeyWay::Given {
                path: path("/etc/ssh/ssh_host_ed25519_key"),
                public: "ssh-ed25519 AAAA web".to_owned(),
            },
            extra_files: 2,
            chown: &chown,
            initrd_secrets: &secrets,
            ..finish
        })
        .unwrap()
    })
}

#[test]
fn an_encrypted_server() {
    insta::assert_snapshot!(listing(&encrypted_server()));
}

/// A root in memory, the store on an encrypted volume, and no `nixos-install`.
const IMPERMANENT: &str = "tmpfs / tmpfs mode=0755 0 0\n\
    /dev/mapper/cryptroot /persist ext4 x-initrd.mount 0 1\n\
    /persist/etc/ssh /etc/ssh none bind 0 0\n\
    /nix/keep /var/lib/keep none bind 0 0\n\
    /persist/nix /nix none bind,x-initrd.mount 0 0\n\
    /nix/store/0a1b-motd /etc/motd none bind 0 0\n\
    LABEL=ESP /boot vfat defaults 0 2\n";

#[test]
fn a_root_in_memory_by_our_own_engine() {
    let layout = layout(vec![esp(), rest("cryptroot", luks(ext4("/persist")))]);
    for has_nix_env in [true, false] {
        let steps = whole(&layout, IMPERMANENT, |finish| {
            let host_key = HostKeyWay::Installers { directory: path("/persist/etc/ssh") };
            install(&Finish { engine: Engine::Own { has_nix_env }, host_key, ..finish }).unwrap()
        });
        let from = steps.iter().position(|step| step.phase == Phase::Mount).unwrap();
        let name = if has_nix_env { "impermanent_own_engine" } else { "impermanent_without_nix" };
        insta::assert_snapshot!(name, listing(&steps[from..]));
    }
}

#[test]
fn a_repair_mounts_and_destroys_nothing() {
    let layout = layout(vec![esp(), rest("cryptroot", luks(ext4("/persist")))]);
    let part = |name: &str, id: &str| Named { name: name.to_owned(), id: id.to_owned() };
    let parts = [
        part("ESP", "0a0b0c0d-0000-4000-8000-000000000001"),
        part("cryptroot", "0a0b0c0d-0000-4000-8000-000000000002"),
        part("other", "0a0b0c0d-0000-4000-8000-000000000003"),
    ];
    let existing = Existing { layout: &layout, parts: &parts };
    let fstab = Fstab::parse(IMPERMANENT, "fstab").unwrap();
    let steps = mount(&existing.spots().unwrap(), &fstab);
    assert!(steps.iter().all(|step| step.destroys.is_none() && step.phase == Phase::Mount));
    insta::assert_snapshot!(listing(&steps));
    let spots = |parts: &[Named]| Existing { layout: &layout, parts }.spots();
    let said = spots(&parts[..1]).unwrap_err().to_string();
    assert_eq!(said, "the disk has no partition \"cryptroot\"; its partitions are called \"ESP\"");
    let twice = [parts[0].clone(), parts[0].clone()];
    let said = spots(&twice).unwrap_err().to_string();
    assert_eq!(said, "the disk has more than one partition \"ESP\": expected one");
}

/// XFS for logs, and a btrfs with subvolumes that the system mounts compressed.
pub(super) fn foreign(kind: Foreign, shares: &[(&str, Option<&str>)]) -> Fill {
    let shares = shares.iter().map(|(mount, subvolume)| Share {
        mount: path(mount),
        subvolume: subvolume.map(str::to_owned),
    });
    let label = Some(format!("my {}", kind.word()));
    let (uuid, reserve, shares) = (None, MIB * 256, shares.collect());
    Fill::Foreign(ForeignFill { kind, label, uuid, reserve, shares })
}

/// Mounts of such a system.
pub(super) const SUBVOLUMES: &str = "LABEL=x / btrfs subvol=@,compress=zstd,noatime 0 0\n\
    LABEL=x /home btrfs subvol=/people/@home 0 0\nLABEL=y /var/log xfs defaults 0 0\n";

#[test]
fn subvolumes_and_other_file_systems() {
    let shares = [("/", Some("@")), ("/home", Some("people/@home"))];
    let logs = foreign(Foreign::Xfs, &[("/var/log", None)]);
    let logs =
        Partition { size: Size::Fixed(GIB), ..Partition::new("log", PartitionKind::Linux, logs) };
    let root = rest("root", luks(foreign(Foreign::Btrfs, &shares)));
    let layout = layout(vec![esp(), logs, root]);
    let steps = whole(&layout, SUBVOLUMES, |_| Vec::new());
    let of = |step: &&Step| {
        ["format log", "format root", "mount /", "mount /home", "mount /var/log"]
            .contains(&&*step.name)
    };
    let steps: Vec<Step> = steps.iter().filter(of).cloned().collect();
    insta::assert_snapshot!(listing(&steps));
}

#[test]
fn what_is_kept_where_the_root_is_not() {
    let fstab = Fstab::parse(IMPERMANENT, "fstab").unwrap();
    let mounts = [path("/boot"), path("/persist")];
    for (file, expected) in [
        ("/etc/ssh/ssh_host_ed25519_key", true),
        ("/persist/key", true),
        ("/var/lib/keep/key", true),
        ("/var/lib/key", false),
        ("/etc/secrets/key", false),
    ] {
        assert_eq!(is_kept(&path(file), &mounts, &fstab), expected, "{file}");
    }
    let layout = layout(vec![esp(), rest("cryptroot", luks(ext4("/persist")))]);
    let mut said = String::new();
    whole(&layout, IMPERMANENT, |finish| {
        let host_key = HostKeyWay::Made { path: path("/var/lib/ssh_host_key") };
        said = install(&Finish { host_key, ..finish }).unwrap_err().to_string();
        Vec::new()
    });
    assert!(said.starts_with("/var/lib/ssh_host_key lies on no volume of the layout"), "{said}");
}

#[test]
fn files_that_the_system_would_not_see() {
    let layout = layout(vec![esp(), rest("root", ext4("/"))]);
    let refused = |etc: EtcDir, from: &str| {
        let secrets = [Appended { dest: path("/key"), origin: Origin::File(path(from)) }];
        let mut said = String::new();
        whole(&layout, "", |finish| {
            let finish =
                Finish { etc, initrd_secrets: &secrets, host_key: HostKeyWay::Leave, ..finish };
            match install(&finish) {
                Ok(steps) => said = listing(&steps),
                Err(error) => said = error.to_string(),
            }
            Vec::new()
        });
        said
    };
    let said = refused(EtcDir::Plain, "/run/keys/x");
    assert!(said.contains("the initrd secret /key is read from /run/keys/x, which"), "{said}");
    let said = refused(EtcDir::ImmutableOverlay, "/etc/secrets/x");
    assert!(said.contains("immutable overlay"), "{said}");
    let said = refused(EtcDir::MutableOverlay, "/etc/secrets/x");
    assert!(said.contains("place /mnt/.rw-etc/upper/secrets/x /mnt/.rw-etc/upper"), "{said}");
}
