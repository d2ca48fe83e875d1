//! Secrets that the first stage needs: appended to the initrd on the ESP, and kept for later rebuilds.
//!
//! A closure says which ([`crate::inputs::secret_appender`]); whoever makes an image brings the bytes, which
//! are never part of a plan ([`Secret::id`] names them, [`crate::region::Keys`] holds them). Each goes to two
//! places:
//!
//! - `/.initrd-secrets/DEST`, in an archive ([`cpio`]) after the initrd of the store. The kernel finds an
//!   archive that is not compressed only at a multiple of four, and real initrds are none, so NULs lie
//!   between. Early in the boot NixOS copies what is there to `/DEST`.
//! - SOURCE, in the image's own files, 0600: from there the next `nixos-rebuild` takes it, and fails
//!   without it.
//!
//! What a closure appends from its own store is public; those bytes come from there, and nowhere else.
//!
//! An ESP is not encrypted: whoever has the disk can read all of this. That is the price of every key that
//! works before a disk is unlocked; see `docs/remote-unlock.md`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::epoch::Epoch;
use crate::inputs::etc_dir::{EtcDir, HiddenError};
use crate::inputs::secret_appender::{self, Appended, Origin};
use crate::inputs::store::HostStore;
use crate::inputs::store_path::StoreFile;
use crate::inputs::system::{Configuration, System};
use crate::plan::{Label, Plan, PlanBuilder, PlanError, SecretId};
use crate::tree::{Entry, Meta, Mode, Source, TreeBuilder, TreePath};
use crate::units::Bytes;

pub mod cpio;

/// The directory of the initrd that NixOS copies secrets from.
const DIRECTORY: &[u8] = b".initrd-secrets";

/// What the kernel finds archives at multiples of.
const ALIGNED: Bytes = Bytes::new(4);

/// Only root may read a secret.
const OWNER_ONLY: Mode = Mode::new(0o600);

/// Only root may look into a directory that is there for a secret.
const PRIVATE: Mode = Mode::new(0o700);

/// Names of directories that are there for others, too: never made private for a secret in them.
const SHARED: [&[u8]; 9] =
    [b"etc", b"home", b"lib", b"opt", b"root", b"srv", b"ssh", b"usr", b"var"];

/// Directories that are made anew at every boot: what an image has there is never seen.
const VOLATILE: [&str; 5] = ["/dev", "/proc", "/run", "/sys", "/tmp"];

/// A secret that somebody brings: where the first stage finds it, and its length.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Secret {
    /// DEST of the closure's script.
    pub dest: TreePath,
    /// How many bytes it has.
    pub len: Bytes,
}

impl Secret {
    /// The name under which [`crate::region::Keys`] has the bytes.
    pub fn id(&self) -> SecretId {
        SecretId(Arc::from(format!("initrd secret {}", self.dest)))
    }

    /// The bytes as those of a file.
    ///
    /// # Errors
    /// A secret larger than a plan can be.
    pub fn source(&self) -> Result<Source, PlanError> {
        let mut plan = PlanBuilder::new();
        plan.secret(Bytes::ZERO, self.len, Label::new("secret"), self.id());
        Ok(Source::Plan(Arc::new(plan.finish(self.len)?)))
    }
}

/// What is appended to one initrd, by DEST.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Appendix(pub BTreeMap<TreePath, Part>);

/// One file of an appendix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Somebody brings it.
    Given(Secret),
    /// The closure has it, links followed.
    Store(StoreFile),
}

impl Appendix {
    /// Plans an initrd with the appendix: its own bytes, NULs up to a multiple of four, the archive.
    ///
    /// # Errors
    /// Files too large for an archive, a file of the store that cannot be reached.
    pub fn initrd<E: From<cpio::Error>>(
        &self,
        initrd: &Source,
        mut in_store: impl FnMut(&StoreFile) -> Result<Source, E>,
    ) -> Result<Plan, E> {
        let mut files = BTreeMap::new();
        for (dest, part) in &self.0 {
            let path = TreePath::from_components([DIRECTORY]).join(dest);
            let source = match part {
                Part::Given(secret) => secret.source().map_err(cpio::Error::from)?,
                Part::Store(file) => in_store(file)?,
            };
            files.insert(path, source);
        }
        let archive = cpio::plan(&files)?;
        let (end, start) = (initrd.size(), initrd.size().align_up(ALIGNED));
        let mut plan = PlanBuilder::new();
        plan.source(Bytes::ZERO, Label::new("initrd"), initrd);
        plan.zeros(end, start - end, Label::new("padding"));
        plan.nest(start, "secrets", &archive);
        Ok(plan.finish(start + archive.size()).map_err(cpio::Error::from)?)
    }
}

