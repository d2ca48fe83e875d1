//! What stands before an entry's data: its header, and before that what the header cannot say.
//!
//! ustar says nearly all of it: only longer paths, larger numbers and extended attributes take PAX
//! records. Texts in a ustar header are bytes to every reader. Texts in PAX records are UTF-8 by
//! the standard, and libarchive converts them to the reader's locale: in the C locale, which
//! programs that unpack containers run in, it complains of every name that is not ASCII and fails.
//! So a record of such a text comes after `hdrcharset=BINARY`, which libarchive heeds; GNU tar says
//! that it ignores the keyword, and keeps bytes as they are in any case.

use super::error::Error;
use super::ondisk::{
    BLKTYPE, CHRTYPE, DIRTYPE, FIFOTYPE, Header, LARGEST_ID, LARGEST_SIZE, LINKNAME, NAME, PREFIX,
    REGTYPE, SYMTYPE, octal, text,
};
use super::pax::Records;
use crate::tree::{Device, Kind, Node};
use crate::units::Bytes;

/// The longest name and path on Linux: `NAME_MAX`, and `PATH_MAX` without its NUL.
const LONGEST_NAME: usize = 255;
const LONGEST_PATH: usize = 4095;
/// The largest device numbers of Linux (`MINORBITS` is 20).
const LAST_MAJOR: u32 = 0xFFF;
const LAST_MINOR: u32 = 0xF_FFFF;
/// The longest value of an attribute on Linux (`XATTR_SIZE_MAX`).
const LONGEST_VALUE: usize = 1 << 16;
/// The most records that libarchive takes ("Special header too large").
const MOST_RECORDS: usize = 1 << 20;

/// Writes an entry's headers, a whole number of blocks.
pub(super) fn write(node: Node<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
    let path = path(node)?;
    let target = target(node)?;
    let device = device(node)?;
    let size = match node.kind() {
        Kind::File(source) => source.size(),
        Kind::Directory | Kind::Symlink(_) | Kind::Device(_) | Kind::Fifo => Bytes::ZERO,
    };
    let (uid, gid) = owner(node)?;
    let meta = node.meta();

    let split = split(&path);
    let mut records = Records::default();
    // Numbers first: some readers end a record at the first newline, and texts may hold one.
    records.push_beyond(LARGEST_SIZE, b"size", size.get());
    records.push_beyond(LARGEST_ID, b"uid", uid);
    records.push_beyond(LARGEST_ID, b"gid", gid);
    texts(&mut records, split.is_none().then_some(&path), target);
    attributes(&mut records, node)?;
    records.write(out);

    let (prefix, name) = split.unwrap_or((&[], &path));
    let header = Header {
        name: text(name),
        mode: octal(u64::from(meta.mode.bits())),
        uid: octal(uid),
        gid: octal(gid),
        size: octal(size.get()),
        mtime: octal(u64::from(meta.mtime.seconds())),
        linkname: text(target),
        devmajor: octal(u64::from(device.major)),
        devminor: octal(u64::from(device.minor)),
        prefix: text(prefix),
        ..Header::new(typeflag(node.kind()))
    };
    out.extend(header.encode());
    Ok(())
}

fn typeflag(kind: &Kind) -> u8 {
    match kind {
        Kind::Directory => DIRTYPE,
        Kind::File(_) => REGTYPE,
        Kind::Symlink(_) => SYMTYPE,
        Kind::Device(device) if device.block => BLKTYPE,
        Kind::Device(_) => CHRTYPE,
        Kind::Fifo => FIFOTYPE,
    }
}

/// Spells out the path as archives do: without a leading slash, with one after a directory.
fn path(node: Node<'_>) -> Result<Vec<u8>, Error> {
    let found = node.name().len();
    if found > LONGEST_NAME {
        return Err(Error::NameTooLong { path: node.path(), found });
    }
    let mut path = node.path().into_relative();
    if node.is_directory() {
        path.push(b'/');
    }
    let found = path.len();
    if found > LONGEST_PATH {
        return Err(Error::PathTooLong { path: node.path(), found });
    }
    Ok(path)
}

/// Divides a path into what `prefix` and `name` hold, where GNU tar would; none where they cannot.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= NAME {
        return Some((&[], path));
    }
    // A directory's own slash, the last byte, is no place to cut.
    let reach = (PREFIX + 1).min(path.len() - 1);
    let cut = path[..reach].iter().rposition(|byte| *byte == b'/')?;
    let (prefix, name) = (&path[..cut], &path[cut + 1..]);
    (name.len() <= NAME).then_some((prefix, name))
}

