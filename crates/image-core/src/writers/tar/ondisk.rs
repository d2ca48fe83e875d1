//! The ustar header as bytes: IEEE Std 1003.1-2017, pax, "ustar Interchange Format".
//!
//! Field names are the standard's. Texts fill their field without a NUL where they are as long as
//! it; numbers are octal digits and a NUL. A number that its field cannot hold stands there as the
//! largest that it can: a PAX record tells the right one, and whoever reads no PAX records takes
//! nothing for root's that is not.

use crate::units::Bytes;

/// What everything in an archive is a multiple of: header, records, data.
pub(super) const BLOCK: Bytes = Bytes::new(512);
/// What GNU tar reads and writes at once, and pads an archive to: 20 blocks.
pub(super) const RECORD: Bytes = Bytes::new(20 * 512);
/// The end of an archive: two blocks of zeros.
pub(super) const END: Bytes = Bytes::new(2 * 512);

/// The longest text in `name`.
pub(super) const NAME: usize = 100;
/// The longest text in `linkname`.
pub(super) const LINKNAME: usize = 100;
/// The longest text in `prefix`.
pub(super) const PREFIX: usize = 155;
/// The largest number in a field of 8 bytes: `mode`, `uid`, `gid`, `devmajor`, `devminor`.
pub(super) const LARGEST_ID: u64 = largest(8);
/// The largest number in a field of 12 bytes: `size`, `mtime`.
pub(super) const LARGEST_SIZE: u64 = largest(12);

/// `typeflag`: a file.
pub(super) const REGTYPE: u8 = b'0';
/// `typeflag`: a symbolic link.
pub(super) const SYMTYPE: u8 = b'2';
/// `typeflag`: a character device.
pub(super) const CHRTYPE: u8 = b'3';
/// `typeflag`: a block device.
pub(super) const BLKTYPE: u8 = b'4';
/// `typeflag`: a directory.
pub(super) const DIRTYPE: u8 = b'5';
/// `typeflag`: a named pipe.
pub(super) const FIFOTYPE: u8 = b'6';
/// `typeflag`: PAX records about the entry that follows.
pub(super) const EXTENDED: u8 = b'x';

/// One header block.
#[derive(Clone, Debug)]
#[repr(C)]
pub(super) struct Header {
    /// 0: the path, or what of it follows `prefix` and a slash.
    pub(super) name: [u8; NAME],
    /// 100: permissions, twelve bits.
    pub(super) mode: [u8; 8],
    /// 108: the owner's number.
    pub(super) uid: [u8; 8],
    /// 116: the group's number.
    pub(super) gid: [u8; 8],
    /// 124: bytes of data that follow; zero but for files and PAX records.
    pub(super) size: [u8; 12],
    /// 136: seconds since 1970.
    pub(super) mtime: [u8; 12],
    /// 148: the sum of all bytes, as if these were spaces: six digits, a NUL and a space.
    pub(super) chksum: [u8; 8],
    /// 156: what it is.
    pub(super) typeflag: u8,
    /// 157: where a symbolic link leads.
    pub(super) linkname: [u8; LINKNAME],
    /// 257: `ustar` and a NUL.
    pub(super) magic: [u8; 6],
    /// 263: `00`, without a NUL.
    pub(super) version: [u8; 2],
    /// 265: the owner's name. Empty: numbers count, whatever the reader's passwd says.
    pub(super) uname: [u8; 32],
    /// 297: the group's name; empty.
    pub(super) gname: [u8; 32],
    /// 329: a device's driver.
    pub(super) devmajor: [u8; 8],
    /// 337: which of that driver's devices.
    pub(super) devminor: [u8; 8],
    /// 345: what of the path stands before `name`; empty where nothing does.
    pub(super) prefix: [u8; PREFIX],
    /// 500: nothing.
    pub(super) pad: [u8; 12],
}

