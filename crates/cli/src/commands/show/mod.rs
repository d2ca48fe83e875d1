//! `calve show`: a profile, a system or an image as a drawing to scale, one file each.

mod image;
mod live;
mod profile;
mod remote;
mod system;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::system::SourceArgs;
use crate::terminal::Terminal;

/// Show a profile, a system or an image
///
/// The layout is drawn to scale. Of a system, the biggest store paths are listed too, and the
/// layout is the one that `calve build disk` would give it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  calve show minimal             a profile that comes with calve
  calve show ./web.toml          a profile of your own
  calve show ./result -p server  a system
  calve show web.qcow2           an image
  calve show --verify live.iso   whether an ISO is whole")]
pub(crate) struct Args {
    /// A profile (a name or a .toml or .json file), a system, or an image [default: ./result]
    #[arg(
        value_name = "PROFILE|SYSTEM|IMAGE",
        default_value = "./result",
        hide_default_value = true
    )]
    subject: PathBuf,

    /// The profile by which a system is laid out: a name or a file
    #[arg(long, short, default_value = crate::profile::DEFAULT, value_name = "NAME|FILE")]
    profile: String,

    /// Read all of an ISO's store and hold every store path against its registered hash
    #[arg(long)]
    verify: bool,

    /// Print the same as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    source: SourceArgs,
}

/// What is to be shown.
#[derive(Debug, PartialEq, Eq)]
enum Subject<'a> {
    Profile(&'a str),
    System(&'a Path),
    Image(&'a Path),
}

impl<'a> Subject<'a> {
    /// Tells by the name where that is enough, else by what is there.
    fn of(path: &'a Path) -> Self {
        let ending = path.extension().and_then(std::ffi::OsStr::to_str);
        let profile = path.to_str().filter(|name| {
            crate::profile::is_embedded(name) || matches!(ending, Some("toml" | "json"))
        });
        if let Some(name) = profile {
            return Self::Profile(name);
        }
        // In a chroot store a system may be a dangling link, or not be there at all.
        match fs::metadata(path) {
            Ok(metadata) if !metadata.is_dir() => Self::Image(path),
            Ok(_) | Err(_) => Self::System(path),
        }
    }
}

/// Shows it.
pub(crate) fn run(args: Args, terminal: Terminal) -> Result<(), Failure> {
    refuse_nothing(&args)?;
    match Subject::of(&args.subject) {
        Subject::Image(path) if args.verify => verify::verify(path, args.json, terminal),
        Subject::Profile(_) | Subject::System(_) if args.verify => {
            let name = args.subject.display();
            let failure = Failure::usage(format!("--verify expects an ISO, found {name}"));
            Err(failure.hint("`nix store verify` does the same for a system in the store"))
        }
        Subject::Profile(name) => profile::show(name, args.json, terminal),
        Subject::System(path) => system::show(path, &args, terminal),
        Subject::Image(path) => image::show(path, args.json, terminal),
    }
}

/// Names what a person who meant a profile or a file may have meant.
fn refuse_nothing(args: &Args) -> Result<(), Failure> {
    let path = &args.subject;
    let name = path.to_str().unwrap_or_default();
    let is_something = fs::symlink_metadata(path).is_ok()
        || args.source.store.is_some()
        || matches!(Subject::of(path), Subject::Profile(_));
    if is_something {
        return Ok(());
    }
    let failure = Failure::usage(format!("{} does not exist", path.display()));
    Err(match crate::profile::nearest_name(name) {
        Some(near) => failure.hint(format!("did you mean the profile {near}?")),
        None => failure.hint("name a profile, a system or an image"),
    })
}
