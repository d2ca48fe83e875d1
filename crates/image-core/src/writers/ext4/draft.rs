//! The plan while it grows: takes note of inodes, and puts data into pieces.

use super::block::{BLOCK, BlockNo, InodeNo, Run, narrow};
use super::census::{self, Census, Data, Needs, SHORT_LINK};
use super::checksum::Checksum;
use super::error::Error;
use super::extent::Mapping;
use super::inode::{Tables, file_type_of, record};
use super::layout::Layout;
use super::ondisk::inode::{FLAG_EXTENTS, FLAG_INDEX, Inode, file_type};
use super::place::Sink;
use super::{Ext4, journal, resize, xattr};
use crate::plan::{Label, PlanBuilder};
use crate::tree::{Kind, Meta, Mode, Node, Source};
use crate::units::Bytes;

/// Collects a file system's pieces.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    options: &'a Ext4,
    layout: &'a Layout,
    census: &'a Census,
    volume: Checksum,
    stream: Vec<Run>,
    /// What has a place so far.
    pub(super) plan: PlanBuilder,
    /// The inodes so far.
    pub(super) tables: Tables,
    /// A copy of the journal's whereabouts, for the superblock.
    pub(super) journal: [u32; 17],
}

impl<'a> Draft<'a> {
    /// Starts with nothing.
    pub(super) fn new(options: &'a Ext4, layout: &'a Layout, census: &'a Census) -> Self {
        let volume = Checksum::of_volume(options.uuid);
        Self {
            options,
            layout,
            census,
            volume,
            stream: Vec::new(),
            plan: PlanBuilder::new(),
            tables: Tables::new(layout, census.last_inode(), volume),
            journal: [0; 17],
        }
    }

    /// Puts the extent tree into an inode, and its blocks into the plan.
    fn map(&mut self, inode: InodeNo, record: &mut Inode, mapping: &Mapping) {
        let (root, blocks) = mapping.encode(self.volume.of_inode(inode));
        record.block = root;
        record.flags |= FLAG_EXTENTS;
        for (place, block) in blocks {
            self.plan.bytes(place.at(), Label::numbered("extent tree of inode", inode.0), block);
        }
    }

    fn directory(&mut self, node: Node<'_>, record: &mut Inode) {
        let inside = node.children().filter(|child| child.is_directory()).count();
        let made = node.parent().is_none() && self.census.lost_found.is_some();
        record.set_directories_inside(narrow(inside + usize::from(made)));
    }

    /// Places a file's data, and zeros after it to the end of its last block.
    fn data(&mut self, inode: InodeNo, source: &Source, mapping: &Mapping) {
        let label = Label::numbered("data of inode", inode.0);
        let mut start = Bytes::ZERO;
        for run in &mapping.runs {
            let len = run.len().min(source.size() - start);
            self.plan.range(run.start.at(), label, source, start, len);
            self.fill_gaps(run.start.at(), source, start, len);
            start += len;
            let tail = Label::numbered("end of inode", inode.0);
            self.plan.zeros(run.start.at() + len, run.len() - len, tail);
        }
    }

    /// An image within the image may have gaps, but a file has none: whoever reads it reads all.
    fn fill_gaps(&mut self, offset: Bytes, source: &Source, start: Bytes, len: Bytes) {
        let Source::Plan(inner) = source else {
            return;
        };
        let (mut at, end) = (start, start + len);
        let first = inner.piece_after(start);
        let pieces = inner.pieces()[first..].iter().map(|piece| (piece.offset, piece.end()));
        for (from, to) in pieces.chain([(end, end)]) {
            let gap = from.min(end) - at;
            self.plan.zeros(offset + (at - start), gap, Label::new("unused"));
            at = at.max(to);
            if at >= end {
                break;
            }
        }
    }

    fn attributes(&self, node: Node<'_>, needs: Needs, record: &mut Inode) -> Result<u64, Error> {
        let Some(attributes) = census::encode_attributes(node)? else {
            return Ok(0);
        };
        record.attributes = attributes.inode;
        let Some(block) = needs.attributes else {
            return Ok(0);
        };
        record.set_file_acl(self.stream_block(block));
        Ok(1)
    }

