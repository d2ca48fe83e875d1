//! `calve build disk`: a disk image with a partition table, an ESP and the system's root.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use calve_image_core::boot::preflight::Target;
use calve_image_core::formats::{Container, disk};
use calve_image_core::inputs::overlay::{Overlay, Rule};
use calve_image_core::inputs::store_path::StorePath;
use calve_image_core::output::Existing;
use calve_image_core::plan::Plan;
use calve_image_core::report::Report;
use calve_image_core::units::Bytes;

use super::image_file;
use crate::blueprint::Blueprint;
use crate::failure::Failure;
use crate::profile::{self, DiskSize};
use crate::system::{self, SystemArgs};
use crate::terminal::Terminal;
use crate::{disk_drawing, findings};

/// Make a disk image that boots
///
/// Lays the system out as the profile says, refuses what would not boot, and writes the image in
/// one pass. The image appears under its name only when it is complete.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  calve build disk                                   ./result, profile minimal
  calve build disk --flake .#web -p server -o web.qcow2
  calve build disk -o - | ssh root@host 'dd of=/dev/vda bs=4M'")]
pub(crate) struct Args {
    #[command(flatten)]
    system: SystemArgs,

    /// The profile: a name (minimal, server) or a file
    #[arg(long, short, default_value = profile::DEFAULT, value_name = "NAME|FILE")]
    profile: String,

    /// Where the image goes; - is stdout [default: the system's name with the format's ending]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// The format of the image: raw or qcow2 [default: what the ending of FILE says, else raw]
    #[arg(long, value_parser = container)]
    format: Option<Container>,

    /// The size of the disk, such as 8G, or auto [default: what the profile says]
    #[arg(long)]
    size: Option<DiskSize>,

    /// Add the files of a directory, below TARGET if given; may be given again
    #[arg(long, value_name = "DIR[:TARGET]")]
    overlay: Vec<Overlay>,

    /// Give what overlays add another owner (with all below it) or an octal mode; else it is root's
    #[arg(long, value_name = "PATH=UID:GID|MODE")]
    overlay_rule: Vec<Rule>,

    /// Make other ids than without it: two disks with the same ids cannot live in one machine
    #[arg(long, value_name = "TEXT")]
    seed: Option<String>,

    /// Compute the SHA-256 of the image, too
    #[arg(long)]
    digest: bool,

    /// Decide everything and show it, but write nothing
    #[arg(long)]
    dry_run: bool,

    /// With --dry-run, list every piece of the image: where it lies and what it is
    #[arg(long, requires = "dry_run", conflicts_with = "json")]
    pieces: bool,

    /// Print a report of what was built as JSON
    #[arg(long)]
    json: bool,

    /// Replace FILE if it exists
    #[arg(long)]
    force: bool,
}

/// What the arguments mean.
#[derive(Debug)]
struct Spec {
    blueprint: Blueprint,
    format: Container,
    output: Destination,
    existing: Existing,
    digest: bool,
    show: Show,
}

/// Where the image goes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Destination {
    Stdout,
    File(PathBuf),
    /// A file named after the system.
    Named,
    /// Nowhere: a dry run.
    Nowhere,
}

/// What is printed in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    /// The image's name, or what it would be.
    Text,
    /// Every piece of it.
    Pieces,
    /// The report.
    Json,
}

impl Spec {
    fn resolve(args: Args) -> Result<(Self, SystemArgs), Failure> {
        let format = format(&args)?;
        let output = match args.output {
            _ if args.dry_run => Destination::Nowhere,
            None => Destination::Named,
            Some(path) if path.as_os_str() == "-" => Destination::Stdout,
            Some(path) => Destination::File(path),
        };
        let blueprint = Blueprint::new(profile::read(&args.profile)?)?;
        let blueprint = Blueprint {
            size: args.size.unwrap_or(blueprint.size),
            overlays: args.overlay,
            rules: args.overlay_rule,
            seed: args.seed,
            target: match format {
                Container::Raw => Target::Any,
                Container::Qcow2 => Target::Qemu,
            },
            ..blueprint
        };
        let show = match (args.json, args.pieces) {
            (true, _) => Show::Json,
            (false, true) => Show::Pieces,
            (false, false) => Show::Text,
        };
        let existing = if args.force { Existing::Replace } else { Existing::Keep };
        let spec = Self { blueprint, format, output, existing, digest: args.digest, show };
        Ok((spec, args.system))
    }
}

