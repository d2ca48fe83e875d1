//! `calve build disk`: a disk image with a partition table, an ESP and the system's root.

use std::path::Path;
use std::path::PathBuf;

use crate::failure::Failure;
use crate::profile;
use crate::profile::DiskSize;
use crate::profile::Named;
use crate::system;
use crate::system::SystemArgs;
use crate::terminal::Terminal;

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

    /// The format of the image [default: what the ending of FILE says, else raw]
    #[arg(long)]
    format: Option<Format>,

    /// The size of the disk, such as 8G, or auto [default: what the profile says]
    #[arg(long)]
    size: Option<DiskSize>,

    /// Add the files of a directory, below TARGET (default: /); may be given again
    #[arg(long, value_name = "DIR[:TARGET]")]
    overlay: Vec<Overlay>,

    /// Make other ids than without it: two disks with the same ids cannot live in one machine
    #[arg(long, value_name = "TEXT")]
    seed: Option<String>,

    /// Compute the SHA-256 of the image, too
    #[arg(long)]
    digest: bool,

    /// Decide everything and show it, but write nothing
    #[arg(long)]
    dry_run: bool,

    /// Print a report of what was built as JSON
    #[arg(long)]
    json: bool,

    /// Replace FILE if it exists
    #[arg(long)]
    force: bool,
}

/// How an image holds a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// The disk's own bytes
    Raw,
    /// QEMU's format, without the empty space
    Qcow2,
}

impl Format {
    fn ending(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }

    fn of_name(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        match ending.as_str() {
            "raw" | "img" => Some(Self::Raw),
            "qcow2" => Some(Self::Qcow2),
            _ => None,
        }
    }
}

/// A directory whose files go into the image.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Overlay {
    directory: PathBuf,
    target: String,
}

impl std::str::FromStr for Overlay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A directory's own name may hold a colon; a target begins with a slash.
        let (directory, target) = match text.rfind(":/") {
            Some(at) => text.split_at(at),
            None => (text, ":/"),
        };
        if directory.is_empty() {
            return Err("expected DIR or DIR:/TARGET".to_owned());
        }
        let target = target.trim_start_matches(':').to_owned();
        Ok(Self { directory: directory.into(), target })
    }
}

/// What the arguments mean.
#[derive(Debug)]
struct Spec {
    profile: Named,
    format: Format,
    size: DiskSize,
    output: Destination,
}

/// Where the image goes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Destination {
    Stdout,
    File(PathBuf),
    /// A file named after the system.
    Named,
}

impl Spec {
    fn resolve(args: &Args) -> Result<Self, Failure> {
        let output = match &args.output {
            None => Destination::Named,
            Some(path) if path.as_os_str() == "-" => Destination::Stdout,
            Some(path) => Destination::File(path.clone()),
        };
        let named = match &output {
            Destination::File(path) => Format::of_name(path),
            Destination::Stdout | Destination::Named => None,
        };
        let format = match (args.format, named) {
            (Some(asked), Some(named)) if asked != named => {
                return Err(Failure::usage(format!(
                    "--format {} contradicts the ending of the output, .{}",
                    asked.ending(),
                    named.ending()
                )));
            }
            (Some(format), _) | (None, Some(format)) => format,
            (None, None) => Format::Raw,
        };
        let profile = profile::read(&args.profile)?;
        let size = args.size.unwrap_or(profile.profile.disk.size);
        Ok(Self { profile, format, size, output })
    }
}

/// Builds the image.
pub(crate) fn run(args: Args, terminal: Terminal) -> Result<(), Failure> {
    let spec = Spec::resolve(&args)?;
    let terminal = if spec.output == Destination::Stdout { terminal.streaming() } else { terminal };
    let found = system::find(&args.system, terminal)?;
    let _ = (
        found.store,
        spec.profile.text,
        spec.format,
        spec.size,
        args.seed,
        args.digest,
        args.dry_run,
    );
    let _ = (args.json, args.force, args.overlay);
    Err(Failure::internal("not wired yet"))
}
