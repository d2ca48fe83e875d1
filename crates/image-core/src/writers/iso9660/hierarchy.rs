//! One of the two ways to the files: directories with their records, and the path table.
//!
//! Both hierarchies lead to the same extents. The primary one has plain names and Rock Ridge, Joliet
//! has longer names and nothing else. Records are written twice by the same code: first with all
//! addresses zero, to learn how large each directory is, and again once everything has its place.

use super::Error;
use super::date::Date;
use super::names::{Names, Rule};
use super::ondisk::{
    DIRECTORY, Lba, MULTI_EXTENT, Order, PARENT, PathRecord, Record, SECTOR, SELF,
};
use super::rock_ridge;
use super::susp::{self, Continuation, Field};
use crate::plan::{Label, PlanBuilder};
use crate::tree::{Kind, Node, NodeId, Tree};
use crate::units::Bytes;

/// The largest extent of a file that goes on in another one: the last whole sector below 4 GiB.
pub(super) const EXTENT: Bytes = Bytes::new((1 << 32) - 2048);

/// The directories of a volume, by one rule of naming.
#[derive(Debug)]
pub(super) struct Hierarchy<'t> {
    tree: &'t Tree,
    rule: Rule,
    names: Names,
    /// In the order of the path table: by level, then by parent, then by name.
    directories: Vec<Directory>,
    /// Where each is in that order, by the position of its entry.
    numbers: Vec<usize>,
    /// How many names lead to an entry: its own, and for directories those inside.
    links: Vec<u32>,
}

#[derive(Debug)]
struct Directory {
    node: NodeId,
    /// Its parent's number; the root's is its own.
    parent: usize,
    /// The entries inside, in the order of their records.
    children: Vec<NodeId>,
    start: Lba,
    /// What its records take, in whole sectors.
    records: Bytes,
    /// What is continued behind them, in whole sectors.
    continuation: Bytes,
}

impl<'t> Hierarchy<'t> {
    /// Names and counts everything; no directory has a place yet.
    pub(super) fn of(tree: &'t Tree, rule: Rule) -> Result<Self, Error> {
        let mut links = vec![1; tree.size()];
        for node in tree.iter().filter(|node| node.is_directory()) {
            links[node.id().index()] += 1;
            if let Some(parent) = node.parent() {
                links[parent.id().index()] += 1;
            }
        }
        let names = Names::of(tree, rule);
        let numbers = vec![0; tree.size()];
        let mut hierarchy = Self { tree, rule, names, directories: Vec::new(), numbers, links };
        hierarchy.find_directories()?;
        for number in 0..hierarchy.directories.len() {
            let (records, continuation) = hierarchy.encode(number, &[]);
            let directory = &mut hierarchy.directories[number];
            directory.records = Bytes::of(&records);
            directory.continuation = Bytes::of(&continuation);
            if directory.records > EXTENT {
                let path = tree.node(directory.node).path();
                return Err(Error::Crowded { path, found: directory.records });
            }
        }
        Ok(hierarchy)
    }

    /// Walks the tree level by level.
    fn find_directories(&mut self) -> Result<(), Error> {
        self.directories.push(self.directory(self.tree.root(), 0));
        let mut next = 0;
        while let Some(directory) = self.directories.get(next) {
            let below: Vec<_> = directory
                .children
                .iter()
                .map(|child| self.tree.node(*child))
                .filter(|child| child.is_directory())
                .map(|child| self.directory(child, next))
                .collect();
            for directory in below {
                self.numbers[directory.node.index()] = self.directories.len();
                self.directories.push(directory);
            }
            next += 1;
        }
        let found = self.directories.len();
        if found > usize::from(u16::MAX) { Err(Error::Directories { found }) } else { Ok(()) }
    }

    fn directory(&self, node: Node<'_>, parent: usize) -> Directory {
        let mut children: Vec<_> = node
            .children()
            .map(Node::id)
            .filter(|child| self.names.get(*child).is_some())
            .collect();
        children.sort_by_key(|child| self.names.get(*child));
        Directory {
            node: node.id(),
            parent,
            children,
            start: Lba::default(),
            records: Bytes::ZERO,
            continuation: Bytes::ZERO,
        }
    }

    /// Places the directories one after the other and returns where the last one ends.
    pub(super) fn place(&mut self, mut at: Bytes) -> Bytes {
        for directory in &mut self.directories {
            directory.start = Lba::of(at);
            at += directory.records + directory.continuation;
        }
        at
    }

    /// Writes the directories; `files` are the extents' starts by position.
    pub(super) fn write(&self, plan: &mut PlanBuilder, files: &[Lba]) {
        let what = match self.rule {
            Rule::Primary => "directory",
            Rule::Joliet => "joliet directory",
        };
        for (number, directory) in self.directories.iter().enumerate() {
            let (records, continuation) = self.encode(number, files);
            let index = u32::try_from(directory.node.index()).unwrap_or(u32::MAX);
            let data = [records, continuation].concat();
            plan.bytes(directory.start.at(), Label::numbered(what, index), data);
        }
    }

