//! The "newc" cpio archive: entries of a 110-byte text header, a name and the data.
//!
//! All numbers are eight hexadecimal digits. Names and data are padded to a multiple of four bytes,
//! counted from the header. An entry named `TRAILER!!!` ends the archive. Follows the kernel's
//! Documentation/driver-api/early-userspace/buffer-format.rst.

use super::segment::{Stream, Visit};
use super::{Error, Kind, Place};
use crate::units::Bytes;

/// `c_magic` of an archive without checksums.
const MAGIC: &[u8] = b"070701";

/// `c_magic` of an archive with checksums, which the kernel ignores.
const MAGIC_CHECKED: &[u8] = b"070702";

/// The magic and thirteen numbers.
const HEADER: usize = 6 + 13 * 8;

/// The kernel's PATH_MAX, with the NUL; also its bound for a link's target.
const NAME_MAX: u64 = 4096;

/// The name of the entry that ends an archive.
const TRAILER: &[u8] = b"TRAILER!!!";

/// The file type's bits in a mode.
const S_IFMT: u64 = 0o170_000;

/// One entry of an archive.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its name without leading slashes and `.` components; empty for the root.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
}

/// Reads one archive up to its trailer; `false` where the stream holds none any more.
pub(super) fn read_archive(stream: &mut Stream<'_>, visit: &mut Visit<'_>) -> Result<bool, Error> {
    let mut first = stream.first_after_nuls()?;
    if first.is_none() {
        return Ok(false);
    }
    loop {
        // The header's first byte was read while looking for it.
        let mut start = stream.place();
        start.unpacked = start.unpacked.saturating_sub(u64::from(first.is_some()));
        if entry(stream, start, first.take(), visit)? == Found::Trailer {
            return Ok(true);
        }
    }
}

#[derive(PartialEq, Eq)]
enum Found {
    Entry,
    Trailer,
}

fn entry(
    stream: &mut Stream<'_>,
    start: Place,
    first: Option<u8>,
    visit: &mut Visit<'_>,
) -> Result<Found, Error> {
    let header = Header::read(stream, start, first)?;
    let mut name = vec![0; header.name_size];
    stream.exact(&mut name, "an entry's name")?;
    if name.pop() != Some(0) {
        return Err(Error::Header {
            place: start,
            expected: "a name that ends in NUL",
            found: String::from_utf8_lossy(&name).into_owned(),
        });
    }
    let data = start.unpacked + header.name_end();
    stream.skip_to(data, "padding after a name")?;
    if name == TRAILER {
        return Ok(Found::Trailer);
    }
    stream.count_entry()?;
    stream.count_name(&name)?;
    let end = data + header.file_size;
    let kind = match header.mode & S_IFMT {
        0o040_000 => Kind::Directory,
        0o100_000 => Kind::File(Bytes::new(header.file_size)),
        0o120_000 => Kind::Symlink(target(stream, start, header.file_size)?),
        _ => Kind::Special,
    };
    visit(&Entry { name: normal(&name), kind }, stream)?;
    stream.skip_to(end, "an entry's data")?;
    // The kernel takes an archive whose last padding is missing only before its end.
    stream.skip_to(start.unpacked + (end - start.unpacked).next_multiple_of(4), "padding")?;
    Ok(Found::Entry)
}

fn target(stream: &mut Stream<'_>, start: Place, size: u64) -> Result<Vec<u8>, Error> {
    let length = usize::try_from(size).ok().filter(|_| size <= NAME_MAX);
    let length = length.ok_or_else(|| Error::Header {
        place: start,
        expected: "a link's target of at most 4096 bytes",
        found: size.to_string(),
    })?;
    let mut target = vec![0; length];
    stream.exact(&mut target, "a link's target")?;
    stream.count_name(&target)?;
    Ok(target)
}

/// A name as [`super::Initrd`] keys it.
fn normal(name: &[u8]) -> Vec<u8> {
    super::components(name).collect::<Vec<_>>().join(&b'/')
}

/// The numbers of a header that are used.
struct Header {
    mode: u64,
    file_size: u64,
    name_size: usize,
}

impl Header {
    fn read(stream: &mut Stream<'_>, start: Place, first: Option<u8>) -> Result<Self, Error> {
        let mut bytes = [0; HEADER];
        let known = usize::from(first.is_some());
        bytes[0] = first.unwrap_or_default();
        stream.exact(&mut bytes[known..], "an entry's header")?;
        let wrong = |expected, found: &[u8]| Error::Header {
            place: start,
            expected,
            found: String::from_utf8_lossy(found).into_owned(),
        };
        let (magic, numbers) = bytes.split_at(6);
        if magic != MAGIC && magic != MAGIC_CHECKED {
            return Err(wrong("a cpio header of the newc form (070701)", magic));
        }
        // c_ino is field 0, c_mode 1, c_filesize 6, c_namesize 11.
        let field = |index: usize| {
            let digits = &numbers[index * 8..][..8];
            std::str::from_utf8(digits)
                .ok()
                .filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))
                .and_then(|text| u64::from_str_radix(text, 16).ok())
                .ok_or_else(|| wrong("eight hexadecimal digits", digits))
        };
        let name_size = field(11)?;
        let name_size = usize::try_from(name_size)
            .ok()
            .filter(|_| (1..=NAME_MAX).contains(&name_size))
            .ok_or_else(|| wrong("a name of 1 to 4096 bytes", name_size.to_string().as_bytes()))?;
        Ok(Self { mode: field(1)?, file_size: field(6)?, name_size })
    }

    /// Where the name's padding ends, counted from the header.
    fn name_end(&self) -> u64 {
        u64::try_from((HEADER + self.name_size).next_multiple_of(4)).unwrap_or(u64::MAX)
    }
}
