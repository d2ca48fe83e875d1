//! Trees and sizes that make no ext4.

use crate::plan::PlanError;
use crate::tree::TreePath;
use crate::units::Bytes;

/// Why a tree does not become an ext4 file system.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The contents have no room.
    #[error("ext4 needs {needed} ({} bytes) for these contents, but the volume has {size}", needed.get())]
    TooSmall {
        /// The size asked for.
        size: Bytes,
        /// The least that works.
        needed: Bytes,
    },
    /// The volume is larger than block numbers reach.
    #[error("an ext4 volume of {size}: expected at most {limit}")]
    TooLarge {
        /// The size asked for, or needed.
        size: Bytes,
        /// The most we write.
        limit: Bytes,
    },
    /// The volume ends within a block.
    #[error("an ext4 volume of {} bytes: expected a multiple of {} bytes", size.get(), block.get())]
    PartialBlock {
        /// The size asked for.
        size: Bytes,
        /// The block size.
        block: Bytes,
    },
    /// A label longer than its field, or with a NUL byte.
    #[error("ext4 label {found:?}: expected at most 16 bytes and no NUL")]
    Label {
        /// The label.
        found: String,
    },
    /// More entries than inode numbers.
    #[error("{found} entries: ext4 holds at most {limit}")]
    TooManyEntries {
        /// How many there are.
        found: u64,
        /// How many there can be.
        limit: u64,
    },
    /// A name longer than a directory entry can hold.
    #[error("{path}: a name of {found} bytes: ext4 allows 255")]
    NameTooLong {
        /// Where.
        path: TreePath,
        /// Its length.
        found: usize,
    },
    /// A directory with more names than a hash tree of two levels can hold.
    #[error("{path} has {found} entries, more than an ext4 directory holds (about 259,000 blocks)")]
    DirectoryTooLarge {
        /// Which directory.
        path: TreePath,
        /// How many entries it has.
        found: usize,
    },
    /// A link that points nowhere at all, or further than a block holds.
    #[error("{path}: a link target of {found} bytes: ext4 allows 1 to 4095")]
    LinkLength {
        /// Which link.
        path: TreePath,
        /// The target's length.
        found: usize,
    },
    /// A file larger than block numbers within a file reach.
    #[error("{path} has {size}: ext4 allows files of {limit}")]
    FileTooLarge {
        /// Which file.
        path: TreePath,
        /// Its size.
        size: Bytes,
        /// The most there can be.
        limit: Bytes,
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
    /// An attribute that ext4 has no way to store.
    #[error(
        "{path}: attribute {name:?}: expected user., trusted., security. or a POSIX ACL, and a name of at most 255 bytes"
    )]
    AttributeName {
        /// Where.
        path: TreePath,
        /// The attribute's name.
        name: String,
    },
    /// A POSIX ACL that is none.
    #[error("{path}: attribute {name:?} is no POSIX ACL of version 2")]
    AttributeAcl {
        /// Where.
        path: TreePath,
        /// The attribute's name.
        name: String,
    },
    /// Attributes that do not fit into the inode and one block.
    #[error("{path}: {size} bytes of extended attributes: ext4 has room for about {limit}")]
    AttributesTooLarge {
        /// Where.
        path: TreePath,
        /// What they take.
        size: usize,
        /// What there is.
        limit: usize,
    },
    /// Something else has the place of the directory that e2fsck puts what it finds into.
    #[error(
        "{path} is a {found}: expected a directory, because e2fsck needs it",
        path = "/lost+found"
    )]
    LostFound {
        /// What it is.
        found: &'static str,
    },
    /// The pieces do not fit together: a defect of this writer.
    #[error(transparent)]
    Plan(#[from] PlanError),
}
