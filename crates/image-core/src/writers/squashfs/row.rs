//! The contents of all files in a row: what is packed.
//!
//! The row has nothing but contents, in the order of the tree. So the tree alone tells what any stretch
//! of it is: neither packed blocks nor their indices name a file.

use crate::tree::{Kind, NodeId, Tree};
use crate::units::Bytes;

/// Where each file that is not empty starts in the row.
#[derive(Clone, Debug)]
pub(super) struct Row {
    files: Vec<File>,
    /// How long the row is.
    pub(super) size: Bytes,
}

#[derive(Clone, Copy, Debug)]
struct File {
    node: NodeId,
    start: Bytes,
}

/// What a stretch of the row has of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Which file.
    pub(super) node: NodeId,
    /// Its size.
    pub(super) size: Bytes,
    /// Where in the file the part starts.
    pub(super) skip: Bytes,
    /// How long the part is.
    pub(super) len: Bytes,
}

impl Part {
    /// Tells whether the file goes into a fragment.
    pub(super) fn is_small(&self, block: Bytes) -> bool {
        self.size < block
    }

    /// Tells whether the part begins in the midst of the file.
    pub(super) fn continues(&self) -> bool {
        !self.skip.is_zero()
    }

    /// Tells whether the part has the end of the file.
    pub(super) fn ends(&self) -> bool {
        self.skip + self.len == self.size
    }

    /// Tells whether it consists of whole blocks, or of a whole small file.
    pub(super) fn is_whole(&self, block: Bytes) -> bool {
        if self.is_small(block) {
            return self.len == self.size;
        }
        self.skip.is_multiple_of(block) && (self.ends() || self.len.is_multiple_of(block))
    }
}

impl Row {
    /// Puts the files of a tree in a row.
    pub(super) fn of(tree: &Tree) -> Self {
        let (mut files, mut size) = (Vec::new(), Bytes::ZERO);
        for node in tree.iter() {
            if let Kind::File(source) = node.kind()
                && !source.size().is_zero()
            {
                files.push(File { node: node.id(), start: size });
                size += source.size();
            }
        }
        Self { files, size }
    }

    /// Walks what a stretch of the row consists of.
    pub(super) fn parts(&self, start: Bytes, end: Bytes) -> impl Iterator<Item = Part> {
        // The file that the stretch starts in is the last that does not start behind it.
        let first = self.files.partition_point(|file| file.start <= start).saturating_sub(1);
        let files = self.files.iter().enumerate().skip(first);
        files.take_while(move |(_, file)| file.start < end).map(move |(index, file)| {
            let next = self.files.get(index + 1).map_or(self.size, |next| next.start);
            let (from, to) = (file.start.max(start), next.min(end));
            let (size, skip) = (next - file.start, from - file.start);
            Part { node: file.node, size, skip, len: to - from }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn parts(row: &Row, start: u64, end: u64) -> Vec<(u64, u64, u64)> {
        let parts = row.parts(Bytes::new(start), Bytes::new(end));
        parts.map(|part| (part.size.get(), part.skip.get(), part.len.get())).collect()
    }

    #[test]
    fn a_stretch_is_told_by_the_tree() {
        let tree =
            sample::tree(&[("a", vec![1; 5]), ("b", vec![]), ("c", vec![1; 7]), ("d", vec![2])]);
        let row = Row::of(&tree);
        assert_eq!(row.size.get(), 13);
        assert_eq!(parts(&row, 0, 13), [(5, 0, 5), (7, 0, 7), (1, 0, 1)]);
        assert_eq!(parts(&row, 5, 12), [(7, 0, 7)]);
        assert_eq!(parts(&row, 3, 6), [(5, 3, 2), (7, 0, 1)]);
        assert_eq!(parts(&row, 6, 8), [(7, 1, 2)]);
        assert_eq!(parts(&row, 12, 13), [(1, 0, 1)]);
        let empty = Row::of(&sample::tree(&[("a", vec![])]));
        assert_eq!(parts(&empty, 0, 0), []);
    }

    #[test]
    fn parts_are_whole_blocks_or_whole_small_files() {
        let part = |size, skip, len| {
            let [size, skip, len] = [size, skip, len].map(Bytes::new);
            Part { node: NodeId::ROOT, size, skip, len }.is_whole(Bytes::new(4096))
        };
        assert!(part(4095, 0, 4095) && part(4096, 0, 4096) && part(9000, 0, 4096));
        assert!(part(9000, 4096, 4904) && part(9000, 8192, 808));
        assert!(!part(4095, 0, 100) && !part(9000, 0, 5000) && !part(9000, 100, 4096));
    }
}
