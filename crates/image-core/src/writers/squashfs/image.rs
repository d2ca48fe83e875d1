//! The image: the superblock, the data, and the tables in the one order that readers take.

use super::metadata::{Blocks, Place};
use super::ondisk::{
    Fragment, MAGIC, METADATA_RAW, NO_TABLE, Superblock, VERSION, XattrTable, flag,
};
use super::table::Tables;
use super::{Error, Settings, Stored};
use crate::plan::{Label, Plan, PlanBuilder};
use crate::tree::{Source, Tree};
use crate::units::{Bytes, KIB};

/// What the size is a multiple of: the kernel reads whole blocks of the device, of up to 4 KiB.
const PADDING: Bytes = Bytes::new(4 * KIB.get());

/// Plans the image of a tree whose data are stored.
///
/// # Errors
/// What squashfs or Linux cannot hold, by path; see [`Error`].
pub fn plan(tree: &Tree, stored: &Stored, settings: &Settings) -> Result<Plan, Error> {
    settings.check()?;
    let tables = Tables::of(tree, stored, settings)?;
    let mut draft = Draft { plan: PlanBuilder::new(), at: stored.end(), settings };
    draft.data(stored);
    let inode_table_start = draft.bytes("inode table", tables.inodes.packed);
    let directory_table_start = draft.bytes("directory table", tables.directories.packed);
    let fragment_table_start = draft.fragments(stored)?;
    let export: Vec<u8> =
        tables.places.iter().flat_map(|place| place.reference().to_le_bytes()).collect();
    let lookup_table_start = draft.lookup("export table", &export)?;
    let id_table_start = draft.lookup("id table", &tables.ids.encode())?;
    let xattr_table_start = draft.xattrs(tables.xattrs);
    let no = |table: u64, flag: u16| if table == NO_TABLE { flag } else { 0 };
    let superblock = Superblock {
        magic: MAGIC,
        inodes: count(tables.places.len()),
        mkfs_time: settings.epoch.seconds(),
        block_size: u32::try_from(settings.block.get()).unwrap_or_default(),
        fragments: count(stored.fragments().len()),
        compression: settings.codec.id(),
        block_log: u16::try_from(settings.block.get().ilog2()).unwrap_or_default(),
        flags: flag::EXPORTABLE
            | flag::DUPLICATES
            | no(fragment_table_start, flag::NO_FRAGMENTS)
            | no(xattr_table_start, flag::NO_XATTRS),
        no_ids: tables.ids.count(),
        major: VERSION.0,
        minor: VERSION.1,
        root_inode: tables.places.last().copied().map_or(0, Place::reference),
        bytes_used: draft.at.get(),
        id_table_start,
        xattr_table_start,
        inode_table_start,
        directory_table_start,
        fragment_table_start,
        lookup_table_start,
    };
    draft.finish(superblock)
}

/// The image up to some table.
struct Draft<'s> {
    plan: PlanBuilder,
    at: Bytes,
    settings: &'s Settings,
}

impl Draft<'_> {
    /// Places the data where they are decided to be.
    fn data(&mut self, stored: &Stored) {
        for (run, number) in stored.runs().iter().zip(0..) {
            let source = Source::Host(std::sync::Arc::clone(&run.file));
            self.plan.range(run.at, Label::numbered("data", number), &source, run.start, run.len);
        }
    }

    /// Places bytes, and returns where.
    fn bytes(&mut self, what: &'static str, bytes: Vec<u8>) -> u64 {
        let start = self.at;
        self.at += Bytes::of(&bytes);
        self.plan.bytes(start, Label::new(what), bytes);
        start.get()
    }

    /// Places a table of records of one size, and returns where its index is.
    fn lookup(&mut self, what: &'static str, records: &[u8]) -> Result<u64, Error> {
        let blocks = Blocks::of(what, self.settings.codec, records)?;
        let places = blocks.places(self.at);
        let start = self.at + Bytes::of(&blocks.packed);
        self.bytes(what, [blocks.packed, places].concat());
        Ok(start.get())
    }

    fn fragments(&mut self, stored: &Stored) -> Result<u64, Error> {
        if stored.fragments().is_empty() {
            return Ok(NO_TABLE);
        }
        let entry = |(start, word): &(Bytes, super::Word)| {
            Fragment { start_block: start.get(), size: word.bits(), unused: 0 }.encode()
        };
        let table: Vec<u8> = stored.fragments().iter().flat_map(entry).collect();
        self.lookup("fragment table", &table)
    }

    fn xattrs(&mut self, sets: Option<super::xattr::Sets>) -> u64 {
        let Some(sets) = sets else { return NO_TABLE };
        let table_start = self.bytes("xattr values", sets.records.packed);
        let places = sets.ids.places(self.at);
        self.bytes("xattr sets", sets.ids.packed);
        let head = XattrTable { table_start, ids: sets.count, unused: 0 };
        self.bytes("xattr table", [head.encode().to_vec(), places].concat())
    }

    /// Places the superblock and the padding.
    fn finish(mut self, mut superblock: Superblock) -> Result<Plan, Error> {
        let options = self.settings.codec.options();
        if !options.is_empty() {
            superblock.flags |= flag::COMPRESSOR_OPTIONS;
            // As a block of metadata that is stored as it is; options have a few bytes.
            let head = METADATA_RAW | u16::try_from(options.len()).unwrap_or_default();
            let block = [head.to_le_bytes().to_vec(), options].concat();
            let at = Bytes::from_len(Superblock::SIZE);
            self.plan.bytes(at, Label::new("compressor options"), block);
        }
        self.plan.bytes(Bytes::ZERO, Label::new("superblock"), superblock.encode());
        let size = self.at.align_up(PADDING);
        self.plan.zeros(self.at, size - self.at, Label::new("padding"));
        Ok(self.plan.finish(size)?)
    }
}

/// Counts entries and fragments, of which there are fewer than 2^32.
fn count(found: usize) -> u32 {
    u32::try_from(found).unwrap_or(u32::MAX)
}