    /// Finds where a block of the stream came to lie.
    fn stream_block(&self, block: u32) -> BlockNo {
        let mut skip = u64::from(block);
        for run in &self.stream {
            if skip < run.blocks {
                return run.start.after(skip);
            }
            skip -= run.blocks;
        }
        BlockNo::default()
    }
}

impl Sink for Draft<'_> {
    fn resize(&mut self, block: BlockNo) {
        let label = Label::new("resize inode");
        self.plan.bytes(block.at(), label, resize::double_indirect(self.layout));
        let record = resize::inode(self.layout, block, self.options.epoch);
        self.tables.set(InodeNo::RESIZE, record);
    }

    fn journal(&mut self, mapping: &Mapping) {
        let meta = Meta::root(Mode::new(0o600), self.options.epoch);
        let mut record = record(file_type::REGULAR, &meta);
        let size: Bytes = mapping.runs.iter().map(|run| run.len()).sum();
        record.set_size(size);
        record.set_blocks(mapping.blocks());
        self.map(InodeNo::JOURNAL, &mut record, mapping);
        for (place, word) in self.journal.iter_mut().zip(record.block.chunks_exact(4)) {
            *place = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        }
        self.journal[15] = record.size_high;
        self.journal[16] = record.size_lo;
        self.tables.set(InodeNo::JOURNAL, record);

        let superblock = journal::superblock(self.options.uuid, size.div_ceil(BLOCK));
        let mut skip = Bytes::of(&superblock);
        if let Some(first) = mapping.runs.first() {
            self.plan.bytes(first.start.at(), Label::new("journal superblock"), superblock);
        }
        for run in &mapping.runs {
            self.plan.zeros(run.start.at() + skip, run.len() - skip, Label::new("journal"));
            skip = Bytes::ZERO;
        }
    }

    fn stream(&mut self, runs: &[Run]) {
        self.stream = runs.to_vec();
        let census = self.census;
        let mut attributes = census.needs.iter().filter_map(|needs| needs.attributes).peekable();
        let volume = self.volume;
        let seal = |number, place, block: &mut [u8]| {
            if attributes.next_if_eq(&number).is_some() {
                xattr::seal(block, place, volume);
            }
        };
        census.stream.write(runs, seal, &mut self.plan);
    }

    fn lost_found(&mut self, mapping: &Mapping) {
        let meta = Meta::root(Mode::new(0o700), self.options.epoch);
        let mut record = record(file_type::DIRECTORY, &meta);
        record.set_size(BLOCK * mapping.blocks());
        record.set_blocks(mapping.blocks());
        record.set_directories_inside(0);
        self.map(InodeNo::LOST_FOUND, &mut record, mapping);
        self.tables.set(InodeNo::LOST_FOUND, record);
    }

    fn node(&mut self, node: Node<'_>, needs: Needs, mapping: &Mapping) -> Result<(), Error> {
        let inode = self.census.inode(node.id());
        let mut record = record(file_type_of(node.kind()), node.meta());
        let attribute_blocks = self.attributes(node, needs, &mut record)?;
        record.set_blocks(mapping.blocks() + attribute_blocks);
        match node.kind() {
            Kind::Directory => {
                self.directory(node, &mut record);
                record.set_size(mapping.runs.iter().map(|run| run.len()).sum());
                self.map(inode, &mut record, mapping);
                if let Data::Stream { hashed: true, .. } = needs.data {
                    record.flags |= FLAG_INDEX;
                }
            }
            Kind::File(source) => {
                record.set_size(source.size());
                self.map(inode, &mut record, mapping);
                self.data(inode, source, mapping);
            }
            Kind::Symlink(target) => {
                record.set_size(Bytes::of(target));
                if target.len() <= SHORT_LINK {
                    record.block[..target.len()].copy_from_slice(target);
                } else {
                    self.map(inode, &mut record, mapping);
                }
            }
            Kind::Device(device) => record.set_device(*device),
            Kind::Fifo => {}
        }
        self.tables.set(inode, record);
        Ok(())
    }
}
