//! How a disk is known again, when its machine was restarted, or it was plugged in elsewhere.
//!
//! The kernel's own count of disks begins anew with every start, and names are given in the order in which disks
//! are found. What stays is what the disk says of itself: its serial number, its world-wide name, its size. One that
//! says nothing, as many virtual ones, is the same for as long as the machine runs, and then somebody has to say so.

use serde::{Deserialize, Serialize};

use super::Error;
use crate::survey::{Device, Disk};

/// What is known of a disk.
#[derive(Clone, Debug, Eq, Serialize, Deserialize)]
pub struct Known {
    /// How it was named.
    pub device: String,
    /// The number by which the kernel knew it.
    pub number: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its serial number.
    pub serial: Option<String>,
    /// Its world-wide name.
    pub wwn: Option<String>,
    /// How many disks were plugged in before it.
    pub sequence: Option<String>,
    /// Who made it and what it is called.
    pub model: Option<String>,
    /// Whether somebody said that it is the one; not kept.
    #[serde(skip)]
    pub is_vouched: bool,
}

impl PartialEq for Known {
    /// Who vouched for it does not matter.
    fn eq(&self, other: &Self) -> bool {
        let all = |known: &Self| {
            let Self { device, number, size, serial, wwn, sequence, model, is_vouched: _ } = known;
            let names = (device.clone(), number.clone(), *size);
            (names, serial.clone(), wwn.clone(), sequence.clone(), model.clone())
        };
        all(self) == all(other)
    }
}

impl Known {
    /// What a survey knows of the disk that somebody named.
    pub fn of(device: &str, found: &Device) -> Self {
        let identity = &found.identity;
        Self {
            device: device.to_owned(),
            number: identity.number.to_string(),
            size: identity.size.get(),
            serial: identity.serial.clone(),
            wwn: identity.wwn.clone(),
            sequence: identity.sequence.clone(),
            model: found.model.clone(),
            is_vouched: false,
        }
    }

    /// Finds it among the disks of a machine; none where there are none or several that say the same of themselves.
    pub fn find<'d>(&self, disks: &'d [Disk]) -> Option<&'d Disk> {
        let mut same = disks.iter().filter(|disk| {
            let found = Self::of("", &disk.device);
            self.says_something() && self.says_the_same(&found)
        });
        same.next().filter(|_| same.next().is_none())
    }

    /// Refuses another disk, and one of which nobody can tell.
    pub(super) fn must_be(&self, name: &str, now: &Self, is_same_boot: bool) -> Result<(), Error> {
        let is_same_place = self.number == now.number && self.sequence == now.sequence;
        let other =
            || Error::Disk { disk: name.to_owned(), expected: self.words(), found: now.words() };
        if !self.says_the_same(now) {
            return Err(other());
        }
        if self.says_something() || now.is_vouched || (is_same_boot && is_same_place) {
            return Ok(());
        }
        if is_same_boot {
            return Err(other());
        }
        Err(Error::Unsure { disk: name.to_owned(), found: now.words() })
    }

    fn says_something(&self) -> bool {
        self.serial.is_some() || self.wwn.is_some()
    }

    fn says_the_same(&self, other: &Self) -> bool {
        self.size == other.size && self.serial == other.serial && self.wwn == other.wwn
    }

    /// The disk in words: `/dev/sda (1000 bytes, serial S1, number 8:0)`.
    fn words(&self) -> String {
        let mut words = format!("{} ({} bytes", self.device, self.size);
        let said =
            [("serial", &self.serial), ("WWN", &self.wwn), ("number in line", &self.sequence)];
        for (what, value) in said {
            if let Some(value) = value {
                words.push_str(&format!(", {what} {value}"));
            }
        }
        words + &format!(", number {})", self.number)
    }
}