const _: () = {
    assert!(size_of::<Header>() == 512);
    assert!(std::mem::offset_of!(Header, size) == 124);
    assert!(std::mem::offset_of!(Header, chksum) == 148);
    assert!(std::mem::offset_of!(Header, linkname) == 157);
    assert!(std::mem::offset_of!(Header, magic) == 257);
    assert!(std::mem::offset_of!(Header, devmajor) == 329);
    assert!(std::mem::offset_of!(Header, prefix) == 345);
};

impl Header {
    /// Describes something of root's without name, permissions, time and data.
    pub(super) fn new(typeflag: u8) -> Self {
        Self {
            name: [0; NAME],
            mode: octal(0),
            uid: octal(0),
            gid: octal(0),
            size: octal(0),
            mtime: octal(0),
            chksum: *b"        ",
            typeflag,
            linkname: [0; LINKNAME],
            magic: *b"ustar\0",
            version: *b"00",
            uname: [0; 32],
            gname: [0; 32],
            devmajor: octal(0),
            devminor: octal(0),
            prefix: [0; PREFIX],
            pad: [0; 12],
        }
    }

    /// Returns the bytes, with their sum.
    pub(super) fn encode(&self) -> Vec<u8> {
        let sum = self.bytes().iter().map(|byte| u64::from(*byte)).sum();
        let [a, b, c, d, e, f, nul] = octal(sum);
        Self { chksum: [a, b, c, d, e, f, nul, b' '], ..self.clone() }.bytes()
    }

    fn bytes(&self) -> Vec<u8> {
        [
            &self.name[..],
            &self.mode,
            &self.uid,
            &self.gid,
            &self.size,
            &self.mtime,
            &self.chksum,
            &[self.typeflag],
            &self.linkname,
            &self.magic,
            &self.version,
            &self.uname,
            &self.gname,
            &self.devmajor,
            &self.devminor,
            &self.prefix,
            &self.pad,
        ]
        .concat()
    }
}

const fn largest(field: u32) -> u64 {
    (1 << (3 * (field - 1))) - 1
}

/// Writes a number into a field: octal digits and a NUL.
pub(super) fn octal<const N: usize>(value: u64) -> [u8; N] {
    let mut rest = value.min(largest(u32::try_from(N).unwrap_or(u32::MAX)));
    let mut field = [0; N];
    for digit in field[..N - 1].iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 8).unwrap_or_default();
        rest /= 8;
    }
    field
}

/// Writes a text into a field, or as much of it as fits.
pub(super) fn text<const N: usize>(text: &[u8]) -> [u8; N] {
    let mut field = [0; N];
    field.iter_mut().zip(text).for_each(|(place, byte)| *place = *byte);
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_and_stop_at_the_largest() {
        assert_eq!(&octal::<8>(0o755), b"0000755\0");
        assert_eq!(&octal::<8>(LARGEST_ID), b"7777777\0");
        assert_eq!(&octal::<8>(LARGEST_ID + 1), b"7777777\0");
        assert_eq!(&octal::<12>(0xFFFF_FFFF), b"37777777777\0");
        assert_eq!(&octal::<12>(u64::MAX), b"77777777777\0");
        assert_eq!((LARGEST_ID, LARGEST_SIZE), (2_097_151, (8 << 30) - 1));
    }

    #[test]
    fn texts_end_where_their_field_does() {
        assert_eq!(&text::<4>(b"ab"), b"ab\0\0");
        assert_eq!(&text::<4>(b"abcd"), b"abcd");
        assert_eq!(&text::<4>(b"abcdef"), b"abcd");
    }

    /// What GNU tar 1.34 writes: `tar --format=ustar --numeric-owner` of an empty file `f`.
    #[test]
    fn the_sum_is_gnu_tars() {
        let header = Header {
            name: text(b"f"),
            mode: octal(0o644),
            mtime: octal(1),
            ..Header::new(REGTYPE)
        };
        let bytes = header.encode();
        assert_eq!(bytes.len(), 512);
        assert_eq!(&bytes[148..156], b"007344\0 ");
    }
}
