//! `calve build wsl`: a distribution for the Windows Subsystem for Linux.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use calve_image_core::formats::wsl::icon::{DOCUMENTED_MAX, Icon};
use calve_image_core::formats::wsl::rules::packaging;
use calve_image_core::formats::{Format, wsl};
use calve_image_core::region::Keys;

use super::archive::{ArchiveArgs, Contents};
use super::compression::Compression;
use crate::failure::Failure;
use crate::system::{Subject, SystemArgs};
use crate::terminal::Terminal;

/// Make a distribution for WSL
///
/// Makes the users, shells and tools that WSL looks for before the system ever ran, out of what the
/// system says of itself, checks Microsoft's rules, and packs the root file system. The file appears
/// under its name only when it is complete.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  calve build wsl                                    ./result, as nixos.wsl
  calve build wsl --flake .#laptop --icon nixos.ico -o laptop.wsl
  wsl --install --from-file nixos.wsl                in Windows, or a double click")]
pub(crate) struct Args {
    #[command(flatten)]
    system: SystemArgs,

    /// Where the distribution goes; - is stdout [default: nixos.wsl]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Who is logged in [default: who /etc/wsl.conf of the system says, else its only person]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// The picture in the start menu, an .ico
    #[arg(long, value_name = "FILE")]
    icon: Option<PathBuf>,

    /// gzip, xz, zstd or none; with a level (:fast, :default, :release or a number) if not the default
    /// [default: what the ending of FILE says, else gzip]
    #[arg(long, value_name = "HOW[:LEVEL]")]
    compress: Option<Compression>,

    #[command(flatten)]
    archive: ArchiveArgs,
}

/// Makes the distribution.
pub(crate) fn run(args: Args, terminal: Terminal) -> Result<(), Failure> {
    let output = args.output.as_deref();
    let compression = Compression::resolve(args.compress, output, "gzip")?;
    let name = output.filter(|output| output.as_os_str() != "-").map(Path::to_owned);
    let icon = args.icon.as_deref().map(icon).transpose()?;
    let spec = args.archive.resolve(args.output, compression)?;
    let terminal = spec.keep_words_out(terminal);
    let subject = Subject::find(&args.system, terminal)?;
    let input = subject.input();
    let wanted = wsl::WslSpec {
        overlays: &spec.packing.overlays,
        rules: &spec.packing.rules,
        epoch: spec.packing.epoch,
        user: args.user.as_deref(),
        icon: icon.as_ref(),
    };
    let wsl::Wsl { tree, user, mut findings } = wsl::tree(&wanted, input)?;
    findings.extend(packaging(compression.codec(), name.as_deref()));
    terminal.say(format!("user      {user}"));
    let name = wsl::FILE_NAME.to_owned();
    let contents = Contents { format: Format::Wsl, name, tree, keys: Keys::none(), findings };
    spec.build(contents, input, terminal)
}

/// Reads an icon; what is larger than any may be is not read to its end.
fn icon(path: &Path) -> Result<Icon, Failure> {
    let unreadable = |source| Failure::unreadable(path, source);
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let most = DOCUMENTED_MAX.get().saturating_add(1);
    file.take(most).read_to_end(&mut bytes).map_err(unreadable)?;
    Icon::of(bytes).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}
