//! ext4, written forward from a tree, without a mount.
//!
//! What mke2fs 1.47 makes of `-t ext4` with 4 KiB blocks and 256-byte inodes: extents, flex_bg,
//! 64bit, metadata_csum, a journal, hashed directories, room to grow while mounted; without
//! orphan_file and metadata_csum_seed, which older kernels and GRUB refuse. Everything is decided
//! here; nothing is written twice or read back.
//!
//! What lies where: fixed parts as mke2fs puts them (`layout`); then the journal, all directories,
//! and file data in the tree's order (`place`). So a closure is read in the order in which it is
//! written, and every file is contiguous but for the fixed parts of the next two gigabytes.
//!
//! In the order of use: `census` (`directory`, `htree`, `half_md4`, `xattr`, `stream`), `layout`,
//! `place` (`alloc`, `extent`), `draft` (`inode`, `journal`, `resize`), `groups`,
//! `superblock`; `size` asks how small it can be; `ondisk` holds all bytes.
//!
//! Not here: reading, other block sizes, hard links, encryption, quota, inline data, large attributes
//! (ea_inode). Follows the kernel's `Documentation/filesystems/ext4/`.

mod alloc;
mod block;
mod census;
mod checksum;
mod directory;
mod draft;
mod error;
mod extent;
mod groups;
mod half_md4;
mod htree;
mod inode;
mod journal;
mod label;
mod layout;
mod ondisk;
mod place;
mod resize;
mod size;
mod stream;
mod superblock;
mod xattr;

pub use error::Error;
pub use label::Label;
use uuid::Uuid;

use self::block::{BLOCK, Run};
use self::census::Census;
use self::checksum::Checksum;
use self::draft::Draft;
use self::half_md4::NameHash;
use self::layout::Layout;
use self::superblock::Totals;
use crate::epoch::Epoch;
use crate::plan::Plan;
use crate::tree::Tree;
use crate::units::{Bytes, MIB};

/// How to make an ext4 file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ext4 {
    /// The volume's size: a multiple of 4 KiB.
    pub size: Bytes,
    /// The volume's label.
    pub label: Label,
    /// The volume's UUID; seeds all checksums.
    pub uuid: Uuid,
    /// Seeds the hashes of names.
    pub hash_seed: Uuid,
    /// Dates the file system itself, its journal and its `lost+found`.
    pub epoch: Epoch,
    /// One inode for so many bytes of volume, mke2fs' `-i`; the tree's needs come first.
    pub bytes_per_inode: Bytes,
    /// Inodes to spare beyond the tree's, even where the volume is small.
    pub spare_inodes: u32,
    /// How much of the volume only root may fill, mke2fs' `-m`; at most 50.
    pub reserved_percent: u8,
}

impl Ext4 {
    /// The fewest bytes for each inode that mke2fs takes.
    pub const LEAST_PER_INODE: Bytes = Bytes::new(1 << 10);

    /// Describes a file system with mke2fs' defaults: an inode per 16 KiB, 5 % kept for root.
    pub fn new(size: Bytes, uuid: Uuid, hash_seed: Uuid) -> Self {
        Self {
            size,
            label: Label::default(),
            uuid,
            hash_seed,
            epoch: Epoch::STORE,
            bytes_per_inode: Bytes::new(16 << 10),
            spare_inodes: 1024,
            reserved_percent: 5,
        }
    }

    /// Plans a file system that holds `tree`.
    ///
    /// # Errors
    /// What of the tree ext4 cannot hold, or the size that it needs.
    pub fn plan(&self, tree: &Tree) -> Result<Plan, Error> {
        self.check_size()?;
        let census = self.census(tree)?;
        let layout = self.layout(tree, &census)?;
        let mut draft = Draft::new(self, &layout, &census);
        let free = place::place(tree, &census, &layout, &mut draft)?.unwrap_or_default();
        self.finish(&layout, draft, &free)
    }

    /// Returns the smallest size that [`Ext4::plan`] accepts for `tree`; `self.size` is ignored.
    ///
    /// # Errors
    /// What of the tree ext4 cannot hold.
    pub fn minimum_size(&self, tree: &Tree) -> Result<Bytes, Error> {
        size::minimum(self, tree, &self.census(tree)?).map(|blocks| BLOCK * blocks)
    }

    fn check_size(&self) -> Result<(), Error> {
        let (size, limit) = (self.size, BLOCK * layout::MOST_BLOCKS);
        if !size.is_multiple_of(BLOCK) {
            return Err(Error::PartialBlock { size, block: BLOCK });
        }
        if size > limit { Err(Error::TooLarge { size, limit }) } else { Ok(()) }
    }

    fn census(&self, tree: &Tree) -> Result<Census, Error> {
        Census::take(tree, Checksum::of_volume(self.uuid), NameHash::new(self.hash_seed))
    }

    fn layout(&self, tree: &Tree, census: &Census) -> Result<Layout, Error> {
        let size = self.size;
        if let Some(layout) = size::fit(self, tree, census, size.div_ceil(BLOCK))? {
            return Ok(layout);
        }
        let needed = size::minimum(self, tree, census)?;
        let too_small = Error::TooSmall { size, needed: BLOCK * needed };
        if BLOCK * needed > size {
            return Err(too_small);
        }
        // A few blocks more can need more than they bring (another group, a copy of the superblock);
        // then they stay unused.
        size::fit(self, tree, census, needed)?.ok_or(too_small)
    }

    fn finish(&self, layout: &Layout, draft: Draft<'_>, free: &[Run]) -> Result<Plan, Error> {
        let Draft { mut plan, tables, journal, .. } = draft;
        let totals = Totals {
            free_blocks: free.iter().map(|run| run.blocks).sum(),
            used_inodes: tables.used(),
            journal,
        };
        let volume = Checksum::of_volume(self.uuid);
        let descriptors = groups::write(layout, tables, free, volume, &mut plan);
        let superblock = superblock::superblock(self, layout, totals);
        superblock::write(&superblock, layout, descriptors, &mut plan);
        // Whoever looks for signatures looks at the end of a volume, too.
        let end = BLOCK * layout.blocks;
        let quiet = crate::plan::Label::new("end of volume");
        for run in free {
            let start = run.start.at().max(end - MIB);
            plan.zeros(start, run.end().at() - start, quiet);
        }
        plan.zeros(end, self.size - end, quiet);
        Ok(plan.finish(self.size)?)
    }
}
