//! What `nix-store --serve --write` reads: the protocol of Nix' `ssh://` stores, as far as sending goes.
//!
//! A session is a greeting, then requests. [`ask`] is the one that asks which of some paths a store has
//! already, and lets it get them from its own caches; [`plan`] is one request for each path to be sent: what
//! Nix knows about it, then its NAR. Nobody waits for an answer: requests stand in one stream, made without Nix and by
//! the loop that writes images, so that many files are read at once, and the answers are read when it has ended.
//!
//! Not Nix' export format, although that is simpler: its importer keeps every path whole in memory, takes what
//! comes without comparing it with anything, and forgets signatures. Here each path is streamed, held against the hash
//! that was registered where it comes from, and valid once it is there; paths come after those that they
//! refer to, so that a stream that is cut off leaves whole paths behind.
//!
//! - `answer`: what the server says
//!
//! Follows Nix' `libstore/serve-protocol.hh` and `nix-store.cc` (`opServe`), version 2.5: Nix 2.2 to 2.33, and Lix.

mod answer;

use std::collections::BTreeSet;

use crate::inputs::closure::{Closure, PathInfo};
use crate::inputs::nar::{Nar, Sink};
use crate::inputs::store_path::{STORE_DIR, StorePath};
use crate::plan::{Label, Plan, PlanBuilder, PlanError};
use crate::tree::{Kind, Node, Source, Tree, TreePath};
use crate::units::Bytes;

pub use answer::{AnswerError, taken, valid};

/// `SERVE_MAGIC_1`: what a client says first.
const CLIENT: u64 = 0x390c_9deb;

/// `SERVE_PROTOCOL_VERSION` 2.5, the first that knows [`ADD`]; later ones change other requests.
const VERSION: u64 = 2 << 8 | 5;

/// `cmdQueryValidPaths`.
const QUERY_VALID: u64 = 1;

/// `cmdAddToStoreNar`.
const ADD: u64 = 9;

/// The answer to an [`ADD`].
const ADDED: u64 = 1;

/// How many bytes of words without contents between them share a piece.
const RUN: usize = 64 << 10;

/// The bit that makes a file executable to Nix.
const OWNER_EXECUTES: u16 = 0o100;

/// Why paths cannot be sent.
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
    /// A path is not what was registered.
    #[error("{path} has a NAR of {found}, but {expected} are registered")]
    Size {
        /// Which path.
        path: StorePath,
        /// What Nix knows.
        expected: Bytes,
        /// What is there.
        found: Bytes,
    },
    /// The stream would be larger than any file.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// A session that asks which paths of a closure are valid; with `substitute`, the store first gets what
/// its caches have.
pub fn ask(closure: &Closure, substitute: bool) -> Vec<u8> {
    let mut words = Words(Vec::new());
    words.greeting();
    words.number(QUERY_VALID);
    // No locks on them: they would end with this session.
    words.number(0);
    words.number(substitute.into());
    words.paths(closure.paths().iter().map(|info| &info.path));
    words.0
}

/// A session that sends paths.
#[derive(Debug)]
pub struct Sending {
    /// Its bytes.
    pub plan: Plan,
    /// The paths, in their order, each with where it ends.
    pub paths: Vec<(StorePath, Bytes)>,
}

/// Plans a session that sends all paths of a closure but those that are there; `tree` holds them in
/// `/nix/store`.
///
/// # Errors
/// See [`Error`].
pub fn plan(tree: &Tree, closure: &Closure, there: &BTreeSet<StorePath>) -> Result<Sending, Error> {
    let mut words = Words(Vec::new());
    words.greeting();
    let mut draft = Draft { plan: PlanBuilder::new(), words, at: Bytes::ZERO, runs: 0 };
    let mut paths = Vec::new();
    for info in in_order(closure) {
        if !there.contains(&info.path) {
            draft.path(tree, info)?;
            paths.push((info.path.clone(), draft.end()));
        }
    }
    draft.place();
    let size = draft.at;
    Ok(Sending { plan: draft.plan.finish(size)?, paths })
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

/// Numbers and strings as Nix writes them.
struct Words(Vec<u8>);

impl Words {
    fn greeting(&mut self) {
        self.number(CLIENT);
        self.number(VERSION);
    }

    fn number(&mut self, number: u64) {
        self.0.put(&number.to_le_bytes());
    }

    /// A string: its length, its bytes, zeros up to a multiple of eight.
    fn word(&mut self, word: &str) {
        let size = Bytes::of(word.as_bytes());
        self.number(size.get());
        self.0.put(word.as_bytes());
        self.0.put(&[0; 8][..padding(size)]);
    }

    fn paths<'a>(&mut self, paths: impl Iterator<Item = &'a StorePath>) {
        let paths: BTreeSet<&StorePath> = paths.collect();
        self.number(Bytes::from_len(paths.len()).get());
        for path in paths {
            self.word(&path.to_string());
        }
    }
}

/// How many zeros follow so many bytes.
fn padding(size: Bytes) -> usize {
    (size.align_up(Bytes::new(8)) - size).to_len().unwrap_or_default()
}

/// A session up to some word.
struct Draft {
    plan: PlanBuilder,
    /// Words that are in no piece yet.
    words: Words,
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
        self.known(info);
        let start = self.end();
        let mut nar = Nar::to(std::mem::take(&mut self.words.0));
        self.node(&mut nar, node)?;
        self.words.0 = std::mem::take(nar.sink());
        // The server counts on it: it would take the next request for the rest of this path.
        let (expected, found) = (Bytes::new(info.nar_size), self.end() - start);
        if expected != found {
            return Err(Error::Size { path: info.path.clone(), expected, found });
        }
        if self.words.0.len() >= RUN {
            self.place();
        }
        Ok(())
    }

    /// What Nix knows about a path, before its NAR.
    fn known(&mut self, info: &PathInfo) {
        self.words.number(ADD);
        self.words.word(&info.path.to_string());
        self.words.word(&info.deriver.as_ref().map(ToString::to_string).unwrap_or_default());
        self.words.word(&info.nar_hash.base16());
        self.words.paths(info.references.iter());
        // Registered when it comes; built elsewhere.
        self.words.number(0);
        self.words.number(info.nar_size);
        self.words.number(0);
        self.words.number(Bytes::from_len(info.signatures.len()).get());
        for signature in &info.signatures {
            self.words.word(signature);
        }
        self.words.word(info.ca.as_deref().unwrap_or_default());
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
        self.words.0 = std::mem::take(nar.sink());
        self.place();
        *nar.sink() = std::mem::take(&mut self.words.0);
        let number = u32::try_from(node.id().index()).unwrap_or(u32::MAX);
        self.plan.source(self.at, Label::numbered("contents", number), source);
        self.at += source.size();
    }

    /// Where the next word comes.
    fn end(&self) -> Bytes {
        self.at + Bytes::of(&self.words.0)
    }

    fn place(&mut self) {
        let words = std::mem::take(&mut self.words.0);
        let size = Bytes::of(&words);
        self.plan.bytes(self.at, Label::numbered("words", self.runs), words);
        self.at += size;
        self.runs += 1;
    }
}
