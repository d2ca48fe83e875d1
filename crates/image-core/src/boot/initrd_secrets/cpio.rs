//! A "newc" cpio archive of secrets, as a plan.
//!
//! An entry is a header of text, the name with a NUL, and the data, each padded to a multiple of four;
//! an entry named `TRAILER!!!` ends the archive. Owners, times and devices are all zero, numbers of
//! inodes count up: the archive depends on names and lengths alone. Files are 0400 and directories
//! 0700, all root's: who copies them (the first stage) is root.
//!
//! Follows the kernel's Documentation/driver-api/early-userspace/buffer-format.rst. Not a general
//! writer: no links, no devices, no files of 4 GiB.

use std::collections::BTreeSet;

use crate::plan::{Label, Plan, PlanBuilder, PlanError};
use crate::tree::{Source, TreePath};
use crate::units::Bytes;

/// `c_magic` of an archive without checksums.
const MAGIC: &str = "070701";

/// The unit that headers with their names, and data, are padded to.
const PADDED: Bytes = Bytes::new(4);

/// The unit that archives are padded to, as GNU cpio does.
const BLOCK: Bytes = Bytes::new(512);

/// Mode of a directory: `drwx------`.
const DIRECTORY: u32 = 0o040_700;

/// Mode of a file: `-r--------`.
const FILE: u32 = 0o100_400;

/// The name of the entry that ends an archive.
const TRAILER: &[u8] = b"TRAILER!!!";

/// Why there is no archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A file is larger than the format can say.
    #[error("{path} has {size}: expected at most {} in a cpio archive", Bytes::new(u32::MAX.into()))]
    TooLarge {
        /// Its place in the archive.
        path: TreePath,
        /// Its size.
        size: Bytes,
    },
    /// The archive is larger than a plan can be.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// Plans an archive of files, and of all directories above them.
///
/// # Errors
/// Files that are too large.
pub fn plan<'a>(
    files: impl IntoIterator<Item = (&'a TreePath, &'a Source)>,
) -> Result<Plan, Error> {
    let mut archive = Archive { plan: PlanBuilder::new(), at: Bytes::ZERO, entries: 0 };
    let mut made = BTreeSet::new();
    for (path, source) in files {
        let mut above: Vec<TreePath> = Vec::new();
        let mut next = path.parent();
        while let Some(directory) = next.filter(|directory| !directory.is_root()) {
            next = directory.parent();
            above.push(directory);
        }
        for directory in above.into_iter().rev() {
            if !made.contains(&directory) {
                archive.header(directory.relative(), DIRECTORY, 0);
                made.insert(directory);
            }
        }
        archive.file(path, source)?;
    }
    archive.header(TRAILER, 0, 0);
    Ok(archive.finish()?)
}

struct Archive {
    plan: PlanBuilder,
    at: Bytes,
    entries: u32,
}

impl Archive {
    fn file(&mut self, path: &TreePath, source: &Source) -> Result<(), Error> {
        let size = source.size();
        let length =
            u32::try_from(size.get()).map_err(|_| Error::TooLarge { path: path.clone(), size })?;
        self.header(path.relative(), FILE, length);
        self.plan.source(self.at, Label::numbered("secret", self.entries), source);
        self.pad(size);
        Ok(())
    }

    /// Places a header, the name and the padding after it.
    fn header(&mut self, name: &[u8], mode: u32, size: u32) {
        self.entries += 1;
        let is_trailer = mode == 0;
        let inode = if is_trailer { 0 } else { self.entries };
        let links = if mode == DIRECTORY { 2 } else { 1 };
        let name_size = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
        // ino, mode, uid, gid, nlink, mtime, filesize, device, device of a node, namesize, check.
        let fields = [inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name_size, 0];
        let mut header = MAGIC.as_bytes().to_vec();
        for field in fields {
            header.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        header.extend_from_slice(name);
        header.push(0);
        header.resize(header.len().next_multiple_of(4), 0);
        let length = Bytes::of(&header);
        self.plan.bytes(self.at, Label::numbered("header", self.entries), header);
        self.at += length;
    }

    /// Goes past data that was placed, and places the padding after it.
    fn pad(&mut self, size: Bytes) {
        let end = self.at + size;
        self.zeros(end, end.align_up(PADDED));
    }

    fn zeros(&mut self, from: Bytes, to: Bytes) {
        self.plan.zeros(from, to - from, Label::numbered("padding", self.entries));
        self.at = to;
    }

    fn finish(mut self) -> Result<Plan, PlanError> {
        let end = self.at.align_up(BLOCK);
        self.zeros(self.at, end);
        self.plan.finish(end)
    }
}
