//! What `build lxc` and `build wsl` have in common: a file tree becomes an archive, and is compressed.
//!
//! The formats say what the files are; from there on it is the same work for all of them.

use std::path::PathBuf;

use calve_image_core::boot::preflight::Finding;
use calve_image_core::formats::archive::{Compressed, Rootfs, Workshop};
use calve_image_core::formats::{Format, Input};
use calve_image_core::pack::{self, Codec};
use calve_image_core::plan::Plan;
use calve_image_core::region::{self, Keys};
use calve_image_core::report::ArchiveReport;
use calve_image_core::tree::Tree;
use calve_image_core::units::Bytes;

use super::compression::Compression;
use super::delivery;
use super::packing::{Job, Packing, PackingArgs, warn_of_unverified};
use crate::biggest::Biggest;
use crate::failure::Failure;
use crate::findings;
use crate::terminal::Terminal;

/// The arguments of every archive, but for its name and its compression, whose defaults differ.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct ArchiveArgs {
    #[command(flatten)]
    packing: PackingArgs,
}

/// What the arguments mean.
#[derive(Debug)]
pub(super) struct Spec {
    /// Everything but the compression.
    pub(super) packing: Packing,
    /// How the archive is compressed.
    pub(super) compression: Compression,
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
        if self.packing.delivery.pieces && compression.codec().is_some() {
            return Err(Failure::usage(
                "--pieces lists an archive as it is: what compressing makes of it is known only \
                 when it is done",
            )
            .hint("add --compress none"));
        }
        Ok(Spec { packing: self.packing.resolve(output)?, compression })
    }
}

impl Spec {
    /// The terminal to talk to: where the image goes to stdout, words must not.
    pub(super) fn keep_words_out(&self, terminal: Terminal) -> Terminal {
        self.packing.delivery.keep_words_out(terminal)
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
        let Packing { delivery, .. } = &self.packing;
        let destination = delivery.destination.clone().or_named(name);
        let mut work = Work { rootfs: &rootfs, input, codec, report };
        if let Some(outlet) = self.packing.open(&destination, &keys, terminal)? {
            let name = outlet.name();
            let (written, seconds) = self.packing.write(outlet, &mut work, &keys, terminal)?;
            work.report = work.report.written(&written);
            terminal.say(done(&work.report, &name, seconds));
        }
        let report = &work.report;
        let drawing = || drawing(report, input);
        delivery.show(&destination, &rootfs.tar.plan, report, drawing, terminal)
    }
}

/// An archive being packed.
struct Work<'a> {
    rootfs: &'a Rootfs,
    input: Input<'a>,
    codec: Option<Codec>,
    report: ArchiveReport,
}

impl Job for Work<'_> {
    type Packed = Option<Compressed>;

    fn compresses(&self) -> bool {
        self.codec.is_some()
    }

    fn pack(
        &self,
        workshop: Workshop<'_>,
        options: &region::Options<'_>,
    ) -> Result<Self::Packed, pack::Error> {
        self.rootfs.pack(self.input.closure, self.codec, workshop, options)
    }

    fn plan<T>(
        &mut self,
        compressed: &Self::Packed,
        terminal: Terminal,
        write: impl FnOnce(&Plan) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if let Some(Compressed { packed, .. }) = compressed {
            self.report = self.report.clone().packed(packed);
        }
        warn_of_unverified(&self.report.unverified, terminal);
        let image = self.rootfs.plan(compressed.as_ref()).map_err(Failure::internal)?;
        write(&image)
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
