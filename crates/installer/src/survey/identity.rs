//! How a device is known again after the user was asked.
//!
//! Names are given anew to whatever is plugged in next, so a stick that was exchanged while somebody
//! typed could be written instead. Kernels from 5.15 on count what was plugged in (`diskseq`), which
//! settles it; before, the serial number, the world-wide name, the number and the size have to do.

use std::fmt;
use std::path::Path;

use calve_image_core::units::Bytes;

use super::{DeviceNumber, Host};

/// What two devices do not share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The number by which the kernel knows it.
    pub number: DeviceNumber,
    /// Its size.
    pub size: Bytes,
    /// Its serial number.
    pub serial: Option<String>,
    /// Its world-wide name.
    pub wwn: Option<String>,
    /// How many disks were plugged in before it.
    pub sequence: Option<String>,
}

impl Identity {
    pub(super) fn of(host: &Host, number: DeviceNumber, disk: &Path, size: Bytes) -> Self {
        let attribute = |name: &str| host.attribute(&disk.join(name));
        let mut udev = host.udev(number);
        let serial = udev.remove("ID_SERIAL_SHORT").or_else(|| serial(host, disk));
        let wwn = udev.remove("ID_WWN").or_else(|| attribute("device/wwid"));
        let wwn = wwn.or_else(|| attribute("wwid"));
        Self { number, size, serial, wwn, sequence: attribute("diskseq") }
    }
}

/// The serial number: of a disk itself, or of the USB device that it is a part of.
fn serial(host: &Host, disk: &Path) -> Option<String> {
    if let Some(serial) = host.attribute(&disk.join("serial")) {
        return Some(serial);
    }
    let device = std::fs::canonicalize(disk.join("device")).ok()?;
    for ancestor in device.ancestors() {
        if let Some(serial) = host.attribute(&ancestor.join("serial")) {
            return Some(serial);
        }
        // What comes next on the way is the hub, which has a serial number of its own.
        if ancestor.join("idVendor").exists() {
            return None;
        }
    }
    None
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, size, serial, wwn, sequence } = self;
        write!(f, "{number} of {} bytes", size.get())?;
        for (what, value) in [("serial", serial), ("WWN", wwn), ("number in line", sequence)] {
            if let Some(value) = value {
                write!(f, ", {what} {value}")?;
            }
        }
        Ok(())
    }
}
