//! The files of a closure, as every Nix store holds them.
//!
//! The rule is Nix' own (`canonicalisePathMetaData`): owned by root, dated 1, directories and
//! programs 0555, other files 0444, no extended attributes. It is applied to whatever the host has,
//! so the image does not tell who built it. A program is a file that its owner may execute. Hard
//! links of an optimised store come out as files of their own: which files share an inode is the
//! builder's accident.
//!
//! Of a store that has its paths elsewhere, each path is one file as large as its NAR and an eighth: what such a tree is
//! for is to see whether it fits.
//!
//! Nothing else can begin before tens of thousands of files were looked at, so workers share the
//! paths. Claims are made in the order of the closure, whoever found them.

use std::sync::Arc;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

use super::closure::{Closure, PathInfo};
use super::store::HostStore;
use super::store_path::STORE_DIR;
use crate::epoch::Epoch;
use crate::plan::{Label, PlanBuilder, PlanError};
use crate::tree::path::PathError;
use crate::tree::scan::{Found, ScanError, scan};
use crate::tree::source::SourceError;
use crate::tree::{Entry, HostDir, Kind, Meta, Mode, Origin, Source, TreeBuilder, TreePath};
use crate::units::Bytes;

/// The permission that makes a file a program.
const OWNER_EXECUTES: u16 = 0o100;

/// Group `nixbld` of every NixOS system, which owns the store's directory.
const NIXBLD: u32 = 30000;

/// Why a closure's files could not be claimed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host refused, or a file is a socket.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The store holds what no NAR can.
    #[error("{path} is a {found}: expected files, directories and symbolic links in a store")]
    Kind {
        /// What was found.
        path: TreePath,
        /// What it is.
        found: &'static str,
    },
    /// The system gave no threads.
    #[error("cannot start {workers} workers to look at the store")]
    Workers {
        /// How many were wanted.
        workers: usize,
        /// The system's answer.
        source: ThreadPoolBuildError,
    },
    /// A path that is too large to be one.
    #[error(transparent)]
    Size(#[from] PlanError),
    /// A name that is no name.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// Claims `/nix/store` and all paths of a closure; returns the layer that has them.
///
/// # Errors
/// What the host refused, by path.
pub fn add(tree: &mut TreeBuilder, store: &HostStore, closure: &Closure) -> Result<Origin, Error> {
    let layer = tree.layer("the store");
    let top = TreePath::parse(STORE_DIR)?;
    let meta = Meta { gid: NIXBLD, ..Meta::root(Mode::new(0o1775), Epoch::STORE) };
    tree.add(layer, top.clone(), Entry::directory(meta));
    add_below(tree, layer, &top, store, closure)?;
    Ok(layer)
}

/// Claims all paths of a closure for a layer, below the directory that stands for `/nix/store`.
///
/// # Errors
/// What the host refused, by path.
pub fn add_below(
    tree: &mut TreeBuilder,
    layer: Origin,
    top: &TreePath,
    store: &HostStore,
    closure: &Closure,
) -> Result<(), Error> {
    if store.is_elsewhere() {
        for info in closure.paths() {
            let path = top.join(&TreePath::parse(info.path.base_name())?);
            tree.add(layer, path, unseen(info)?);
        }
        return Ok(());
    }
    let host = HostDir::open(store.directory()).map_err(scan_error)?;
    let claims = |info| claims(&host, top, info);
    // One path at a time: a few of them hold most of the files.
    let paths = closure.paths().par_iter().with_max_len(1).map(claims);
    let paths: Vec<_> = pool(store)?.install(|| paths.collect());
    for claims in paths {
        for (path, entry) in claims? {
            tree.add(layer, path, entry);
        }
    }
    Ok(())
}

/// What stands for a path whose files are elsewhere.
fn unseen(info: &PathInfo) -> Result<Entry, PlanError> {
    // Ends of blocks, inodes and directories.
    let size = Bytes::new(info.nar_size.saturating_add(info.nar_size / 8));
    let mut builder = PlanBuilder::new();
    builder.zeros(Bytes::ZERO, size, Label::new("elsewhere"));
    let source = Source::Plan(Arc::new(builder.finish(size)?));
    Ok(Entry::file(Meta::root(Mode::STORE_FILE, Epoch::STORE), source))
}

/// Looks at the files of a store path.
fn claims(
    host: &HostDir,
    top: &TreePath,
    info: &PathInfo,
) -> Result<Vec<(TreePath, Entry)>, Error> {
    let mut claims = Vec::new();
    scan(host, info.path.base_name().as_bytes(), &mut |found: Found<'_>| {
        let path = top.join(&TreePath::parse(found.path)?);
        match entry(found) {
            Ok(entry) => claims.push((path, entry)),
            Err(found) => return Err(Error::Kind { path, found }),
        }
        Ok(())
    })?;
    Ok(claims)
}

/// Makes the workers: threads of our own, because whoever calls may have other plans for rayon's.
fn pool(store: &HostStore) -> Result<ThreadPool, Error> {
    let workers = store.workers().get();
    ThreadPoolBuilder::new()
        .num_threads(workers)
        .thread_name(|index| format!("scan {index}"))
        .build()
        .map_err(|source| Error::Workers { workers, source })
}

fn scan_error(source: SourceError) -> ScanError {
    source.into()
}

fn entry(found: Found<'_>) -> Result<Entry, &'static str> {
    let executable = found.mode & OWNER_EXECUTES != 0;
    let mode = match &found.kind {
        Kind::Directory => Mode::STORE_EXECUTABLE,
        Kind::File(_) if executable => Mode::STORE_EXECUTABLE,
        Kind::File(_) => Mode::STORE_FILE,
        Kind::Symlink(target) => return Ok(Entry::symlink(target, Epoch::STORE)),
        Kind::Device(_) => return Err("device"),
        Kind::Fifo => return Err("named pipe"),
    };
    Ok(Entry { meta: Meta::root(mode, Epoch::STORE), kind: found.kind })
}

#[cfg(test)]
#[path = "store_tree_tests.rs"]
mod tests;
