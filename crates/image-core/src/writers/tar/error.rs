//! Trees that make no archive.

use crate::plan::PlanError;
use crate::tree::TreePath;

/// Why a tree is no archive.
///
/// The format itself refuses next to nothing; what no reader brings back, or not all of them alike,
/// is refused here rather than lost there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A name that no system could give the file.
    #[error("{path}: a name of {found} bytes: Linux takes at most 255")]
    NameTooLong {
        /// Where.
        path: TreePath,
        /// The length of its last component.
        found: usize,
    },
    /// A path that no system could reach the file by.
    #[error("{path}: a path of {found} bytes: Linux takes at most 4095")]
    PathTooLong {
        /// Which one.
        path: TreePath,
        /// Its length in the archive.
        found: usize,
    },
    /// A link that points nowhere at all, or further than a system looks.
    #[error("{path}: a link target of {found} bytes: Linux takes 1 to 4095, none of them NUL")]
    LinkTarget {
        /// Which link.
        path: TreePath,
        /// The target's length.
        found: usize,
    },
    /// An owner or group that systems take for "as it is": the file would get the reader's.
    #[error("{path}: owner {uid}:{gid}: Linux has owners and groups to 4294967294")]
    Owner {
        /// Where.
        path: TreePath,
        /// Its owner.
        uid: u32,
        /// Its group.
        gid: u32,
    },
    /// A device number that Linux does not have.
    #[error("{path}: device {major},{minor}: Linux has majors to 4095 and minors to 1048575")]
    DeviceNumber {
        /// Which node.
        path: TreePath,
        /// Its major number.
        major: u32,
        /// Its minor number.
        minor: u32,
    },
    /// An attribute that would be lost, or come back under another name.
    #[error("{path}: attribute {name:?} cannot be in an archive: {reason}")]
    Attribute {
        /// Where.
        path: TreePath,
        /// The attribute's name.
        name: String,
        /// What happens to it.
        reason: &'static str,
    },
    /// More attributes than readers take.
    #[error("{path}: extended attributes of {found} bytes: readers of archives take {limit}")]
    AttributesTooLarge {
        /// Where.
        path: TreePath,
        /// What they take, with what else ustar cannot say.
        found: usize,
        /// What there can be.
        limit: usize,
    },
    /// The archive is larger than a plan can be.
    #[error(transparent)]
    Plan(#[from] PlanError),
}
