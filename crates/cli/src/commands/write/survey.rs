//! Which device is meant, and why it must be left alone.

use std::fmt::Write;
use std::fs::File;
use std::path::{Path, PathBuf};

use calve_installer::survey::{Contents, Device, DeviceNumber, Host};
use calve_installer::write::refusal::{self, Allowed, NoDevice, Refusal};
use calve_installer::write::{Error, Image};

use crate::drawing::{self, Column};
use crate::failure::{Failure, Kind};
use crate::write_refusal::way_out;

/// The device, as it is before it is written.
#[derive(Debug)]
pub(super) struct Subject {
    /// What was typed.
    pub(super) path: PathBuf,
    /// What it is.
    pub(super) device: Device,
    /// What is on it.
    pub(super) contents: Contents,
    host: Host,
    allowed: Allowed,
}

impl Subject {
    /// Looks at the device that a path leads to.
    pub(super) fn find(path: &Path, partition: bool) -> Result<Self, Failure> {
        let host = Host::running();
        let device = Device::of(&host, number(path)?)?;
        // Who may not read it still sees what the kernel and udev say.
        let file = File::open(path).ok();
        let contents = Contents::of(&host, &device, file.as_ref());
        Ok(Self { path: path.to_owned(), device, contents, host, allowed: Allowed { partition } })
    }

    /// Refuses what must not be written.
    pub(super) fn refuse(&self, image: &Image) -> Result<(), Failure> {
        let refusals = refusal::refusals(&self.host, &self.device, image, self.allowed)?;
        if refusals.is_empty() { Ok(()) } else { Err(refused(&self.path, &refusals)) }
    }

    /// Looks again, and refuses a device that is not the one that was shown.
    pub(super) fn check_again(&self, image: &Image, opened: DeviceNumber) -> Result<(), Failure> {
        let now = Device::of(&self.host, opened)?;
        let (expected, found) = (&self.device.identity, &now.identity);
        if expected != found {
            let (expected, found) = (expected.to_string(), found.to_string());
            return Err(Error::Changed { path: self.path.clone(), expected, found }.into());
        }
        let now = refusal::refusals(&self.host, &now, image, self.allowed)?;
        if now.is_empty() { Ok(()) } else { Err(refused(&self.path, &now)) }
    }

    /// Whether a path, or a name, is this device.
    pub(super) fn is(&self, named: &Path) -> bool {
        named.to_str() == Some(&self.device.name)
            || refusal::number(named).is_ok_and(|number| number == self.device.number)
    }

    /// What the kernel says of it now.
    pub(super) fn again(&self) -> Result<Device, Failure> {
        Ok(Device::of(&self.host, self.device.number)?)
    }
}

/// The number of a device, or which path out there is.
fn number(path: &Path) -> Result<DeviceNumber, Failure> {
    refusal::number(path).map_err(|error| {
        let shown = path.display();
        let hint = match &error {
            NoDevice::Missing { .. } => {
                "calve write IMAGE lists the disks that there are".to_owned()
            }
            NoDevice::Other { found: "regular file", .. } => {
                format!("to make a file of an image: cp IMAGE {shown}")
            }
            NoDevice::Other { .. } => "name a disk, such as /dev/sdb".to_owned(),
            NoDevice::Unreadable { .. } => return Failure::new(Kind::Failed, error),
        };
        Failure::new(Kind::Usage, error).hint(hint)
    })
}

/// All refusals at once, each with its way out.
fn refused(path: &Path, refusals: &[Refusal]) -> Failure {
    let mut note = String::new();
    for refusal in refusals {
        // Writing to a string cannot fail.
        let _ = writeln!(note, "  {refusal}\n    {}", way_out(refusal));
    }
    let message = format!("{} must not be written", path.display());
    Failure::new(Kind::Refused, message).note(note)
}

/// What to name: all disks, with the reasons against some.
pub(super) fn no_device(image: &Image) -> Failure {
    let host = Host::running();
    let failure = Failure::usage("expected a DEVICE to write to");
    let Ok(disks) = Device::disks(&host) else { return failure };
    let mut rows = Vec::new();
    for disk in disks {
        let refusals = refusal::refusals(&host, &disk, image, Allowed::default());
        let why = match refusals.as_deref() {
            Ok([]) => String::new(),
            Ok([first, ..]) => first.to_string(),
            Err(error) => error.to_string(),
        };
        rows.push(vec![
            format!("/dev/{}", disk.name),
            disk.size.to_string(),
            disk.bus.unwrap_or_default().to_owned(),
            disk.model.unwrap_or_default(),
            why,
        ]);
    }
    let columns = [Column::Left, Column::Right, Column::Left, Column::Left, Column::Left];
    failure.note(format!("the disks of this machine:\n{}", drawing::table(&columns, &rows)))
}
