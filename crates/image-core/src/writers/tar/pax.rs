//! PAX records: what a ustar header cannot say, said before it.
//!
//! A record is `LENGTH KEYWORD=VALUE\n`, its length in decimal and counting itself; values are any
//! bytes. Follows IEEE Std 1003.1-2017, pax, "pax Extended Header"; `SCHILY.xattr.` is star's, and
//! what GNU tar and libarchive read. The header of the records is the same for all of them, so
//! that it depends on nothing: readers without PAX see files of one name that is no entry's.

use super::ondisk::{BLOCK, EXTENDED, Header, octal, text};
use crate::units::Bytes;

/// The name of every header of records, as Python's `tarfile` writes it: no entry has a `.` in its
/// path.
const NAME: &[u8] = b"././@PaxHeader";

/// Records about one entry.
#[derive(Debug, Default)]
pub(super) struct Records(Vec<u8>);

impl Records {
    /// Adds a record.
    pub(super) fn push(&mut self, keyword: &[u8], value: &[u8]) {
        // The space, the equals sign and the newline.
        let rest = keyword.len() + value.len() + 3;
        let mut length = rest + digits(rest);
        // Its own digits may make the length one digit longer.
        length = rest + digits(length);
        self.0.extend_from_slice(format!("{length} ").as_bytes());
        self.0.extend_from_slice(keyword);
        self.0.push(b'=');
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
    }

    /// Adds a record for a number that is too large for its field.
    pub(super) fn push_beyond(&mut self, largest: u64, keyword: &[u8], value: u64) {
        if value > largest {
            self.push(keyword, value.to_string().as_bytes());
        }
    }

    /// Counts the bytes of all records.
    pub(super) fn size(&self) -> usize {
        self.0.len()
    }

    /// Writes header, records and padding; nothing where there are no records.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        if self.0.is_empty() {
            return;
        }
        let size = Bytes::of(&self.0);
        let header = Header {
            name: text(NAME),
            mode: octal(0o644),
            size: octal(size.get()),
            ..Header::new(EXTENDED)
        };
        out.extend(header.encode());
        out.extend_from_slice(&self.0);
        let padding = size.align_up(BLOCK) - size;
        out.extend(std::iter::repeat_n(0, padding.to_len().unwrap_or_default()));
    }
}

fn digits(number: usize) -> usize {
    number.to_string().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(keyword: &[u8], value: &[u8]) -> Vec<u8> {
        let mut records = Records::default();
        records.push(keyword, value);
        records.0
    }

    #[test]
    fn a_length_counts_itself() {
        assert_eq!(record(b"uid", b"4294967294"), b"18 uid=4294967294\n");
        assert_eq!(record(b"path", b""), b"8 path=\n");
        for length in [1, 2, 3, 84, 85, 86, 87, 88, 984, 985, 986, 987, 988, 989, 9999, 70_000] {
            let record = record(b"path", &vec![b'x'; length]);
            let space = record.iter().position(|byte| *byte == b' ').unwrap();
            let said: usize = std::str::from_utf8(&record[..space]).unwrap().parse().unwrap();
            assert_eq!(said, record.len(), "a path of {length} bytes");
        }
    }

    #[test]
    fn values_are_any_bytes() {
        assert_eq!(
            record(b"SCHILY.xattr.user.a", b"\0\n=\xff"),
            b"28 SCHILY.xattr.user.a=\0\n=\xff\n"
        );
    }

    #[test]
    fn numbers_have_a_record_only_beyond_their_field() {
        let mut records = Records::default();
        records.push_beyond(10, b"size", 10);
        assert_eq!(records.size(), 0);
        records.push_beyond(10, b"size", 11);
        assert_eq!(records.0, b"11 size=11\n");
    }

    #[test]
    fn records_fill_whole_blocks_behind_a_header_that_never_changes() {
        let mut out = Vec::new();
        Records::default().write(&mut out);
        assert!(out.is_empty());
        let mut records = Records::default();
        records.push(b"path", &[b'x'; 600]);
        records.write(&mut out);
        assert_eq!(out.len(), 512 + 1024);
        assert_eq!(&out[..15], b"././@PaxHeader\0");
        assert_eq!(
            &out[100..157],
            b"0000644\x000000000\x000000000\x0000000001142\x0000000000000\x00011471\0 x"
        );
        assert!(out[512..].starts_with(b"610 path=xxx") && out.ends_with(&[0; 414]));
    }
}
