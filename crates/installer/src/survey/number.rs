//! The number by which the kernel knows a block device.

use std::fmt;
use std::str::FromStr;

/// Which driver, and which of its devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceNumber {
    /// The driver.
    pub major: u32,
    /// The device.
    pub minor: u32,
}

/// A text that is no device number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected MAJOR:MINOR")]
pub struct ParseNumberError;

impl DeviceNumber {
    /// Reads a number as `stat` gives it.
    pub fn from_raw(raw: u64) -> Self {
        Self { major: rustix::fs::major(raw), minor: rustix::fs::minor(raw) }
    }
}

impl fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

impl FromStr for DeviceNumber {
    type Err = ParseNumberError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (major, minor) = text.split_once(':').ok_or(ParseNumberError)?;
        let number = |text: &str| text.parse().map_err(|_| ParseNumberError);
        Ok(Self { major: number(major)?, minor: number(minor)? })
    }
}
