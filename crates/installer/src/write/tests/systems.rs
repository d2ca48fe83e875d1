//! A machine that has one of everything, as its kernel describes it.
//!
//! Names, numbers and the shape of `/sys` are those of real machines; only what is read is there.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::survey::{Device, Host};

/// Files below a directory of their own.
pub(crate) struct System {
    directory: tempfile::TempDir,
}

/// Disks: name, number, sectors of 512 bytes, where they hang below `/sys/devices`.
const DISKS: [(&str, &str, u64, &str); 17] = [
    ("nvme0n1", "259:0", 1_000_215_216, "pci0000:00/0000:00:1d.0/0000:3d:00.0/nvme/nvme0"),
    (
        "sda",
        "8:0",
        60_062_500,
        "pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host2/target2:0:0/2:0:0:0/block",
    ),
    ("sdb", "8:16", 1_953_525_168, "pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block"),
    ("sdc", "8:32", 1_953_525_168, "pci0000:00/0000:00:17.0/ata2/host1/target1:0:0/1:0:0:0/block"),
    ("sdd", "8:48", 4_000_000, "pci0000:00/0000:00:17.0/ata3/host3/target3:0:0/3:0:0:0/block"),
    ("sde", "8:64", 4_000_000, "pci0000:00/0000:00:17.0/ata4/host4/target4:0:0/4:0:0:0/block"),
    ("sdf", "8:80", 4_000_000, "pci0000:00/0000:00:17.0/ata5/host5/target5:0:0/5:0:0:0/block"),
    ("sdg", "8:96", 0, "pci0000:00/0000:00:14.0/usb2/2-2/2-2:1.0/host6/target6:0:0/6:0:0:0/block"),
    (
        "sdh",
        "8:112",
        4_000_000,
        "pci0000:00/0000:00:14.0/usb2/2-3/2-3:1.0/host7/target7:0:0/7:0:0:0/block",
    ),
    ("mmcblk0", "179:0", 62_333_952, "platform/soc/mmc_host/mmc0/mmc0:aaaa/block"),
    ("sr0", "11:0", 4_000, "pci0000:00/0000:00:17.0/ata6/host8/target8:0:0/8:0:0:0/block"),
    ("zram0", "253:0", 8_388_608, "virtual/block"),
    ("loop0", "7:0", 2_000_000, "virtual/block"),
    ("loop1", "7:1", 4_000_000, "virtual/block"),
    ("dm-0", "254:0", 900_000_000, "virtual/block"),
    ("dm-1", "254:1", 800_000_000, "virtual/block"),
    ("md127", "9:127", 1_953_000_000, "virtual/block"),
];

/// Partitions: disk, name, number, index, start and size in sectors of 512 bytes.
const PARTITIONS: [(&str, &str, &str, u64, u64, u64); 9] = [
    ("nvme0n1", "nvme0n1p1", "259:1", 1, 2_048, 1_048_576),
    ("nvme0n1", "nvme0n1p2", "259:2", 2, 1_050_624, 900_000_000),
    ("nvme0n1", "nvme0n1p3", "259:3", 3, 901_050_624, 16_000_000),
    ("sda", "sda1", "8:1", 1, 2_048, 60_000_000),
    ("sdb", "sdb1", "8:17", 1, 2_048, 1_953_000_000),
    ("sdc", "sdc1", "8:33", 1, 2_048, 1_953_000_000),
    ("sdd", "sdd1", "8:49", 1, 2_048, 3_000_000),
    ("mmcblk0", "mmcblk0p1", "179:1", 1, 8_192, 524_288),
    ("mmcblk0", "mmcblk0p2", "179:2", 2, 532_480, 60_000_000),
];

/// What is made of what.
const HOLDERS: [(&str, &str); 4] =
    [("nvme0n1p2", "dm-0"), ("dm-0", "dm-1"), ("sdb1", "md127"), ("sdc1", "md127")];

/// Other files.
const FILES: [(&str, &str); 16] = [
    ("/sys/block/nvme0n1/device/model", "Samsung SSD 970 EVO 500GB               \n"),
    ("/sys/block/nvme0n1/device/serial", "S466NX0K123456 \n"),
    ("/sys/block/nvme0n1/wwid", "eui.0025385b71b0a1b2\n"),
    ("/sys/block/sda/device/vendor", "SanDisk \n"),
    ("/sys/block/sda/device/model", "Ultra           \n"),
    ("/sys/block/sdb/device/vendor", "ATA     \n"),
    ("/sys/block/sdb/device/model", "WDC WD10EZEX-08W\n"),
    ("/sys/block/mmcblk0/device/name", "SD32G\n"),
    ("/sys/block/mmcblk0/device/serial", "0x12345678\n"),
    ("/sys/block/sr0/device/type", "5\n"),
    ("/sys/block/dm-0/dm/name", "cryptroot\n"),
    ("/sys/block/dm-1/dm/name", "vg-root\n"),
    ("/sys/block/loop0/loop/backing_file", "/iso/nix-store.squashfs\n"),
    ("/sys/block/loop1/loop/backing_file", "/dev/sdh\n"),
    (
        "/proc/swaps",
        "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n\
         /dev/nvme0n1p3                          partition\t8000000\t\t0\t\t-2\n\
         /dev/zram0                              partition\t4194300\t\t0\t\t5\n\
         /media/my\\040card/swapfile              file\t\t1000\t\t0\t\t-3\n",
    ),
    (
        "/proc/self/mountinfo",
        "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/mapper/vg-root rw\n\
         23 22 0:5 / /dev rw,nosuid shared:2 - devtmpfs devtmpfs rw,size=4k\n\
         24 22 259:1 / /boot rw,relatime shared:3 - vfat /dev/nvme0n1p1 rw,fmask=0022\n\
         25 22 0:40 / /data rw,relatime shared:4 - btrfs /dev/sde rw,space_cache=v2,subvol=/\n\
         26 22 179:2 / /media/my\\040card rw,relatime shared:5 - ext4 /dev/mmcblk0p2 rw\n\
         27 22 0:41 / /nix/store rw,relatime - overlay overlay rw,lowerdir=/nix/.ro-store,upperdir=/nix/.rw-store/store,workdir=/nix/.rw-store/work\n\
         28 22 7:0 / /nix/.ro-store ro,relatime - squashfs /dev/loop0 ro\n\
         29 22 8:49 / /iso ro,relatime - iso9660 /dev/disk/by-label/NIXOS ro\n",
    ),
];

