//! Nix' export format: store paths in one stream, which `nix-store --import` takes into any store.
//!
//! A stream is, for each path, a word that says so, its NAR, and what Nix knows about it; then a word that
//! says that it ends. Paths come after those that they refer to, so that a stream that is cut off leaves
//! whole paths behind. Made without Nix, and by the loop that writes images, so that many files
//! are read at once. Signatures are not part of the format: the importer has to trust the sender, as
//! root of the importing machine does.
//!
//! Follows Nix' `libstore/export-import.cc` (2.3 to 2.28).

use std::collections::BTreeSet;

use crate::inputs::closure::{Closure, PathInfo};
use crate::inputs::nar::{Nar, Sink};
use crate::inputs::store_path::{STORE_DIR, StorePath};
use crate::plan::{Label, Plan, PlanBuilder, PlanError};
use crate::tree::{Kind, Node, Source, Tree, TreePath};
use crate::units::Bytes;

/// Comes before each path, and a zero after the last.
const PATH: u64 = 1;

/// Between a NAR and what is known about it: "NIXE".
const MAGIC: u64 = 0x4558_494e;

/// How many bytes of words without contents between them share a piece.
const RUN: usize = 64 << 10;

/// The bit that makes a file executable to Nix.
const OWNER_EXECUTES: u16 = 0o100;

/// Why paths cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The tree lacks a path: a defect of the caller.
    #[error("{path} is not in the tree")]
    Missing {
        /// Which path.
        path: StorePath,
    },
    /// A store holds what no NAR can.
    #[error(
        "{path} is a device or a pipe: expected files, directories and symbolic links in a store"
    )]
    Kind {
        /// What it is.
        path: TreePath,
    },
    /// The stream would be larger than any file.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// Plans the stream of all paths of a closure but those that the receiver has; `tree` holds them in
/// `/nix/store`.
///
/// # Errors
/// See [`Error`].
pub fn plan(tree: &Tree, closure: &Closure, there: &BTreeSet<StorePath>) -> Result<Plan, Error> {
    let mut draft = Draft { plan: PlanBuilder::new(), words: Vec::new(), at: Bytes::ZERO, runs: 0 };
    for info in in_order(closure) {
        if !there.contains(&info.path) {
            draft.path(tree, info)?;
        }
    }
    draft.words.put(&0_u64.to_le_bytes());
    draft.place();
    let size = draft.at;
    Ok(draft.plan.finish(size)?)
}

/// The paths of a closure, each after those that it refers to; else in the closure's order.
pub fn in_order(closure: &Closure) -> Vec<&PathInfo> {
    let mut seen = BTreeSet::new();
    let mut ordered = Vec::with_capacity(closure.paths().len());
    // Paths that are begun, each with the references that nobody has looked at.
    let mut begun = Vec::new();
    for root in closure.paths() {
        if seen.insert(&root.path) {
            begun.push((root, root.references.iter()));
        }
        while let Some((info, references)) = begun.last_mut() {
            match references.next() {
                Some(reference) => {
                    if let Some(next) = closure.get(reference)
                        && seen.insert(&next.path)
                    {
                        begun.push((next, next.references.iter()));
                    }
                }
                None => {
                    ordered.push(*info);
                    begun.pop();
                }
            }
        }
    }
    ordered
}

/// A stream up to some word.
struct Draft {
    plan: PlanBuilder,
    /// Words that are in no piece yet.
    words: Vec<u8>,
    /// Where they start.
    at: Bytes,
    /// How many pieces of words there are.
    runs: u32,
}

impl Draft {
    fn path(&mut self, tree: &Tree, info: &PathInfo) -> Result<(), Error> {
        let missing = || Error::Missing { path: info.path.clone() };
        let place = format!("{STORE_DIR}/{}", info.path.base_name());
        let place = TreePath::parse(&place).map_err(|_| missing())?;
        let node = tree.find(&place).ok_or_else(missing)?;
        self.words.put(&PATH.to_le_bytes());
        let mut nar = Nar::to(std::mem::take(&mut self.words));
        self.node(&mut nar, node)?;
        self.words = std::mem::take(nar.sink());
        self.known(info);
        if self.words.len() >= RUN {
            self.place();
        }
        Ok(())
    }

    /// A file, a link, or a directory with all that is below it.
    fn node(&mut self, nar: &mut Nar<Vec<u8>>, node: Node<'_>) -> Result<(), Error> {
        match node.kind() {
            Kind::File(source) => {
                let executable = node.meta().mode.bits() & OWNER_EXECUTES != 0;
                nar.open_file(source.size().get(), executable);
                self.contents(nar, node, source);
                nar.close_file();
            }
            Kind::Directory => {
                nar.open_directory();
                for child in node.children() {
                    nar.entry(child.name());
                    self.node(nar, child)?;
                }
                nar.close_directory();
            }
            Kind::Symlink(target) => nar.symlink(target),
            Kind::Device(_) | Kind::Fifo => return Err(Error::Kind { path: node.path() }),
        }
        Ok(())
    }

    /// Places the words up to here, then the contents.
    fn contents(&mut self, nar: &mut Nar<Vec<u8>>, node: Node<'_>, source: &Source) {
        if source.size().is_zero() {
            return;
        }
        self.words = std::mem::take(nar.sink());
        self.place();
        *nar.sink() = std::mem::take(&mut self.words);
        let number = u32::try_from(node.id().index()).unwrap_or(u32::MAX);
        self.plan.source(self.at, Label::numbered("contents", number), source);
        self.at += source.size();
    }

    /// What Nix knows about a path, after its NAR.
    fn known(&mut self, info: &PathInfo) {
        self.words.put(&MAGIC.to_le_bytes());
        self.word(&info.path.to_string());
        let references: BTreeSet<&StorePath> = info.references.iter().collect();
        self.words.put(&Bytes::from_len(references.len()).get().to_le_bytes());
        for reference in references {
            self.word(&reference.to_string());
        }
        self.word(&info.deriver.as_ref().map(ToString::to_string).unwrap_or_default());
        // Once, a signature could follow.
        self.words.put(&0_u64.to_le_bytes());
    }

    /// A string: its length, its bytes, zeros up to a multiple of eight.
    fn word(&mut self, word: &str) {
        let size = Bytes::of(word.as_bytes());
        self.words.put(&size.get().to_le_bytes());
        self.words.put(word.as_bytes());
        let missing = (size.align_up(Bytes::new(8)) - size).to_len().unwrap_or_default();
        self.words.put(&[0; 8][..missing]);
    }

    fn place(&mut self) {
        let words = std::mem::take(&mut self.words);
        let size = Bytes::of(&words);
        self.plan.bytes(self.at, Label::numbered("words", self.runs), words);
        self.at += size;
        self.runs += 1;
    }
}
