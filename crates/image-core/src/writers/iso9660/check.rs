//! What a volume cannot hold, found before anything is placed.
//!
//! Rock Ridge itself refuses next to nothing; what no reader brings back, or not all of them alike, is
//! refused here rather than lost there.

use super::hierarchy::EXTENT;
use super::{Error, Settings};
use crate::tree::{Kind, Node, Tree};
use crate::units::Bytes;

/// The longest name. Linux (`get_rock_ridge_filename`) leaves out the part of a name that brings it to 254
/// bytes and more, and other readers follow it in counting.
const LONGEST_NAME: usize = 253;
/// The longest target of a link: a page with its NUL.
const LONGEST_TARGET: usize = 4095;
/// How many extents of a file Linux (`isofs_read_level3_size`) takes.
const EXTENTS: u64 = 100;
/// The size of the fields for application and publisher.
const TEXT: usize = 128;

/// Refuses trees and settings that make no volume.
pub(super) fn all(tree: &Tree, settings: &Settings<'_>) -> Result<(), Error> {
    text("application", settings.application)?;
    text("publisher", settings.publisher)?;
    tree.iter().try_for_each(entry)
}

fn text(field: &'static str, text: &str) -> Result<(), Error> {
    let printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if text.len() <= TEXT && text.bytes().all(printable) {
        return Ok(());
    }
    Err(Error::Text { field, text: text.to_owned(), limit: TEXT })
}

fn entry(node: Node<'_>) -> Result<(), Error> {
    let path = || node.path();
    let (meta, found) = (node.meta(), node.name().len());
    if found > LONGEST_NAME {
        return Err(Error::NameTooLong { path: path(), found, limit: LONGEST_NAME });
    }
    if meta.uid == u32::MAX || meta.gid == u32::MAX {
        return Err(Error::Owner { path: path(), uid: meta.uid, gid: meta.gid });
    }
    if let Some((name, _)) = meta.xattrs.iter().next() {
        let name = String::from_utf8_lossy(name).into_owned();
        return Err(Error::Attribute { path: path(), name });
    }
    match node.kind() {
        Kind::File(source) => {
            let (size, limit) = (source.size(), EXTENT * EXTENTS);
            if size > limit {
                Err(Error::FileTooLarge { path: path(), size, limit })
            } else {
                Ok(())
            }
        }
        Kind::Symlink(target) => {
            let found = target.len();
            let fits = (1..=LONGEST_TARGET).contains(&found) && !target.contains(&0);
            if fits { Ok(()) } else { Err(Error::LinkTarget { path: path(), found }) }
        }
        Kind::Device(device) => {
            let (major, minor) = (device.major, device.minor);
            // Linux takes a low half below 256 for no device number at all.
            let fits = (1..=4095).contains(&major) && minor <= 255;
            if fits { Ok(()) } else { Err(Error::DeviceNumber { path: path(), major, minor }) }
        }
        Kind::Directory | Kind::Fifo => Ok(()),
    }
}

/// Refuses what needs more sectors than there are numbers.
pub(super) fn size(found: Bytes) -> Result<(), Error> {
    let sectors = found.div_ceil(super::ondisk::SECTOR);
    if u32::try_from(sectors).is_ok() { Ok(()) } else { Err(Error::TooLarge { found }) }
}
