//! Trees that make no squashfs.

use super::settings::BlockSizeError;
use crate::pack::codec;
use crate::plan::PlanError;
use crate::tree::TreePath;
use crate::units::Bytes;

/// Why a tree is no squashfs.
///
/// The format takes more than Linux does. What no system could make or open again is refused here
/// rather than found out there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Blocks of a size that readers do not know.
    #[error(transparent)]
    BlockSize(#[from] BlockSizeError),
    /// A name that no system could open.
    #[error("{path}: a name of {found} bytes: Linux takes at most 255")]
    NameTooLong {
        /// Where.
        path: TreePath,
        /// The length of its last component.
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
    /// An owner or group that systems take for "as it is".
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
    /// An attribute that readers would not bring back.
    #[error("{path}: attribute {name:?} cannot be in a squashfs: {reason}")]
    Attribute {
        /// Where.
        path: TreePath,
        /// The attribute's name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A file whose blocks are not those of its size: it was not stored, or another one was.
    #[error("{path} has {size}, but {found} blocks of it are stored: expected {expected}")]
    Stored {
        /// Which file.
        path: TreePath,
        /// Its size.
        size: Bytes,
        /// How many blocks there are.
        found: u64,
        /// How many its size needs.
        expected: u64,
    },
    /// More owners and groups than an inode can tell apart.
    #[error("{found} different owners and groups: squashfs holds at most 65535")]
    TooManyIds {
        /// How many there are.
        found: usize,
    },
    /// More entries than there are inode numbers.
    #[error("{found} entries: squashfs holds at most {}", u32::MAX - 1)]
    TooManyEntries {
        /// How many there are.
        found: usize,
    },
    /// A directory whose index has no room for its names.
    #[error("{path}: its names take more than squashfs' index of a directory reaches (512 MiB)")]
    DirectoryTooLarge {
        /// Which directory.
        path: TreePath,
    },
    /// A table larger than references into it reach.
    #[error("the {table} has {found} bytes: squashfs reaches 4294967295")]
    TableTooLarge {
        /// Which table.
        table: &'static str,
        /// Its size.
        found: usize,
    },
    /// Metadata could not be compressed.
    #[error("squashfs metadata cannot be compressed")]
    Codec(#[from] codec::Error),
    /// The image is larger than a plan can be.
    #[error(transparent)]
    Plan(#[from] PlanError),
}
