//! Where every file's data lie in the image.

use std::ops::Range;
use std::sync::Arc;

use super::Word;
use crate::tree::{HostFile, NodeId};
use crate::units::Bytes;

/// Where all data lie, decided before the tables are written.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// The files that have data, by position.
    pub(super) files: Vec<File>,
    /// The block words of all files of a block or more.
    pub(super) words: Vec<Word>,
    /// Where each fragment lies, in the order of the fragment table.
    pub(super) fragments: Vec<(Bytes, Word)>,
    /// What is placed, in the order of the image.
    pub(super) runs: Vec<Run>,
    /// Where data end.
    pub(super) end: Bytes,
}

/// A file with data.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) node: NodeId,
    pub(super) place: Place,
}

/// Where a file lies.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// In blocks of its own.
    Blocks { start: Bytes, words: Range<usize>, sparse: Bytes },
    /// In a fragment.
    Fragment(Fragment),
}

/// A part of a fragment block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Which fragment: its place in the table.
    pub index: u32,
    /// Where in the unpacked fragment the file starts.
    pub offset: u32,
}

/// Where the data of one file lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Data<'s> {
    /// Where its first block starts in the image; zero for what has no blocks.
    pub start: Bytes,
    /// Its blocks, one behind the other.
    pub words: &'s [Word],
    /// Where it lies if it has no blocks.
    pub fragment: Option<Fragment>,
    /// How many of its bytes are in blocks of zeros, which are not stored.
    pub sparse: Bytes,
}

/// A range of a file that is placed in the image.
#[derive(Clone, Debug)]
pub struct Run {
    /// Which file.
    pub file: Arc<HostFile>,
    /// Where the range starts in it.
    pub start: Bytes,
    /// How long it is.
    pub len: Bytes,
    /// Where it starts in the image.
    pub at: Bytes,
}

impl Stored {
    /// Returns where the data of a file lie; an empty file has none.
    pub fn data(&self, node: NodeId) -> Data<'_> {
        let Ok(index) = self.files.binary_search_by_key(&node, |file| file.node) else {
            return Data::default();
        };
        match &self.files[index].place {
            Place::Blocks { start, words, sparse } => Data {
                start: *start,
                words: &self.words[words.clone()],
                fragment: None,
                sparse: *sparse,
            },
            Place::Fragment(fragment) => Data { fragment: Some(*fragment), ..Data::default() },
        }
    }

    /// Returns where each fragment starts in the image, and its size, in the order of the table.
    pub fn fragments(&self) -> &[(Bytes, Word)] {
        &self.fragments
    }

    /// Returns what is placed in the image, in order and without gaps.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Returns where data end.
    pub fn end(&self) -> Bytes {
        self.end
    }
}
