//! A file tree as a tar archive, compressed or not: what containers and WSL are given.
//!
//! The formats decide what the files are; here they become bytes. Packing is the one step with an
//! effect (it fills the cache), so it is a call of its own, between two that are pure.

use std::borrow::Cow;
use std::path::Path;

use crate::cache::Cache;
use crate::inputs::closure::Closure;
use crate::pack::{self, Codec, Packed, Press};
use crate::plan::{Plan, PlanError, Serial};
use crate::region::{self, Keys};
use crate::tree::Tree;
use crate::writers::tar;

/// A root file system and the archive of it.
#[derive(Debug)]
pub struct Rootfs {
    /// The files.
    pub tree: Tree,
    /// The archive, not compressed.
    pub tar: Serial,
}

/// What packing works with.
#[derive(Clone, Copy, Debug)]
pub struct Workshop<'a> {
    /// The secrets that the files name.
    pub keys: &'a Keys,
    /// Where compressed store paths are kept, if anywhere.
    pub cache: Option<&'a Cache>,
    /// The directory for what is not kept.
    pub spool: &'a Path,
}

impl Workshop<'_> {
    /// Packs a tree's bytes, taking from the cache what it holds.
    ///
    /// # Errors
    /// See [`pack::Error`].
    pub fn pack(
        &self,
        tree: &Tree,
        row: &Serial,
        closure: &Closure,
        press: &dyn Press,
        options: &region::Options<'_>,
    ) -> Result<Packed, pack::Error> {
        let Self { keys, cache, spool } = *self;
        pack::pack(&pack::Request { tree, row, closure, press, keys, cache, spool }, options)
    }
}

/// An archive whose blocks are compressed.
#[derive(Debug)]
pub struct Compressed {
    /// How.
    pub codec: Codec,
    /// The blocks.
    pub packed: Packed,
}

impl Rootfs {
    /// Writes a tree down as an archive.
    ///
    /// # Errors
    /// A tree that no archive can hold.
    pub fn of(tree: Tree) -> Result<Self, tar::Error> {
        let tar = tar::archive(&tree)?;
        Ok(Self { tree, tar })
    }

    /// Compresses the archive; without a codec there is nothing to do.
    ///
    /// # Errors
    /// See [`pack::Error`].
    pub fn pack(
        &self,
        closure: &Closure,
        codec: Option<Codec>,
        workshop: Workshop<'_>,
        options: &region::Options<'_>,
    ) -> Result<Option<Compressed>, pack::Error> {
        let Some(codec) = codec else { return Ok(None) };
        let packed = workshop.pack(&self.tree, &self.tar, closure, &codec, options)?;
        Ok(Some(Compressed { codec, packed }))
    }

    /// Plans the archive's file.
    ///
    /// # Errors
    /// An archive larger than a plan can be.
    pub fn plan(&self, compressed: Option<&Compressed>) -> Result<Cow<'_, Plan>, PlanError> {
        match compressed {
            Some(Compressed { codec, packed }) => packed.plan(*codec).map(Cow::Owned),
            None => Ok(Cow::Borrowed(&self.tar.plan)),
        }
    }
}