impl System {
    pub(crate) fn new() -> Self {
        let system = Self { directory: tempfile::tempdir().unwrap() };
        for (name, number, sectors, place) in DISKS {
            let node = PathBuf::from("devices").join(place).join(name);
            system.node(&node, name, number, sectors);
            system.put(&format!("/sys/{}/queue/logical_block_size", node.display()), "512\n");
            system.put(&format!("/sys/{}/removable", node.display()), "0\n");
            system.link(&format!("/sys/block/{name}"), &node);
        }
        for (disk, name, number, index, start, sectors) in PARTITIONS {
            let place = DISKS.iter().find(|(name, ..)| *name == disk).unwrap().3;
            let node = PathBuf::from("devices").join(place).join(disk).join(name);
            system.node(&node, name, number, sectors);
            system.put(&format!("/sys/{}/partition", node.display()), &format!("{index}\n"));
            system.put(&format!("/sys/{}/start", node.display()), &format!("{start}\n"));
        }
        for (below, above) in HOLDERS {
            let node = fs::canonicalize(system.path(&format!("/sys/class/block/{below}"))).unwrap();
            let above =
                fs::canonicalize(system.path(&format!("/sys/class/block/{above}"))).unwrap();
            fs::create_dir_all(node.join("holders")).unwrap();
            symlink(&above, node.join("holders").join(above.file_name().unwrap())).unwrap();
            fs::create_dir_all(above.join("slaves")).unwrap();
            symlink(&node, above.join("slaves").join(below)).unwrap();
        }
        for (path, text) in FILES {
            system.put(path, text);
        }
        let btrfs = "/sys/fs/btrfs/0b1c/devices";
        for member in ["sde", "sdf"] {
            let place = DISKS.iter().find(|(name, ..)| *name == member).unwrap().3;
            system
                .link(&format!("{btrfs}/{member}"), &Path::new("devices").join(place).join(member));
        }
        // The stick's serial number belongs to the USB device, and the hub has one, too.
        let usb = "/sys/devices/pci0000:00/0000:00:14.0/usb2";
        system.put(&format!("{usb}/serial"), "0000:00:14.0\n");
        system.put(&format!("{usb}/2-1/serial"), "4C530001\n");
        system.put(&format!("{usb}/2-1/idVendor"), "0781\n");
        system.put(&format!("{usb}/2-3/idVendor"), "0781\n");
        for (name, device) in [
            ("sda", "2-1/2-1:1.0/host2/target2:0:0/2:0:0:0"),
            ("sdh", "2-3/2-3:1.0/host7/target7:0:0/7:0:0:0"),
        ] {
            let attributes = system.path(&format!("/sys/block/{name}/device"));
            let real = system.path(&format!("{usb}/{device}"));
            for file in ["vendor", "model"] {
                // What was put below the disk belongs to what it is a disk of.
                let _ = fs::rename(attributes.join(file), real.join(file));
            }
            let _ = fs::remove_dir_all(&attributes);
            symlink(&real, &attributes).unwrap();
        }
        system
    }

    fn node(&self, node: &Path, name: &str, number: &str, sectors: u64) {
        let node_text = node.display();
        self.put(&format!("/sys/{node_text}/dev"), &format!("{number}\n"));
        self.put(&format!("/sys/{node_text}/size"), &format!("{sectors}\n"));
        self.put(&format!("/sys/{node_text}/ro"), "0\n");
        self.link(&format!("/sys/dev/block/{number}"), node);
        self.link(&format!("/sys/class/block/{name}"), node);
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path.trim_start_matches('/'))
    }

    /// Writes a file.
    pub(crate) fn put(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn link(&self, path: &str, node: &Path) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(self.path("/sys").join(node), path).unwrap();
    }

    pub(crate) fn host(&self) -> Host {
        Host::below(self.directory.path())
    }

    pub(crate) fn device(&self, name: &str) -> Device {
        let number = fs::read_to_string(self.path(&format!("/sys/class/block/{name}/dev")));
        Device::of(&self.host(), number.unwrap().trim().parse().unwrap()).unwrap()
    }
}
