//! `calve build iso`: a medium that starts a live system, from a CD drive and from a stick.

use std::path::PathBuf;

use calve_image_core::formats::Input;
use calve_image_core::formats::archive::Workshop;
use calve_image_core::formats::iso::loaders::{BiosLoader, UefiLoader, Wishes};
use calve_image_core::formats::iso::{self, Iso, IsoSpec};
use calve_image_core::ids::Ids;
use calve_image_core::inputs::closure::Closure;
use calve_image_core::inputs::store_path::StorePath;
use calve_image_core::pack::{self, Packed};
use calve_image_core::plan::Plan;
use calve_image_core::region::{self, Keys};
use calve_image_core::report::IsoReport;
use calve_image_core::units::Bytes;
use calve_image_core::writers::squashfs::Codec;

use super::delivery;
use super::packing::{Job, Packing, PackingArgs, warn_of_unverified};
use crate::biggest::Biggest;
use crate::failure::{Failure, Kind};
use crate::findings::{self, Side};
use crate::system::{self, Subject, SystemArgs};
use crate::terminal::Terminal;

/// Make an ISO that starts a live system
///
/// Holds the system against what a medium can be, compresses its store, and writes an image that starts
/// from a CD drive and from a stick, in UEFI and in BIOS machines where the system brings boot loaders
/// for both. The file appears under its name only when it is complete.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  calve build iso                                    ./result, zstd
  calve build iso --flake .#live --compress zstd:release
  calve build iso --carry ./result-web -o install.iso
  calve build iso --overlay ./docs:/docs             found in /iso/docs")]
pub(crate) struct Args {
    #[command(flatten)]
    system: SystemArgs,

    /// Where the image goes; - is stdout [default: nixos-LABEL-PLATFORM.iso]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Take another system along, to be installed without a network; may be given again
    #[arg(long, value_name = "SYSTEM")]
    carry: Vec<PathBuf>,

    /// zstd, xz, lz4, gzip or none; with a level (:fast, :default, :release or a number) if not the
    /// default
    #[arg(long, value_name = "HOW[:LEVEL]", default_value = "zstd", value_parser = codec)]
    compress: Codec,

    /// Start the system from memory where nobody chooses, so that the medium can be taken out
    #[arg(long)]
    copy_to_ram: bool,

    /// What starts it in UEFI machines: systemd-boot or grub [default: the first that the system has]
    #[arg(long, value_name = "LOADER")]
    uefi_loader: Option<UefiLoader>,

    /// What starts it in BIOS machines: isolinux or grub [default: the first that the system has]
    #[arg(long, value_name = "LOADER")]
    bios_loader: Option<BiosLoader>,

    /// Make other ids than without it
    #[arg(long, value_name = "TEXT")]
    seed: Option<String>,

    #[command(flatten)]
    packing: PackingArgs,
}

fn codec(text: &str) -> Result<Codec, pack::codec::ParseError> {
    Codec::parse(text)
}

/// Makes the image.
pub(crate) fn run(args: Args, terminal: Terminal) -> Result<(), Failure> {
    if args.packing.delivery.pieces {
        return Err(Failure::usage(
            "--pieces lists an image as it is: what packing makes of the store is known only when it \
             is done",
        ));
    }
    let packing = args.packing.resolve(args.output)?;
    let terminal = packing.delivery.keep_words_out(terminal);
    let mut subject = Subject::find(&args.system, terminal)?;
    let mut carried = Vec::new();
    for path in &args.carry {
        let found = system::locate_carried(path, &args.system.source, terminal)?;
        subject.found.closure = joined(&subject.found.closure, &found)?;
        carried.push(found.toplevel);
    }
    let ids = ids(&subject, &carried, args.seed.as_deref());
    let spec = IsoSpec {
        carried: &carried,
        overlays: &packing.overlays,
        rules: &packing.rules,
        ids: &ids,
        epoch: packing.epoch,
        codec: args.compress,
        copy_to_ram: args.copy_to_ram,
        wishes: Wishes { uefi: args.uefi_loader, bios: args.bios_loader },
    };
    let input = subject.input();
    let iso = iso::prepare(&spec, input)?;
    findings::warn(&iso.findings, Side::Medium, terminal);
    let report = IsoReport::of(input, &iso, &carried);
    terminal.say(told(&report));
    build(&packing, Work { iso, input, report }, terminal)
}