    /// Encodes the root's record as volume descriptors hold it.
    pub(super) fn root_record(&self) -> Vec<u8> {
        self.record_of(0, SELF).encode(&[])
    }

    /// Encodes the path table.
    pub(super) fn path_table(&self, order: Order) -> Vec<u8> {
        let record = |directory: &Directory| {
            PathRecord {
                extent: directory.start,
                parent: u16::try_from(directory.parent + 1).unwrap_or(u16::MAX),
                identifier: self.names.get(directory.node).unwrap_or(SELF),
            }
            .encode(order)
        };
        self.directories.iter().flat_map(record).collect()
    }

    /// Encodes a directory: its records, and what they continue in.
    fn encode(&self, number: usize, files: &[Lba]) -> (Vec<u8>, Vec<u8>) {
        let directory = &self.directories[number];
        let start = Lba::of(directory.start.at() + directory.records);
        let continuation = Continuation { start, data: Vec::new() };
        let mut draft = Draft { rule: self.rule, records: Vec::new(), continuation };
        let node = self.tree.node(directory.node);
        let mut own = self.described(node);
        if number == 0 {
            own.insert(0, susp::sp());
            own.push(susp::er());
        }
        draft.push(&self.record_of(number, SELF), &own);
        let parent = self.tree.node(self.directories[directory.parent].node);
        draft.push(&self.record_of(directory.parent, PARENT), &self.described(parent));
        for child in directory.children.iter().map(|child| self.tree.node(*child)) {
            self.encode_child(child, files, &mut draft);
        }
        draft.finish()
    }

    fn encode_child(&self, child: Node<'_>, files: &[Lba], draft: &mut Draft) {
        let name = self.names.get(child.id()).unwrap_or_default();
        let fields = rock_ridge::named(child, self.links[child.id().index()]);
        let identifier = self.rule.with_version(name);
        let date = Date::of(child.meta().mtime);
        let record =
            Record { extent: Lba::default(), length: 0, date, flags: 0, identifier: &identifier };
        match child.kind() {
            Kind::Directory => {
                draft.push(&self.record_of(self.numbers[child.id().index()], name), &fields);
            }
            Kind::Symlink(_) | Kind::Device(_) | Kind::Fifo => draft.push(&record, &fields),
            Kind::File(source) => {
                let start = files.get(child.id().index()).copied().unwrap_or_default();
                let (mut at, mut left) = (start.at(), source.size());
                while left > EXTENT {
                    let length = length(EXTENT);
                    let flags = MULTI_EXTENT;
                    draft.push(&Record { extent: Lba::of(at), length, flags, ..record }, &fields);
                    (at, left) = (at + EXTENT, left - EXTENT);
                }
                let (extent, length) = (Lba::of(at), length(left));
                draft.push(&Record { extent, length, ..record }, &fields);
            }
        }
    }

    /// Describes a directory under some identifier.
    fn record_of<'a>(&self, number: usize, identifier: &'a [u8]) -> Record<'a> {
        let directory = &self.directories[number];
        Record {
            extent: directory.start,
            length: length(directory.records),
            date: Date::of(self.tree.node(directory.node).meta().mtime),
            flags: DIRECTORY,
            identifier,
        }
    }

    fn described(&self, node: Node<'_>) -> Vec<Field> {
        rock_ridge::described(node, self.links[node.id().index()])
    }
}

/// Returns a length as records have it; larger ones are refused or cut before.
fn length(size: Bytes) -> u32 {
    u32::try_from(size.get()).unwrap_or(u32::MAX)
}

/// A directory up to some record.
struct Draft {
    rule: Rule,
    records: Vec<u8>,
    continuation: Continuation,
}

impl Draft {
    /// Adds a record, which lies within a sector (6.8.1.1).
    fn push(&mut self, record: &Record<'_>, fields: &[Field]) {
        let encoded = match self.rule {
            Rule::Primary => record.encode(&self.continuation.record(fields, record.room())),
            Rule::Joliet => record.encode(&[]),
        };
        let at = Bytes::of(&self.records);
        if (at + Bytes::of(&encoded)).align_up(SECTOR) > (at + Bytes::new(1)).align_up(SECTOR) {
            self.fill_sector();
        }
        self.records.extend(encoded);
    }

    fn fill_sector(&mut self) {
        let end = Bytes::of(&self.records).align_up(SECTOR);
        self.records.resize(end.to_len().unwrap_or(self.records.len()), 0);
    }

    fn finish(mut self) -> (Vec<u8>, Vec<u8>) {
        self.fill_sector();
        self.continuation.fill_sector();
        (self.records, self.continuation.data)
    }
}