/// The format asked for, or told by the output's name.
fn format(args: &Args) -> Result<Container, Failure> {
    let ending = args.output.as_deref().and_then(Path::extension).and_then(OsStr::to_str);
    let named = ending.and_then(|ending| container(&ending.to_ascii_lowercase()).ok());
    match (args.format, named) {
        (Some(asked), Some(named)) if asked != named => Err(Failure::usage(format!(
            "--format {} contradicts the ending of the output, .{}",
            asked.word(),
            named.word()
        ))),
        (asked, named) => Ok(asked.or(named).unwrap_or_default()),
    }
}

fn container(word: &str) -> Result<Container, String> {
    let known = Container::ALL.into_iter().find(|container| container.word() == word);
    known.ok_or_else(|| format!("expected {}", Container::ALL.map(Container::word).join(" or ")))
}

/// Builds the image.
pub(crate) fn run(args: Args, terminal: Terminal) -> Result<(), Failure> {
    let (spec, system) = Spec::resolve(args)?;
    let is_stream = spec.output == Destination::Stdout;
    let terminal = if is_stream { terminal.streaming() } else { terminal };
    let found = system::find(&system, terminal)?;
    let output = spec.output.clone().for_system(&found.toplevel, spec.format);
    let subject = spec.blueprint.subject(found)?;
    let disk = disk::plan(&spec.blueprint.spec(&subject), subject.input())?;
    findings::warn(&disk.report.findings, terminal);
    let image = spec.format.wrap(&disk.plan).map_err(Failure::internal)?;
    let report = Report::of(subject.input(), &disk, spec.format, &image);
    terminal.say(layout(&report));
    let report = spec.write(&image, &output, report, terminal)?;
    spec.show(&image, &output, &report, terminal)
}

impl Destination {
    /// Names the file after the system where nobody has named it.
    fn for_system(self, toplevel: &StorePath, format: Container) -> Self {
        match self {
            Self::Named => Self::File(format!("{}.{}", toplevel.name(), format.word()).into()),
            Self::Stdout | Self::File(_) | Self::Nowhere => self,
        }
    }
}

impl Spec {
    /// Writes the image where it goes, and adds to the report what that tells.
    fn write(
        &self,
        image: &Plan,
        output: &Destination,
        report: Report,
        terminal: Terminal,
    ) -> Result<Report, Failure> {
        let started = Instant::now();
        let (written, name) = match output {
            Destination::Nowhere | Destination::Named => return Ok(report),
            Destination::Stdout => {
                (image_file::stream(image, self.digest, terminal)?, "to stdout".to_owned())
            }
            Destination::File(path) => {
                let written = image_file::write(image, path, self.existing, self.digest, terminal)?;
                (written, path.display().to_string())
            }
        };
        let report = report.written(&written);
        terminal.say(done(&report, &name, started.elapsed().as_secs()));
        Ok(report)
    }

    /// Prints what was asked for.
    fn show(
        &self,
        image: &Plan,
        output: &Destination,
        report: &Report,
        terminal: Terminal,
    ) -> Result<(), Failure> {
        match (self.show, output) {
            (Show::Json, _) => terminal.print_json(report),
            (Show::Pieces, _) => terminal.print(&image.listing()),
            (Show::Text, Destination::File(path)) => {
                terminal.print(&format!("{}\n", path.display()))
            }
            (Show::Text, Destination::Nowhere | Destination::Named) => {
                terminal.print(&disk_drawing::Disk::from(&report.disk).text())
            }
            (Show::Text, Destination::Stdout) => Ok(()),
        }
    }
}

/// One line on the partitions.
fn layout(report: &Report) -> String {
    let partitions = report.disk.partitions.iter().map(|partition| {
        let format = partition.file_system.as_ref().map_or("empty", |volume| volume.kind);
        format!("{} {} {format}", partition.name, Bytes::new(partition.size))
    });
    let partitions: Vec<String> = partitions.collect();
    format!("layout    {} of {}", partitions.join(", "), Bytes::new(report.disk.size))
}

/// One line on the image.
fn done(report: &Report, name: &str, seconds: u64) -> String {
    let (size, payload) = (Bytes::new(report.image.size), Bytes::new(report.image.payload));
    let time = if seconds > 0 { format!(", in {seconds} s") } else { String::new() };
    let digest = report.image.sha256.as_ref();
    let digest = digest.map(|digest| format!("\nsha256    {digest}")).unwrap_or_default();
    format!("written   {name}: {size}, {payload} of it data{time}{digest}")
}