/// Returns where a link leads; empty for anything else.
fn target(node: Node<'_>) -> Result<&[u8], Error> {
    match node.kind() {
        Kind::Symlink(target) => {
            let found = target.len();
            if found == 0 || found > LONGEST_PATH || target.contains(&0) {
                return Err(Error::LinkTarget { path: node.path(), found });
            }
            Ok(target)
        }
        Kind::Directory | Kind::File(_) | Kind::Device(_) | Kind::Fifo => Ok(&[]),
    }
}

/// Returns the numbers of owner and group; the last one means "none" to `chown`.
fn owner(node: Node<'_>) -> Result<(u64, u64), Error> {
    let (uid, gid) = (node.meta().uid, node.meta().gid);
    if uid == u32::MAX || gid == u32::MAX {
        return Err(Error::Owner { path: node.path(), uid, gid });
    }
    Ok((uid.into(), gid.into()))
}

/// Returns a device's numbers; zeros for anything else.
fn device(node: Node<'_>) -> Result<Device, Error> {
    match *node.kind() {
        Kind::Device(Device { major, minor, .. }) if major > LAST_MAJOR || minor > LAST_MINOR => {
            Err(Error::DeviceNumber { path: node.path(), major, minor })
        }
        Kind::Device(device) => Ok(device),
        Kind::Directory | Kind::File(_) | Kind::Symlink(_) | Kind::Fifo => {
            Ok(Device { block: false, major: 0, minor: 0 })
        }
    }
}

/// Adds records for the texts that ustar has no room for.
fn texts(records: &mut Records, path: Option<&Vec<u8>>, target: &[u8]) {
    let target = (target.len() > LINKNAME).then_some(target);
    let texts = [(&b"path"[..], path.map(Vec::as_slice)), (b"linkpath", target)];
    if texts.iter().any(|(_, text)| text.is_some_and(|text| !text.is_ascii())) {
        records.push(b"hdrcharset", b"BINARY");
    }
    for (keyword, text) in texts {
        if let Some(text) = text {
            records.push(keyword, text);
        }
    }
}

/// Adds records for extended attributes.
fn attributes(records: &mut Records, node: Node<'_>) -> Result<(), Error> {
    for (name, value) in node.meta().xattrs.iter() {
        if let Some(reason) = refused(name, value) {
            let name = String::from_utf8_lossy(name).into_owned();
            return Err(Error::Attribute { path: node.path(), name, reason });
        }
        records.push(&[b"SCHILY.xattr.", name].concat(), value);
    }
    let (found, limit) = (records.size(), MOST_RECORDS);
    if found > limit {
        return Err(Error::AttributesTooLarge { path: node.path(), found, limit });
    }
    Ok(())
}

/// Tells why an attribute would not come back as it is.
fn refused(name: &[u8], value: &[u8]) -> Option<&'static str> {
    let holds = |text: &[u8]| name.windows(text.len()).any(|window| window == text);
    if name.is_empty() || name.contains(&0) || name.len() > LONGEST_NAME {
        Some("expected a name of 1 to 255 bytes, none of them NUL")
    } else if name.contains(&b'=') {
        Some("an equals sign ends the name")
    } else if holds(b"%3D") || holds(b"%25") {
        Some("GNU tar reads %3D and %25 in a name as = and %, others do not")
    } else if name.starts_with(b"system.") {
        Some("readers skip the attributes of the system, which ACLs are")
    } else if value.len() > LONGEST_VALUE {
        Some("its value has more than 65536 bytes")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(path: &str) -> Option<(usize, usize)> {
        split(path.as_bytes()).map(|(prefix, name)| (prefix.len(), name.len()))
    }

    #[test]
    fn paths_are_divided_at_a_slash_if_both_parts_fit() {
        let n = |length| "n".repeat(length);
        for (path, expected) in [
            (n(99), Some((0, 99))),
            (n(100), Some((0, 100))),
            (n(101), None),
            (format!("{}/", n(99)), Some((0, 100))),
            // The slash after a directory's name is no place to cut.
            (format!("{}/", n(100)), None),
            (format!("p/{}", n(98)), Some((0, 100))),
            (format!("p/{}", n(100)), Some((1, 100))),
            (format!("p/{}", n(101)), None),
            (format!("{}/{}", n(155), n(100)), Some((155, 100))),
            (format!("{}/{}", n(155), n(101)), None),
            (format!("{}/{}", n(156), n(99)), None),
            (format!("{}/{}/", n(155), n(99)), Some((155, 100))),
            (format!("{}/{}/", n(155), n(100)), None),
            (format!("a/{}/{}/b", n(90), n(90)), Some((92, 92))),
        ] {
            assert_eq!(lengths(&path), expected, "{path}");
        }
    }
}