/// The store paths of both, each once.
fn joined(own: &Closure, found: &system::Found) -> Result<Closure, Failure> {
    let infos = own.paths().iter().chain(found.closure.paths()).cloned();
    let roots = own.paths().iter().chain(found.closure.paths()).map(|info| info.path.clone());
    Closure::of(infos, &roots.collect::<Vec<StorePath>>()).map_err(|error| {
        Failure::new(Kind::Usage, error)
            .hint("read both systems from one store, or from one registration")
    })
}

/// Ids of this medium: what it holds, and the seed.
fn ids(subject: &Subject, carried: &[StorePath], seed: Option<&str>) -> Ids {
    let toplevels = std::iter::once(&subject.found.toplevel).chain(carried);
    let mut parts = vec!["iso".to_owned(), seed.unwrap_or_default().to_owned()];
    parts.extend(toplevels.map(ToString::to_string));
    let parts: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
    Ids::from_parts(&parts)
}

fn build(packing: &Packing, mut work: Work<'_>, terminal: Terminal) -> Result<(), Failure> {
    let name = iso::file_name(work.input.system);
    let destination = packing.delivery.destination.clone().or_named(name);
    let keys = Keys::none();
    if let Some(outlet) = packing.open(&destination, &keys, terminal)? {
        let name = outlet.name();
        let (written, seconds) = packing.write(outlet, &mut work, &keys, terminal)?;
        work.report = work.report.written(&written);
        terminal.say(done(&work.report, &name, seconds));
    }
    let Work { report, input, .. } = &work;
    packing.delivery.show_packed(&destination, report, || drawing(report, *input), terminal)
}

/// An ISO being packed.
struct Work<'a> {
    iso: Iso,
    input: Input<'a>,
    report: IsoReport,
}

impl Job for Work<'_> {
    type Packed = Packed;

    fn compresses(&self) -> bool {
        self.iso.settings.codec != Codec::Plain
    }

    fn pack(
        &self,
        workshop: Workshop<'_>,
        options: &region::Options<'_>,
    ) -> Result<Packed, pack::Error> {
        self.iso.pack(self.input, workshop, options)
    }

    fn plan<T>(
        &mut self,
        packed: &Packed,
        terminal: Terminal,
        write: impl FnOnce(&Plan) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let report = self.report.clone().packed(packed);
        warn_of_unverified(&report.unverified, terminal);
        let (image, squashfs) = self.iso.plan(packed)?;
        self.report = report.planned(&image, squashfs);
        write(&image)
    }
}

/// One line on what the medium is and what starts it.
fn told(report: &IsoReport) -> String {
    let medium = &report.medium;
    let uefi = medium.uefi.map(|loader| format!("UEFI by {loader}"));
    let bios = medium.bios.map(|loader| format!("BIOS by {loader}"));
    let starts: Vec<String> = uefi.into_iter().chain(bios).collect();
    format!(
        "medium    {:?}, started in {}\ncontents  {} files, directories and links, {} in files",
        medium.volume_id,
        starts.join(" and "),
        report.contents.entries,
        Bytes::new(report.squashfs.unpacked)
    )
}

/// What would be on the medium, and what makes it large.
fn drawing(report: &IsoReport, input: Input<'_>) -> String {
    let (medium, squashfs) = (&report.medium, &report.squashfs);
    let compression = match squashfs.level {
        Some(level) => format!("{} {level}", squashfs.compression),
        None => squashfs.compression.to_owned(),
    };
    let mut text = format!(
        "iso of {}\n{} in {}, {compression}; how large that makes it is known after packing\n\nmenu\n",
        report.contents.toplevel,
        Bytes::new(squashfs.unpacked),
        squashfs.path
    );
    for title in &medium.menu {
        let mark = if *title == medium.default { '*' } else { ' ' };
        text.push_str(&format!(" {mark} {title}\n"));
    }
    text + "\n" + &Biggest::of(input.closure).text()
}

/// One line on the image.
fn done(report: &IsoReport, name: &str, seconds: u64) -> String {
    let squashfs = &report.squashfs;
    let size = Bytes::new(report.image.size.unwrap_or_default());
    let store = Bytes::new(squashfs.size.unwrap_or_default());
    let percent = |part: u64| u128::from(part) * 100 / u128::from(squashfs.unpacked.max(1));
    let reused = match squashfs.reused {
        None | Some(0) => String::new(),
        Some(reused) => format!(", {} % of it from the cache", percent(reused)),
    };
    let unpacked = Bytes::new(squashfs.unpacked);
    let ending = delivery::ending(seconds, report.image.sha256.as_deref());
    format!(
        "written   {name}: {size}, {store} of it the store, {unpacked} unpacked{reused}{ending}"
    )
}
