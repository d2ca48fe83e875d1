//! Sizes that say what they count.
//!
//! Every size and offset in this crate is a [`Bytes`]. Writers that count blocks, clusters or
//! inodes keep newtypes of their own and convert at their border. Arithmetic saturates: a plan
//! refuses sizes beyond [`Bytes::MAX`], so a saturated sum is an error there and never a wrong
//! offset. This module does not round for display and back; [`Bytes::parse`] is exact.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Range, Sub};

/// A number of bytes: a size, or an offset from the start of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(u64);

/// 1,024 bytes.
pub const KIB: Bytes = Bytes(1 << 10);
/// 1,048,576 bytes.
pub const MIB: Bytes = Bytes(1 << 20);
/// 1,073,741,824 bytes.
pub const GIB: Bytes = Bytes(1 << 30);

impl Bytes {
    /// No bytes.
    pub const ZERO: Self = Self(0);

    /// The largest size of a file or device: `off_t` is signed.
    pub const MAX: Self = Self(i64::MAX.unsigned_abs());

    /// Counts `count` bytes.
    pub const fn new(count: u64) -> Self {
        Self(count)
    }

    /// Counts the bytes of something held in memory.
    pub fn of(data: &[u8]) -> Self {
        Self::from_len(data.len())
    }

    /// Converts a length in memory.
    pub fn from_len(len: usize) -> Self {
        Self(u64::try_from(len).unwrap_or(u64::MAX))
    }

    /// Returns the bare number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Converts to a length in memory; `None` where it does not fit the address space.
    pub fn to_len(self) -> Option<usize> {
        usize::try_from(self.0).ok()
    }

    /// Tells whether nothing is counted.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Rounds up to a multiple of `unit`; `unit` is not zero.
    pub const fn align_up(self, unit: Self) -> Self {
        match self.0.checked_next_multiple_of(unit.0) {
            Some(rounded) => Self(rounded),
            None => Self(u64::MAX),
        }
    }

    /// Rounds down to a multiple of `unit`; `unit` is not zero.
    pub const fn align_down(self, unit: Self) -> Self {
        Self(self.0 - self.0 % unit.0)
    }

    /// Tells whether this is a whole number of `unit`s.
    pub const fn is_multiple_of(self, unit: Self) -> bool {
        self.0.is_multiple_of(unit.0)
    }

    /// Counts the `unit`s that hold this many bytes, the last one perhaps in part.
    pub const fn div_ceil(self, unit: Self) -> u64 {
        self.0.div_ceil(unit.0)
    }

    /// Subtracts, stopping at zero.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Subtracts; `None` where the result would be negative.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// Reads a size as a person writes it: `512M`, `1.5 GiB`, `40000`, `8G`.
    ///
    /// Units are powers of 1,024 whether written `K`, `KiB` or `KB`; a fraction must come out as whole
    /// bytes.
    ///
    /// # Errors
    /// Says what was found and lists the units.
    pub fn parse(text: &str) -> Result<Self, ParseBytesError> {
        let error = || ParseBytesError { found: text.to_owned() };
        let trimmed = text.trim();
        let split =
            trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(split);
        let shift = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "k" | "kib" | "kb" => 10,
            "m" | "mib" | "mb" => 20,
            "g" | "gib" | "gb" => 30,
            "t" | "tib" | "tb" => 40,
            _ => return Err(error()),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let scale = 10u128
            .checked_pow(u32::try_from(fraction.len()).map_err(|_| error())?)
            .ok_or_else(error)?;
        let digits: u128 = format!("{whole}{fraction}").parse().map_err(|_| error())?;
        let scaled = digits.checked_mul(1 << shift).ok_or_else(error)?;
        if scaled % scale != 0 {
            return Err(error());
        }
        let bytes = Self(u64::try_from(scaled / scale).map_err(|_| error())?);
        if bytes > Self::MAX { Err(error()) } else { Ok(bytes) }
    }
}

/// A text that is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a size such as 512M, 1.5G or 40000 (units: K, M, G, T, powers of 1024), found {found:?}"
)]
pub struct ParseBytesError {
    /// The text as it was given.
    pub found: String,
}

impl std::str::FromStr for Bytes {
    type Err = ParseBytesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Bytes {
    /// Writes `3.1 GiB`: three significant digits, exact where a whole unit fits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        let mut scale = 0u32;
        while scale < 60 && (self.0 >> scale) >= 1024 {
            scale += 10;
        }
        let unit =
            UNITS.get(usize::try_from(scale / 10).unwrap_or_default()).copied().unwrap_or("EiB");
        let tenths = (u128::from(self.0) * 10) >> scale;
        if tenths.is_multiple_of(10) || tenths >= 1000 {
            write!(f, "{} {unit}", tenths / 10)
        } else {
            write!(f, "{}.{} {unit}", tenths / 10, tenths % 10)
        }
    }
}

impl Add for Bytes {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Bytes {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Bytes {
    type Output = Self;

    /// Stops at zero; where a shortage means something, use [`Bytes::checked_sub`].
    fn sub(self, other: Self) -> Self {
        self.saturating_sub(other)
    }
}

impl Mul<u64> for Bytes {
    type Output = Self;

    fn mul(self, times: u64) -> Self {
        Self(self.0.saturating_mul(times))
    }
}

impl Sum for Bytes {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

/// The range of `len` bytes from `start`.
pub fn span(start: Bytes, len: Bytes) -> Range<Bytes> {
    start..start + len
}

/// What a disk calls a sector: the unit in which it is addressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SectorSize {
    /// 512 bytes: nearly every disk, and every virtual one by default.
    #[default]
    B512,
    /// 4,096 bytes: "4Kn" disks.
    B4096,
}

impl SectorSize {
    /// Both sizes, for tests and help texts.
    pub const ALL: [Self; 2] = [Self::B512, Self::B4096];

    /// Returns the size of one sector.
    pub const fn bytes(self) -> Bytes {
        match self {
            Self::B512 => Bytes(512),
            Self::B4096 => Bytes(4096),
        }
    }

    /// Returns the sector size of that many bytes, if disks have such sectors.
    pub const fn from_bytes(bytes: Bytes) -> Option<Self> {
        match bytes.0 {
            512 => Some(Self::B512),
            4096 => Some(Self::B4096),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("4K", 4096),
            ("1.5G", 3 << 29),
            ("1.5 GiB", 3 << 29),
            ("512MiB", 512 << 20),
            ("8gb", 8 << 30),
            ("0.5K", 512),
        ] {
            assert_eq!(Bytes::parse(text), Ok(Bytes::new(bytes)), "{text}");
        }
        for text in
            ["", "G", "-1", "1.5", "1.0001K", "9E", "16777216T", "1..5G", "1 2G", "\u{661}K"]
        {
            assert!(Bytes::parse(text).is_err(), "{text:?} must be refused");
        }
    }

    #[test]
    fn sizes_are_shown_short() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1 << 20, "1 MiB"),
            (3 << 29, "1.5 GiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(Bytes::new(bytes).to_string(), text);
        }
    }
}
