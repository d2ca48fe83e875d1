//! The disks attached to a machine.
//!
//! The format is told by the image's first bytes, never by its name, and passed to QEMU
//! explicitly: a raw image whose guest wrote a qcow2 header is refused here rather than trusted
//! there. Writes go to a throw-away overlay (`snapshot=on`) unless the disk persists, so a
//! read-only image can be booted too. QEMU reads other formats; this module knows raw and qcow2.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// One disk of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The image file or block device, absolute.
    pub path: PathBuf,
    /// How the image is stored.
    pub format: Format,
    /// How the guest sees it.
    pub bus: Bus,
    /// Where writes go.
    pub write: Write,
    /// The size of a sector in the guest; a CD always has 2048.
    pub sector_size: SectorSize,
    /// The size the guest sees, in bytes, when it is to be larger than the image.
    pub grown_to: Option<u64>,
    /// What holds the image.
    pub backing: Backing,
}

/// How an image is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The disk's own bytes.
    Raw,
    /// QEMU's copy-on-write format.
    Qcow2,
}

/// How a disk is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bus {
    /// A virtio block device, `/dev/vda`.
    #[default]
    VirtioBlk,
    /// An NVMe drive, `/dev/nvme0n1`.
    Nvme,
    /// A CD in a SCSI drive, `/dev/sr0`; read-only.
    ScsiCd,
    /// A USB stick.
    Usb,
}

/// Where a guest's writes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Write {
    /// Into an overlay that vanishes with the machine.
    #[default]
    Throwaway,
    /// Into the image.
    Persist,
}

/// The size of a sector as the guest sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SectorSize {
    /// 512 bytes.
    #[default]
    B512,
    /// 4096 bytes ("4Kn").
    B4096,
}

/// What holds an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backing {
    /// A regular file.
    File,
    /// A block device of the host.
    Device,
}

/// Why a disk cannot be attached.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image cannot be opened or read.
    #[error("disk image {} cannot be read", path.display())]
    Unreadable {
        /// The image.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Neither a regular file nor a block device.
    #[error("disk image {} is neither a file nor a block device", path.display())]
    NotADisk {
        /// The path.
        path: PathBuf,
    },
    /// QEMU would show a disk that is not a whole number of sectors with its tail cut off.
    #[error("disk image {} has {size} bytes, which is not a whole number of 512-byte sectors", path.display())]
    OddSize {
        /// The image.
        path: PathBuf,
        /// Its size.
        size: u64,
    },
}

/// The first bytes of a qcow2 image: `QFI\xfb` (docs/interop/qcow2.rst of QEMU's source).
const QCOW2_MAGIC: [u8; 4] = *b"QFI\xfb";

impl Disk {
    /// Looks at an image and describes it as a virtio disk with a throw-away overlay.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
        let absolute = path.canonicalize().map_err(unreadable)?;
        let mut file = File::open(&absolute).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        let backing = if metadata.is_file() {
            Backing::File
        } else if metadata.file_type().is_block_device() {
            Backing::Device
        } else {
            return Err(Error::NotADisk { path: path.to_owned() });
        };
        let mut magic = Vec::new();
        file.by_ref().take(4).read_to_end(&mut magic).map_err(unreadable)?;
        let format = if magic == QCOW2_MAGIC { Format::Qcow2 } else { Format::Raw };
        if backing == Backing::File
            && format == Format::Raw
            && (metadata.len() == 0 || !metadata.len().is_multiple_of(512))
        {
            return Err(Error::OddSize { path: path.to_owned(), size: metadata.len() });
        }
        Ok(Self {
            path: absolute,
            format,
            bus: Bus::default(),
            write: Write::default(),
            sector_size: SectorSize::default(),
            grown_to: None,
            backing,
        })
    }

    /// The name of the drive with this index, on QEMU's command line and over QMP.
    pub(crate) fn drive(index: usize) -> String {
        format!("disk{index}")
    }

    /// The arguments that attach this disk.
    pub(crate) fn arguments(&self, slot: Slot) -> Vec<OsString> {
        let drive = Self::drive(slot.index);
        let mut arguments = self.controller(slot.index);
        arguments.push("-drive".into());
        arguments.push(self.drive_value(&drive));
        arguments.push("-device".into());
        arguments.push(self.device_value(&drive, slot).into());
        arguments
    }

    fn drive_value(&self, drive: &str) -> OsString {
        let format = match self.format {
            Format::Raw => "raw",
            Format::Qcow2 => "qcow2",
        };
        let driver = match self.backing {
            Backing::File => "file",
            Backing::Device => "host_device",
        };
        // Naming the file driver keeps QEMU from reading `nbd:` and the like into a file name.
        let mut value = OsString::from(format!("if=none,id={drive},format={format}"));
        value.push(match (self.bus, self.write) {
            (Bus::ScsiCd, _) => ",readonly=on,media=cdrom",
            (_, Write::Throwaway) => ",snapshot=on",
            (_, Write::Persist) => ",cache=writeback",
        });
        value.push(format!(",file.driver={driver},file.filename="));
        value.push(escaped(&self.path));
        value
    }

    fn controller(&self, index: usize) -> Vec<OsString> {
        match self.bus {
            Bus::VirtioBlk | Bus::Nvme => Vec::new(),
            Bus::ScsiCd => vec!["-device".into(), format!("virtio-scsi-pci,id=scsi{index}").into()],
            Bus::Usb => vec!["-device".into(), format!("qemu-xhci,id=usb{index}").into()],
        }
    }

    fn device_value(&self, drive: &str, Slot { index, is_booted }: Slot) -> String {
        let device = match self.bus {
            Bus::VirtioBlk => "virtio-blk-pci".to_owned(),
            Bus::Nvme => format!("nvme,serial={drive}"),
            Bus::ScsiCd => format!("scsi-cd,bus=scsi{index}.0"),
            Bus::Usb => format!("usb-storage,bus=usb{index}.0,removable=on"),
        };
        let sectors = match (self.bus, self.sector_size) {
            (Bus::ScsiCd, _) | (_, SectorSize::B512) => "",
            (_, SectorSize::B4096) => ",logical_block_size=4096,physical_block_size=4096",
        };
        let order = if is_booted { format!(",bootindex={index}") } else { String::new() };
        format!("{device},drive={drive}{order}{sectors}")
    }
}

