//! What a machine says of its devices, and which of them are refused for what.

use super::copying::{Sample, disk};
use super::systems::System;
use crate::survey::{Contents, Device, Use, uses};
use crate::write::refusal::{self, Allowed, NoDevice, about};
use crate::write::{Bytes, Image};
use calve_image_core::units::SectorSize;

fn refusals(system: &System, name: &str) -> Vec<String> {
    let device = system.device(name);
    let found = about(&system.host(), &device, Allowed::default()).unwrap();
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn everything_that_is_in_use_is_refused_for_its_reason() {
    let system = System::new();
    for (name, expected) in [
        // A stick that nobody uses.
        ("sda", &[][..]),
        // LVM on LUKS on a partition holds the root, and swap and /boot lie beside it.
        (
            "nvme0n1",
            &[
                "nvme0n1p1 holds /boot of the running system",
                "nvme0n1p2 \u{2192} dm-0 (cryptroot) \u{2192} dm-1 (vg-root) holds / of the running system",
                // What is written to the overlay lies there.
                "nvme0n1p2 \u{2192} dm-0 (cryptroot) \u{2192} dm-1 (vg-root) holds /nix/store of the running system",
                "nvme0n1p2 \u{2192} dm-0 (cryptroot) \u{2192} dm-1 (vg-root) holds /usr of the running system",
                "nvme0n1p3 is used as swap",
            ],
        ),
        (
            "dm-1",
            &[
                "dm-1 holds / of the running system",
                "dm-1 holds /nix/store of the running system",
                "dm-1 holds /usr of the running system",
            ],
        ),
        // Both halves of an array that nobody mounts.
        ("sdb", &["sdb1 \u{2192} md127 is set up"]),
        ("sdc", &["sdc1 \u{2192} md127 is set up"]),
        ("md127", &[]),
        // The store is an overlay over a squashfs in a file on it.
        ("sdd", &["sdd1 holds /nix/store of the running system", "sdd1 is mounted at /iso"]),
        // Two devices of one btrfs, of which only one is named as mounted.
        ("sde", &["sde is mounted at /data", "sde is a device of the mounted file system 0b1c"]),
        ("sdf", &["sdf is a device of the mounted file system 0b1c"]),
        ("sdg", &["sdg holds no medium"]),
        ("sdh", &["sdh \u{2192} loop1 is set up"]),
        ("mmcblk0", &["mmcblk0p2 is mounted at /media/my card", "mmcblk0p2 is used as swap"]),
        ("sr0", &["sr0 is an optical drive: discs are burnt, not written"]),
        ("zram0", &["zram0 is used as swap"]),
        (
            "loop0",
            &["loop0 holds /nix/store of the running system", "loop0 is mounted at /nix/.ro-store"],
        ),
        ("sda1", &["sda1 is a partition of sda: expected a whole disk"]),
        (
            "nvme0n1p3",
            &[
                "nvme0n1p3 is a partition of nvme0n1: expected a whole disk",
                "nvme0n1p3 is used as swap",
            ],
        ),
    ] {
        assert_eq!(refusals(&system, name), expected, "{name}");
    }
    let allowed = Allowed { partition: true };
    let partition = system.device("sda1");
    assert_eq!(about(&system.host(), &partition, allowed).unwrap(), []);
}

#[test]
fn what_is_protected_or_zoned_is_refused() {
    let system = System::new();
    let switch = "/sys/block/sda/ro";
    system.put(switch, "1\n");
    assert_eq!(refusals(&system, "sda"), ["sda is write-protected"]);
    // A partition is protected by its disk's switch.
    assert_eq!(refusals(&system, "sda1").last().unwrap(), "sda1 is write-protected");
    system.put(switch, "0\n");
    system.put("/sys/block/sda/queue/zoned", "host-managed\n");
    assert_eq!(
        refusals(&system, "sda"),
        ["sda is a zoned disk: it cannot be written at any place"]
    );
}

#[test]
fn an_image_has_to_fit() {
    let (system, sample) = (System::new(), Sample::new());
    let small = Device { size: Bytes::new(9_437_184 - 512), ..system.device("sda") };
    let refused = |sector, device: &Device| -> Vec<String> {
        let image = Image::open(&sample.write(&disk(sector))).unwrap();
        let found = refusal::refusals(&system.host(), device, &image, Allowed::default());
        found.unwrap().iter().map(ToString::to_string).collect()
    };
    assert_eq!(refused(SectorSize::B512, &system.device("sda")), [] as [&str; 0]);
    assert_eq!(
        refused(SectorSize::B512, &small),
        ["the image has 9 MiB (9437184 bytes), sda only 8.9 MiB: 512 bytes are missing"]
    );
    assert_eq!(
        refused(SectorSize::B4096, &system.device("sda")),
        ["the image counts in sectors of 4096 bytes, sda in sectors of 512"]
    );
}

#[test]
fn devices_are_described() {
    let system = System::new();
    let told = |name: &str| {
        let device = system.device(name);
        (device.model, device.bus, device.identity.serial)
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(told("sda"), (some("SanDisk Ultra"), Some("USB"), some("4C530001")));
    assert_eq!(
        told("nvme0n1"),
        (some("Samsung SSD 970 EVO 500GB"), Some("NVMe"), some("S466NX0K123456"))
    );
    assert_eq!(told("sdb"), (some("WDC WD10EZEX-08W"), Some("SATA"), None));
    assert_eq!(told("mmcblk0"), (some("SD32G"), Some("MMC"), some("0x12345678")));
    assert_eq!(told("dm-0"), (some("cryptroot"), Some("virtual"), None));
    // Not the serial number of the hub.
    assert_eq!(told("sdh").2, None);
    let parts = system.device("nvme0n1").partitions;
    let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names, ["nvme0n1p1", "nvme0n1p2", "nvme0n1p3"]);
    assert_eq!(parts[0].start, Bytes::new(1 << 20));
    let disks = Device::disks(&system.host()).unwrap();
    assert!(disks.iter().all(|disk| disk.name != "sdg"), "it holds no medium");
    assert_eq!(disks.len(), 16);
}

#[test]
fn what_udev_noted_is_told_where_nothing_can_be_read() {
    let system = System::new();
    system.put(
        "/run/udev/data/b8:1",
        "S:disk/by-label/DATA\nE:ID_FS_TYPE=exfat\nE:ID_FS_LABEL=DATA\n",
    );
    system.put("/run/udev/data/b8:0", "E:ID_SERIAL_SHORT=FROM_UDEV\nE:ID_WWN=0x5000\n");
    let device = system.device("sda");
    let contents = Contents::of(&system.host(), &device, None);
    let [found] = contents.partitions.as_slice() else { panic!("{contents:?}") };
    let holds = found.holds.as_ref().unwrap();
    assert_eq!((found.title.as_str(), holds.format.as_str()), ("sda1", "exfat"));
    assert_eq!(holds.label.as_deref(), Some("DATA"));
    let identity = device.identity;
    assert_eq!(identity.serial.as_deref(), Some("FROM_UDEV"));
    assert_eq!(identity.to_string(), "8:0 of 30752000000 bytes, serial FROM_UDEV, WWN 0x5000");
}

#[test]
fn another_stick_is_another_device() {
    let system = System::new();
    system.put("/sys/block/sda/diskseq", "7\n");
    let before = system.device("sda").identity;
    assert_eq!(system.device("sda").identity, before);
    system.put("/sys/block/sda/diskseq", "8\n");
    assert_ne!(system.device("sda").identity, before);
}

#[test]
fn contents_are_told_from_the_device_itself() {
    let (system, sample) = (System::new(), Sample::new());
    let mut bytes = disk(SectorSize::B512);
    bytes[(1 << 20) + 512..(1 << 20) + 520].copy_from_slice(b"LABELONE");
    let file = std::fs::File::open(sample.write(&bytes)).unwrap();
    let contents = Contents::of(&system.host(), &system.device("sda"), Some(&file));
    assert_eq!((contents.table, contents.whole), (Some("GPT"), None));
    let [found] = contents.partitions.as_slice() else { panic!("{:?}", contents.partitions) };
    // The kernel calls what begins there sda1.
    assert_eq!((found.title.as_str(), found.name.as_deref()), ("sda1", Some("n\u{f6}")));
    assert_eq!(found.holds.as_ref().unwrap().format, "LVM2_member");
}

#[test]
fn what_is_no_device_is_told() {
    let sample = Sample::new();
    let path = sample.write(b"");
    let other = |path: &std::path::Path| match refusal::number(path) {
        Err(NoDevice::Other { found, .. }) => found,
        other => panic!("{other:?}"),
    };
    assert_eq!(other(&path), "regular file");
    assert_eq!(other(path.parent().unwrap()), "directory");
    assert_eq!(other("/dev/null".as_ref()), "character device");
    assert!(matches!(refusal::number(&path.join("x")), Err(NoDevice::Unreadable { .. })));
    let missing = path.with_extension("gone");
    assert!(matches!(refusal::number(&missing), Err(NoDevice::Missing { .. })));
}

#[test]
fn what_cannot_be_read_is_no_permission() {
    let system = System::new();
    system.put("/sys/block/sda/size", "many\n");
    let number = "8:0".parse().unwrap();
    let failed = Device::of(&system.host(), number).unwrap_err().to_string();
    assert!(failed.ends_with("expected a number, found \"many\""), "{failed}");
    assert!(Device::of(&system.host(), "8:240".parse().unwrap()).is_err());
}

#[test]
fn uses_are_sorted_by_place() {
    let system = System::new();
    let found = uses::uses(&system.host(), &system.device("mmcblk0")).unwrap();
    let swap = Use::Swap("/media/my card/swapfile".into());
    assert_eq!(found.last().unwrap().by, swap);
}
