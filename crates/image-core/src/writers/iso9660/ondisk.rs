//! ECMA-119's structures as they lie on disk, encoders only: numbers, directory and path table records.
//!
//! Fields keep the order and the names of ECMA-119, 4th edition (2019), whose sections are given.
//! Volume descriptors are in `descriptor`, what Rock Ridge adds to records in `rock_ridge`.

use super::date::Date;
use crate::units::Bytes;

/// A logical sector and a logical block (6.1.2, 6.2.2).
pub(super) const SECTOR: Bytes = Bytes::new(2048);

/// The longest directory record: its length is one byte, and even.
const LONGEST_RECORD: usize = 254;

/// `File Flags` (9.1.6): the record is of a directory.
pub(super) const DIRECTORY: u8 = 1 << 1;
/// `File Flags`: another record goes on with the same file.
pub(super) const MULTI_EXTENT: u8 = 1 << 7;

/// The identifier of a directory in its own records, and of the root (7.6.2).
pub(super) const SELF: &[u8] = &[0];
/// The identifier of a directory's parent in its records.
pub(super) const PARENT: &[u8] = &[1];

/// The number of a sector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lba(pub(super) u32);

impl Lba {
    /// Returns the sector at an offset. A volume of more than 2^32 sectors is refused once its size
    /// is known, so those beyond may all have the last number.
    pub(super) fn of(at: Bytes) -> Self {
        Self(u32::try_from(at.get() / SECTOR.get()).unwrap_or(u32::MAX))
    }

    /// Returns its first byte.
    pub(super) fn at(self) -> Bytes {
        SECTOR * u64::from(self.0)
    }
}

/// A 16-bit number in both byte orders (7.2.3).
pub(super) fn both16(number: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (number.to_le_bytes(), number.to_be_bytes());
    [a, b, c, d]
}

/// A 32-bit number in both byte orders (7.3.3).
pub(super) fn both32(number: u32) -> [u8; 8] {
    let ([a, b, c, d], [e, f, g, h]) = (number.to_le_bytes(), number.to_be_bytes());
    [a, b, c, d, e, f, g, h]
}

/// A directory record (9.1): one extent of a file or directory.
#[derive(Debug)]
pub(super) struct Record<'a> {
    /// `Location of Extent`.
    pub(super) extent: Lba,
    /// `Data Length`.
    pub(super) length: u32,
    /// `Recording Date and Time`.
    pub(super) date: Date,
    /// `File Flags`.
    pub(super) flags: u8,
    /// `File Identifier`.
    pub(super) identifier: &'a [u8],
}

impl Record<'_> {
    /// Counts the bytes that are left for system use.
    pub(super) fn room(&self) -> usize {
        LONGEST_RECORD.saturating_sub(self.fixed())
    }

    /// Counts the bytes before the system use field: 33, the identifier, and one that makes it even.
    fn fixed(&self) -> usize {
        (33 + self.identifier.len()).next_multiple_of(2)
    }

    /// Encodes the record; `system_use` has at most [`Self::room`] bytes.
    pub(super) fn encode(&self, system_use: &[u8]) -> Vec<u8> {
        let small = |len: usize| u8::try_from(len).unwrap_or(u8::MAX);
        let length = (self.fixed() + system_use.len()).next_multiple_of(2);
        let mut out = [
            &[small(length)][..],
            &[0],                            // 1 Extended Attribute Record Length
            &both32(self.extent.0),          // 2 Location of Extent
            &both32(self.length),            // 10 Data Length
            &self.date.short(),              // 18 Recording Date and Time
            &[self.flags, 0, 0],             // 25 File Flags, File Unit Size, Interleave Gap Size
            &both16(1),                      // 28 Volume Sequence Number
            &[small(self.identifier.len())], // 32 Length of File Identifier
            self.identifier,
        ]
        .concat();
        out.resize(self.fixed(), 0);
        out.extend(system_use);
        out.resize(length, 0);
        out
    }
}

/// In which byte order a path table is (6.9): there is one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

/// A path table record (9.4): a directory.
#[derive(Debug)]
pub(super) struct PathRecord<'a> {
    /// `Location of Extent`.
    pub(super) extent: Lba,
    /// `Parent Directory Number`, from one.
    pub(super) parent: u16,
    /// `Directory Identifier`.
    pub(super) identifier: &'a [u8],
}

impl PathRecord<'_> {
    /// Encodes the record.
    pub(super) fn encode(&self, order: Order) -> Vec<u8> {
        let (extent, parent) = match order {
            Order::Little => (self.extent.0.to_le_bytes(), self.parent.to_le_bytes()),
            Order::Big => (self.extent.0.to_be_bytes(), self.parent.to_be_bytes()),
        };
        let length = u8::try_from(self.identifier.len()).unwrap_or(u8::MAX);
        let mut out = [&[length, 0][..], &extent, &parent, self.identifier].concat();
        out.resize(out.len().next_multiple_of(2), 0);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::Epoch;

    #[test]
    fn records_are_even_and_say_how_long_they_are() {
        let date = Date::of(Epoch::new(1));
        let record = |identifier| Record { extent: Lba(7), length: 9, date, flags: 0, identifier };
        assert_eq!(record(SELF).encode(&[]).len(), 34);
        for identifier in [&b"A"[..], b"AB", b"ABC", &[b'A'; 132]] {
            let record = record(identifier);
            for system_use in [0, 1, 2, record.room()] {
                let encoded = record.encode(&vec![1; system_use]);
                assert_eq!(usize::from(encoded[0]), encoded.len());
                assert!(encoded.len().is_multiple_of(2) && encoded.len() <= 254);
                assert_eq!(encoded[2..10], [7, 0, 0, 0, 0, 0, 0, 7]);
            }
        }
        let root = PathRecord { extent: Lba(0x0102), parent: 1, identifier: SELF };
        assert_eq!(root.encode(Order::Little), [1, 0, 2, 1, 0, 0, 1, 0, 0, 0]);
        assert_eq!(root.encode(Order::Big), [1, 0, 0, 0, 1, 2, 0, 1, 0, 0]);
    }
}