/// Where a disk is attached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    /// Its number among the machine's disks.
    pub(crate) index: usize,
    /// Whether firmware tries it. A kernel of QEMU's own is the first in the boot order, and two devices
    /// may not have one place there.
    pub(crate) is_booted: bool,
}

/// A path as a value in QEMU's `key=value,…` lists, where a comma is written twice.
pub(crate) fn escaped(path: &Path) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut bytes = Vec::new();
    for &byte in path.as_os_str().as_bytes() {
        bytes.push(byte);
        if byte == b',' {
            bytes.push(byte);
        }
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn image(name: &str, bytes: &[u8]) -> (tempfile::TempDir, Disk) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let disk = Disk::open(&path).unwrap();
        (dir, disk)
    }

    fn text(disk: &Disk, index: usize) -> String {
        let dir = disk.path.parent().unwrap().to_str().unwrap();
        let arguments: Vec<String> = disk
            .arguments(Slot { index, is_booted: true })
            .into_iter()
            .map(|word| word.into_string().unwrap())
            .collect();
        arguments.join(" ").replace(dir, "DIR")
    }

    #[test]
    fn format_comes_from_the_bytes_not_the_name() {
        let (_dir, disk) = image("x.raw", b"QFI\xfb\0\0\0\x03");
        assert_eq!(disk.format, Format::Qcow2);
        let (_dir, disk) = image("x.qcow2", &[0; 512]);
        assert_eq!(disk.format, Format::Raw);
    }

    #[test]
    fn what_is_no_disk_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Disk::open(dir.path()), Err(Error::NotADisk { .. })));
        assert!(matches!(Disk::open(dir.path().join("no")), Err(Error::Unreadable { .. })));
        let odd = dir.path().join("odd");
        std::fs::write(&odd, [0; 700]).unwrap();
        assert!(matches!(Disk::open(&odd), Err(Error::OddSize { size: 700, .. })));
    }

    #[test]
    fn every_bus_has_its_arguments() {
        let (_dir, disk) = image("a,b.raw", &[0; 512]);
        assert_eq!(
            text(&disk, 0),
            "-drive if=none,id=disk0,format=raw,snapshot=on,file.driver=file,\
             file.filename=DIR/a,,b.raw -device virtio-blk-pci,drive=disk0,bootindex=0"
        );
        let nvme = Disk {
            bus: Bus::Nvme,
            write: Write::Persist,
            sector_size: SectorSize::B4096,
            ..disk.clone()
        };
        assert_eq!(
            text(&nvme, 1),
            "-drive if=none,id=disk1,format=raw,cache=writeback,file.driver=file,\
             file.filename=DIR/a,,b.raw -device nvme,serial=disk1,drive=disk1,bootindex=1,\
             logical_block_size=4096,physical_block_size=4096"
        );
        let cd = Disk { bus: Bus::ScsiCd, ..disk.clone() };
        assert_eq!(
            text(&cd, 2),
            "-device virtio-scsi-pci,id=scsi2 -drive if=none,id=disk2,format=raw,readonly=on,\
             media=cdrom,file.driver=file,file.filename=DIR/a,,b.raw \
             -device scsi-cd,bus=scsi2.0,drive=disk2,bootindex=2"
        );
        let usb = Disk { bus: Bus::Usb, ..disk };
        assert!(text(&usb, 0).contains("-device usb-storage,bus=usb0.0,removable=on,drive=disk0"));
    }
}
