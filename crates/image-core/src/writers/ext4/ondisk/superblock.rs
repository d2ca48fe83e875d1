//! The superblock: super.rst.

use super::on_disk;

/// `s_magic`.
pub(in crate::writers::ext4) const MAGIC: u16 = 0xEF53;
/// Where the superblock lies in the file system; a copy lies at the start of its block instead.
pub(in crate::writers::ext4) const OFFSET: u64 = 1024;

/// What we use of `s_feature_compat`: a kernel that lacks it may still mount.
pub(in crate::writers::ext4) mod compat {
    pub(in crate::writers::ext4) const HAS_JOURNAL: u32 = 0x4;
    pub(in crate::writers::ext4) const EXT_ATTR: u32 = 0x8;
    pub(in crate::writers::ext4) const RESIZE_INODE: u32 = 0x10;
    pub(in crate::writers::ext4) const DIR_INDEX: u32 = 0x20;
}

/// What we use of `s_feature_incompat`: a kernel (or boot loader) that lacks it must not read.
pub(in crate::writers::ext4) mod incompat {
    pub(in crate::writers::ext4) const FILETYPE: u32 = 0x2;
    pub(in crate::writers::ext4) const EXTENTS: u32 = 0x40;
    pub(in crate::writers::ext4) const SIXTY_FOUR_BIT: u32 = 0x80;
    pub(in crate::writers::ext4) const FLEX_BG: u32 = 0x200;
}

/// What we use of `s_feature_ro_compat`: a kernel that lacks it must not write.
pub(in crate::writers::ext4) mod ro_compat {
    pub(in crate::writers::ext4) const SPARSE_SUPER: u32 = 0x1;
    pub(in crate::writers::ext4) const LARGE_FILE: u32 = 0x2;
    pub(in crate::writers::ext4) const HUGE_FILE: u32 = 0x8;
    pub(in crate::writers::ext4) const DIR_NLINK: u32 = 0x20;
    pub(in crate::writers::ext4) const EXTRA_ISIZE: u32 = 0x40;
    pub(in crate::writers::ext4) const METADATA_CSUM: u32 = 0x400;
}

/// `s_state`: cleanly unmounted.
pub(in crate::writers::ext4) const STATE_CLEAN: u16 = 1;
/// `s_errors`: carry on after an error, the default of mke2fs.
pub(in crate::writers::ext4) const ERRORS_CONTINUE: u16 = 1;
/// `s_rev_level`: inodes of variable size.
pub(in crate::writers::ext4) const REV_DYNAMIC: u32 = 1;
/// `s_max_mnt_count`: never check because of the number of mounts.
pub(in crate::writers::ext4) const NO_MOUNT_LIMIT: u16 = 0xFFFF;
/// `s_def_hash_version`: half MD4.
pub(in crate::writers::ext4) const HASH_HALF_MD4: u8 = 1;
/// `s_flags`: directory hashes take the bytes of names as signed numbers, whatever the machine.
pub(in crate::writers::ext4) const FLAG_SIGNED_HASH: u32 = 1;
/// `s_default_mount_opts`: `user_xattr` and `acl`.
pub(in crate::writers::ext4) const DEFAULT_MOUNT_OPTIONS: u32 = 0x4 | 0x8;
/// `s_jnl_backup_type`: `s_jnl_blocks` holds the journal inode's `i_block` and size.
pub(in crate::writers::ext4) const JOURNAL_BACKUP_BLOCKS: u8 = 1;
/// `s_checksum_type`: CRC-32C.
pub(in crate::writers::ext4) const CHECKSUM_CRC32C: u8 = 1;

