//! What `build lxc` and `build wsl` have in common: a file tree becomes an archive, and is compressed.
//!
//! The formats say what the files are; from there on it is the same work for all of them.

use std::path::PathBuf;
use std::time::Instant;

use calve_image_core::boot::preflight::Finding;
use calve_image_core::epoch::Epoch;
use calve_image_core::formats::archive::{Rootfs, Workshop};
use calve_image_core::formats::{Format, Input};
use calve_image_core::inputs::overlay::{Overlay, Rule};
use calve_image_core::region::{self, Keys};
use calve_image_core::report::ArchiveReport;
use calve_image_core::tree::Tree;
use calve_image_core::units::{Bytes, MIB};

use super::compression::Compression;
use super::delivery::{self, Delivery, DeliveryArgs, OverlayArgs};
use super::outlet::Outlet;
use crate::biggest::Biggest;
use crate::cache_dir::{self, CacheArgs};
use crate::failure::Failure;
use crate::terminal::Terminal;
use crate::{blueprint, findings};

/// What a worker that compresses may take: xz at its default level with room for what it reads.
const PACKER: Bytes = Bytes::new(160 * MIB.get());

/// How many store paths a warning names.
const UNVERIFIED: usize = 5;

/// The arguments of every archive, but for its name and its compression, whose defaults differ.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct ArchiveArgs {
    #[command(flatten)]
    overlays: OverlayArgs,

    #[command(flatten)]
    cache: CacheArgs,

    #[command(flatten)]
    delivery: DeliveryArgs,
}

/// What the arguments mean.
#[derive(Debug)]
pub(super) struct Spec {
    /// Directories of the host whose files go into the image.
    pub(super) overlays: Vec<Overlay>,
    /// What those files' owners and modes are.
    pub(super) rules: Vec<Rule>,
    /// The time of everything that is not the store's.
    pub(super) epoch: Epoch,
    /// How the archive is compressed.
    pub(super) compression: Compression,
    cache: CacheArgs,
    delivery: Delivery,
}

/// The files of an image that passed pre-flight.
#[derive(Debug)]
pub(super) struct Contents {
    /// What sort of image it is.
    pub(super) format: Format,
    /// The name of its file where nobody has named it.
    pub(super) name: String,
    /// The files.
    pub(super) tree: Tree,
    /// The secrets that the files name.
    pub(super) keys: Keys,
    /// What pre-flight found; warnings only.
    pub(super) findings: Vec<Finding>,
}

impl ArchiveArgs {
    /// What they mean for an output and a compression.
    pub(super) fn resolve(
        self,
        output: Option<PathBuf>,
        compression: Compression,
    ) -> Result<Spec, Failure> {
        if self.delivery.pieces && compression.codec().is_some() {
            return Err(Failure::usage(
                "--pieces lists an archive as it is: what compressing makes of it is known only \
                 when it is done",
            )
            .hint("add --compress none"));
        }
        Ok(Spec {
            overlays: self.overlays.overlay,
            rules: self.overlays.overlay_rule,
            epoch: blueprint::epoch()?,
            compression,
            cache: self.cache,
            delivery: self.delivery.resolve(output),
        })
    }
}

impl Spec {
    /// The terminal to talk to: where the image goes to stdout, words must not.
    pub(super) fn keep_words_out(&self, terminal: Terminal) -> Terminal {
        self.delivery.keep_words_out(terminal)
    }

    /// Packs and writes the archive, or shows what it would be.
    pub(super) fn build(
        self,
        contents: Contents,
        input: Input<'_>,
        terminal: Terminal,
    ) -> Result<(), Failure> {
        let Contents { format, name, tree, keys, findings } = contents;
        findings::warn(&findings, findings::Side::of(format), terminal);
        let rootfs = Rootfs::of(tree)?;
        let codec = self.compression.codec();
        let report = ArchiveReport::of(input, format, &rootfs, codec, findings);
        terminal.say(told(&report));
        let destination = self.delivery.destination.clone().or_named(name);
        let open = if keys.is_empty() { Outlet::open } else { Outlet::open_private };
        let outlet = open(&destination, self.delivery.existing, terminal)?;
        let report = match outlet {
            Some(outlet) => self.write(outlet, &rootfs, &keys, input, report, terminal)?,
            None => report,
        };
        let drawing = || drawing(&report, input);
        self.delivery.show(&destination, &rootfs.tar.plan, &report, drawing, terminal)
    }

    /// Packs, then writes what came of it; adds to the report what that tells.
    fn write(
        &self,
        outlet: Outlet,
        rootfs: &Rootfs,
        keys: &Keys,
        input: Input<'_>,
        report: ArchiveReport,
        terminal: Terminal,
    ) -> Result<ArchiveReport, Failure> {
        let started = Instant::now();
        let spool = outlet.directory();
        let codec = self.compression.codec();
        let cache = match codec {
            Some(_) => self.cache.open(terminal)?,
            None => None,
        };
        let workshop = Workshop { keys, cache: cache.as_ref(), spool: &spool };
        let compressed = outlet.work("packing", |options| {
            let workers = u64::try_from(options.workers.get()).unwrap_or(1);
            let options = region::Options { memory: PACKER * workers, ..options };
            rootfs.pack(input.closure, codec, workshop, &options)
        })?;
        let packed = compressed.iter().map(|compressed| &compressed.packed);
        let report = packed.fold(report, ArchiveReport::packed);
        warn_of_unverified(&report.unverified, terminal);
        let image = rootfs.plan(compressed.as_ref()).map_err(Failure::internal)?;
        let name = outlet.name();
        let report = report.written(&outlet.write(&image, keys, self.delivery.digest)?);
        cache_dir::trim(cache, terminal);
        terminal.say(done(&report, &name, started.elapsed().as_secs()));
        Ok(report)
    }
}

/// One line on what the archive holds.
fn told(report: &ArchiveReport) -> String {
    let (entries, unpacked) = (report.contents.entries, Bytes::new(report.image.unpacked));
    format!("contents  {entries} files, directories and links, {unpacked} as an archive")
}

/// What would be in the archive, and what makes it large.
fn drawing(report: &ArchiveReport, input: Input<'_>) -> String {
    let image = &report.image;
    let (format, unpacked) = (image.format.word(), Bytes::new(image.unpacked));
    let compressed = match image.level {
        Some(level) => {
            format!("how large {} {level} makes it is known after packing", image.compression)
        }
        None => "not compressed".to_owned(),
    };
    let toplevel = &report.contents.toplevel;
    format!(
        "{format} archive of {toplevel}\n{unpacked}; {compressed}\n\n{}",
        Biggest::of(input.closure).text()
    )
}

/// One line on the archive's file.
fn done(report: &ArchiveReport, name: &str, seconds: u64) -> String {
    let image = &report.image;
    let size = Bytes::new(image.size.unwrap_or_default());
    let unpacked = Bytes::new(image.unpacked);
    let from = match image.reused {
        None => String::new(),
        Some(0) => format!(", {unpacked} unpacked"),
        Some(reused) => {
            let percent = u128::from(reused) * 100 / u128::from(image.unpacked.max(1));
            format!(", {unpacked} unpacked, {percent} % of it from the cache")
        }
    };
    let ending = delivery::ending(seconds, image.sha256.as_deref());
    format!("written   {name}: {size}{from}{ending}")
}

/// Tells which store paths are not what Nix says they are, and how to mend them.
fn warn_of_unverified(paths: &[String], terminal: Terminal) {
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
