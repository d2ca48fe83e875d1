//! Trees and settings that make no volume.

use super::el_torito::BootInfo;
use crate::plan::PlanError;
use crate::tree::TreePath;
use crate::units::Bytes;

/// Why there is no volume.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A name that no system could give the file.
    #[error("{path}: a name of {found} bytes: Linux reads at most {limit} from an ISO 9660 volume")]
    NameTooLong {
        /// Where.
        path: TreePath,
        /// The length of its last component.
        found: usize,
        /// What there can be.
        limit: usize,
    },
    /// A link that points nowhere at all, or further than a system looks.
    #[error("{path}: a link target of {found} bytes: Linux takes 1 to 4095, none of them NUL")]
    LinkTarget {
        /// Which link.
        path: TreePath,
        /// The target's length.
        found: usize,
    },
    /// An owner or group that systems take for "none".
    #[error("{path}: owner {uid}:{gid}: Linux has owners and groups to 4294967294")]
    Owner {
        /// Where.
        path: TreePath,
        /// Its owner.
        uid: u32,
        /// Its group.
        gid: u32,
    },
    /// A device number that not all readers take for the same device.
    #[error(
        "{path}: device {major},{minor}: Rock Ridge readers agree on numbers from 1,0 to 4095,255 only"
    )]
    DeviceNumber {
        /// Which node.
        path: TreePath,
        /// Its major number.
        major: u32,
        /// Its minor number.
        minor: u32,
    },
    /// Something that Rock Ridge has no way to say.
    #[error("{path}: extended attribute {name:?}: ISO 9660 with Rock Ridge has none")]
    Attribute {
        /// Where.
        path: TreePath,
        /// The attribute's name.
        name: String,
    },
    /// A file in more extents than Linux reads.
    #[error("{path}: a file of {size}: Linux reads at most {limit} from an ISO 9660 volume")]
    FileTooLarge {
        /// Which file.
        path: TreePath,
        /// Its size.
        size: Bytes,
        /// What there can be.
        limit: Bytes,
    },
    /// A directory with more entries than its size can say.
    #[error("{path}: a directory of {found}: ISO 9660 has room for less than 4 GiB")]
    Crowded {
        /// Which directory.
        path: TreePath,
        /// What its entries take.
        found: Bytes,
    },
    /// More directories than the path table can number.
    #[error("{found} directories: the path table of ISO 9660 numbers at most 65535")]
    Directories {
        /// How many there are.
        found: usize,
    },
    /// More than its numbers of sectors can say.
    #[error("the files need {found}: ISO 9660 has 2^32 sectors of 2 KiB, which are 8 TiB")]
    TooLarge {
        /// What is needed.
        found: Bytes,
    },
    /// A text that does not fit its field.
    #[error("the {field} {text:?}: expected at most {limit} characters of printable ASCII")]
    Text {
        /// Which field.
        field: &'static str,
        /// The text as given.
        text: String,
        /// What there is room for.
        limit: usize,
    },
    /// A boot image that is not in the tree.
    #[error("the {what} boot image {path} is not in the tree, or is no file")]
    NoImage {
        /// For which firmware.
        what: &'static str,
        /// Where it should be.
        path: TreePath,
    },
    /// A BIOS boot image that cannot be told where it lies.
    #[error(
        "the BIOS boot image {path} has {found} bytes: expected at least {least} in memory, as {info} writes its place into it"
    )]
    Image {
        /// Where it is.
        path: TreePath,
        /// Its size; zero where it is not in memory.
        found: usize,
        /// What is needed.
        least: usize,
        /// Which loader.
        info: BootInfo,
    },
    /// The pieces make no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
}
