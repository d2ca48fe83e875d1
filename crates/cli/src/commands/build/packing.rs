//! What builds that compress have in common: the cache, the work, the way out.
//!
//! What is packed, and what the image of it is, the formats say; from there on it is the same work for
//! all of them.

use std::path::PathBuf;
use std::time::Instant;

use calve_image_core::epoch::Epoch;
use calve_image_core::formats::archive::Workshop;
use calve_image_core::inputs::overlay::{Overlay, Rule};
use calve_image_core::pack;
use calve_image_core::plan::Plan;
use calve_image_core::region::{self, Keys, Written};
use calve_image_core::units::{Bytes, MIB};

use super::delivery::{Delivery, DeliveryArgs, OverlayArgs};
use super::outlet::Outlet;
use crate::blueprint;
use crate::cache_dir::{self, CacheArgs};
use crate::failure::Failure;
use crate::terminal::Terminal;

/// What a worker that compresses may take: xz at its default level with room for what it reads.
const PACKER: Bytes = Bytes::new(160 * MIB.get());

/// How many store paths a warning names.
const UNVERIFIED: usize = 5;

/// The arguments of every image that is compressed, but for its name and its compression.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct PackingArgs {
    #[command(flatten)]
    overlays: OverlayArgs,

    #[command(flatten)]
    cache: CacheArgs,

    #[command(flatten)]
    pub(super) delivery: DeliveryArgs,
}

/// What the arguments mean.
#[derive(Debug)]
pub(super) struct Packing {
    /// Directories of the host whose files go into the image.
    pub(super) overlays: Vec<Overlay>,
    /// What those files' owners and modes are.
    pub(super) rules: Vec<Rule>,
    /// The time of everything that is not the store's.
    pub(super) epoch: Epoch,
    /// What becomes of the image.
    pub(super) delivery: Delivery,
    cache: CacheArgs,
}

/// What packing has to do, and what follows from it.
pub(super) trait Job {
    /// What packing makes.
    type Packed;

    /// Whether anything is compressed.
    fn compresses(&self) -> bool;

    /// Packs.
    fn pack(
        &self,
        workshop: Workshop<'_>,
        options: &region::Options<'_>,
    ) -> Result<Self::Packed, pack::Error>;

    /// Hands the image to whoever writes it, after a look at what packing found.
    fn plan<T>(
        &mut self,
        packed: &Self::Packed,
        terminal: Terminal,
        write: impl FnOnce(&Plan) -> Result<T, Failure>,
    ) -> Result<T, Failure>;
}

impl PackingArgs {
    /// What they mean for an output.
    pub(super) fn resolve(self, output: Option<PathBuf>) -> Result<Packing, Failure> {
        Ok(Packing {
            overlays: self.overlays.overlay,
            rules: self.overlays.overlay_rule,
            epoch: blueprint::epoch()?,
            delivery: self.delivery.resolve(output),
            cache: self.cache,
        })
    }
}

impl Packing {
    /// Opens the way out; `None` where nothing is to be written. What holds secrets is for its owner.
    pub(super) fn open(
        &self,
        destination: &super::delivery::Destination,
        keys: &Keys,
        terminal: Terminal,
    ) -> Result<Option<Outlet>, Failure> {
        let open = if keys.is_empty() { Outlet::open } else { Outlet::open_private };
        open(destination, self.delivery.existing, terminal)
    }

    /// Packs, then writes what came of it; returns how many seconds that took.
    pub(super) fn write(
        &self,
        outlet: Outlet,
        job: &mut impl Job,
        keys: &Keys,
        terminal: Terminal,
    ) -> Result<(Written, u64), Failure> {
        let started = Instant::now();
        let spool = outlet.directory();
        let cache = if job.compresses() { self.cache.open(terminal)? } else { None };
        let workshop = Workshop { keys, cache: cache.as_ref(), spool: &spool };
        let packed = outlet.work("packing", |options| {
            let workers = u64::try_from(options.workers.get()).unwrap_or(1);
            let options = region::Options { memory: PACKER * workers, ..options };
            job.pack(workshop, &options)
        })?;
        let digest = self.delivery.digest;
        let written = job.plan(&packed, terminal, |image| outlet.write(image, keys, digest))?;
        cache_dir::trim(cache, terminal);
        Ok((written, started.elapsed().as_secs()))
    }
}

/// Tells which store paths are not what Nix says they are, and how to mend them.
pub(super) fn warn_of_unverified(paths: &[String], terminal: Terminal) {
    let Some(first) = paths.first() else { return };
    let mut text = "warning: these store paths are not what Nix registered; the image has them as \
                    they are\n"
        .to_owned();
    for path in paths.iter().take(UNVERIFIED) {
        text.push_str(&format!("  {path}\n"));
    }
    if let Some(more) = paths.len().checked_sub(UNVERIFIED).filter(|more| *more > 0) {
        text.push_str(&format!("  and {more} more\n"));
    }
    text.push_str(&format!(
        "  to see why: nix-store --verify-path {first}\n  \
           to mend it: nix-store --repair-path {first}"
    ));
    terminal.say(text);
}