/// The secrets of a system's configurations, as their scripts say.
#[derive(Debug, Clone, Default)]
pub struct Wanted(BTreeMap<StoreFile, Vec<Appended>>);

impl Wanted {
    /// Reads the scripts of a system; most specialisations share one.
    ///
    /// # Errors
    /// A script that cannot be read.
    pub fn read(store: &HostStore, system: &System) -> Result<Self, secret_appender::Error> {
        let mut scripts = BTreeMap::new();
        for program in system.all().filter_map(|(_, configuration)| program(configuration)) {
            if !scripts.contains_key(program) {
                scripts.insert(program.clone(), secret_appender::read(store, program)?);
            }
        }
        Ok(Self(scripts))
    }

    /// The secrets of one configuration.
    pub fn of(&self, configuration: &Configuration) -> &[Appended] {
        let secrets = program(configuration).and_then(|program| self.0.get(program));
        secrets.map_or(&[], Vec::as_slice)
    }

    /// The secrets of all configurations; one that several have comes once for each.
    pub fn all(&self) -> impl Iterator<Item = &Appended> {
        self.0.values().flatten()
    }
}

fn program(configuration: &Configuration) -> Option<&StoreFile> {
    configuration.bootspec.as_ref()?.initrd_secrets.as_ref()
}

/// Tells whether a file would be hidden when the system runs: NixOS mounts something above it.
pub fn is_volatile(path: &TreePath) -> bool {
    VOLATILE
        .iter()
        .any(|directory| TreePath::parse(directory).is_ok_and(|directory| directory.contains(path)))
}

/// Why secrets cannot be kept where the running system looks for them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeepError {
    /// `/etc` takes no files.
    #[error(transparent)]
    Hidden(#[from] HiddenError),
    /// A secret larger than a plan can be.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// Claims each given secret's SOURCE for the image, 0600; directories that are made for it are 0700.
///
/// # Errors
/// A SOURCE below an `/etc` that takes no files.
pub fn keep(
    tree: &mut TreeBuilder,
    wanted: &Wanted,
    given: &[Secret],
    place: Place<'_>,
) -> Result<(), KeepError> {
    let layer = tree.layer("the initrd's secrets");
    let mut kept: BTreeMap<&TreePath, &Secret> = BTreeMap::new();
    for appended in wanted.all() {
        let secret = given.iter().find(|secret| secret.dest == appended.dest);
        if let (Origin::File(path), Some(secret)) = (&appended.origin, secret) {
            kept.insert(path, secret);
        }
    }
    for (path, secret) in kept.into_iter().filter(|(path, _)| !is_volatile(path)) {
        let own = Entry::file(Meta::root(OWNER_ONLY, place.epoch), secret.source()?);
        for directory in place.private(path) {
            let entry = Entry::directory(Meta::root(PRIVATE, place.epoch));
            tree.add(layer, place.etc.place(&directory)?, entry);
        }
        tree.add(layer, place.etc.place(path)?, own);
    }
    Ok(())
}

/// What decides where and how a secret is kept.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// What `/etc` is when the system runs.
    pub etc: EtcDir,
    /// Where volumes are mounted.
    pub mount_points: &'a [TreePath],
    /// The date of what is made.
    pub epoch: Epoch,
}

impl Place<'_> {
    /// Lists the directories above a secret that are there for nothing else, innermost first.
    pub fn private(&self, path: &TreePath) -> Vec<TreePath> {
        let above = std::iter::successors(path.parent(), TreePath::parent);
        let is_shared = |directory: &TreePath| {
            let name = directory.name().unwrap_or_default();
            // What lies directly below the root is for others too: /persist, /data.
            let is_top = directory.components().count() <= 1;
            is_top || SHARED.contains(&name) || self.mount_points.contains(directory)
        };
        above.take_while(|directory| !is_shared(directory)).collect()
    }
}

#[cfg(test)]
mod tests;