on_disk! {
    /// `struct ext4_super_block`.
    Superblock: 1024 {
        /// Total inode count.
        0x0 inodes_count: u32,
        /// Total block count, low half.
        0x4 blocks_count_lo: u32,
        /// Blocks only the superuser may allocate, low half.
        0x8 r_blocks_count_lo: u32,
        /// Free blocks, low half.
        0xC free_blocks_count_lo: u32,
        /// Free inodes.
        0x10 free_inodes_count: u32,
        /// First data block: 0 for blocks above 1 KiB.
        0x14 first_data_block: u32,
        /// Block size is 2^(10 + this).
        0x18 log_block_size: u32,
        /// Cluster size; equals the block size without bigalloc.
        0x1C log_cluster_size: u32,
        /// Blocks per group.
        0x20 blocks_per_group: u32,
        /// Clusters per group; equals blocks without bigalloc.
        0x24 clusters_per_group: u32,
        /// Inodes per group.
        0x28 inodes_per_group: u32,
        /// Mount time.
        0x2C mtime: u32,
        /// Write time.
        0x30 wtime: u32,
        /// Mounts since the last check.
        0x34 mnt_count: u16,
        /// Mounts after which to check.
        0x36 max_mnt_count: u16,
        /// [`MAGIC`].
        0x38 magic: u16,
        /// [`STATE_CLEAN`].
        0x3A state: u16,
        /// What to do on errors: [`ERRORS_CONTINUE`].
        0x3C errors: u16,
        /// Minor revision.
        0x3E minor_rev_level: u16,
        /// Time of the last check.
        0x40 lastcheck: u32,
        /// Longest time between checks; 0: none.
        0x44 checkinterval: u32,
        /// 0: Linux.
        0x48 creator_os: u32,
        /// [`REV_DYNAMIC`].
        0x4C rev_level: u32,
        /// Who may use reserved blocks.
        0x50 def_resuid: u16,
        /// Which group may.
        0x52 def_resgid: u16,
        /// First inode that is not reserved.
        0x54 first_ino: u32,
        /// Bytes per inode record.
        0x58 inode_size: u16,
        /// Which group this copy lies in.
        0x5A block_group_nr: u16,
        /// See [`compat`].
        0x5C feature_compat: u32,
        /// See [`incompat`].
        0x60 feature_incompat: u32,
        /// See [`ro_compat`].
        0x64 feature_ro_compat: u32,
        /// Volume UUID.
        0x68 uuid: [u8; 16],
        /// Volume label.
        0x78 volume_name: [u8; 16],
        /// Where it was mounted last.
        0x88 last_mounted: [u8; 64],
        /// Unused.
        0xC8 algorithm_usage_bitmap: u32,
        /// Unused.
        0xCC prealloc_blocks: u8,
        /// Unused.
        0xCD prealloc_dir_blocks: u8,
        /// Blocks kept after the group descriptors for growing.
        0xCE reserved_gdt_blocks: u16,
        /// UUID of an external journal.
        0xD0 journal_uuid: [u8; 16],
        /// Inode of the journal.
        0xE0 journal_inum: u32,
        /// Device of an external journal.
        0xE4 journal_dev: u32,
        /// Start of the list of orphaned inodes.
        0xE8 last_orphan: u32,
        /// Seed of the directory hash.
        0xEC hash_seed: [u8; 16],
        /// [`HASH_HALF_MD4`].
        0xFC def_hash_version: u8,
        /// [`JOURNAL_BACKUP_BLOCKS`].
        0xFD jnl_backup_type: u8,
        /// Bytes per group descriptor.
        0xFE desc_size: u16,
        /// [`DEFAULT_MOUNT_OPTIONS`].
        0x100 default_mount_opts: u32,
        /// First group that uses meta_bg; unused.
        0x104 first_meta_bg: u32,
        /// When the file system was made.
        0x108 mkfs_time: u32,
        /// Copy of the journal inode's `i_block`, then its size, high half first.
        0x10C jnl_blocks: [u32; 17],
        /// Total block count, high half.
        0x150 blocks_count_hi: u32,
        /// Reserved blocks, high half.
        0x154 r_blocks_count_hi: u32,
        /// Free blocks, high half.
        0x158 free_blocks_count_hi: u32,
        /// Bytes beyond the 128 of ext2 that all inodes have.
        0x15C min_extra_isize: u16,
        /// Bytes beyond the 128 of ext2 that new inodes get.
        0x15E want_extra_isize: u16,
        /// [`FLAG_SIGNED_HASH`].
        0x160 flags: u32,
        /// Unused: RAID stride.
        0x164 raid_stride: u16,
        /// Unused: multi-mount protection.
        0x166 mmp_interval: u16,
        /// Unused: multi-mount protection.
        0x168 mmp_block: u64,
        /// Unused: RAID stripe width.
        0x170 raid_stripe_width: u32,
        /// Groups per flex group is 2^this.
        0x174 log_groups_per_flex: u8,
        /// [`CHECKSUM_CRC32C`].
        0x175 checksum_type: u8,
        /// Padding, and fields we leave zero: written KiB, snapshots, recorded errors, mount
        /// options, quota inodes, overhead (0: the kernel counts), backup groups, encryption.
        0x176 unused: [u8; 0x286],
        /// Checksum of all before.
        0x3FC checksum: u32,
    }
}
