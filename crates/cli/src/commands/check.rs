//! `calve check`: whether a system would boot from a profile's disk, without making it.

use crate::failure::Failure;
use crate::failure::Kind;
use crate::profile;
use crate::system;
use crate::system::SystemArgs;
use crate::terminal::Terminal;

/// Tell whether a system would boot from a profile's disk
///
/// Holds the system's own fstab, initrd, kernel and boot loader against the profile, as `calve
/// build` does first. Nothing is written. The exit code is 3 if the disk would not boot.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  calve check ./result -p server")]
pub(crate) struct Args {
    #[command(flatten)]
    system: SystemArgs,

    /// The profile: a name (minimal, server) or a file
    #[arg(long, short, default_value = profile::DEFAULT, value_name = "NAME|FILE")]
    profile: String,

    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

/// Checks.
pub(crate) fn run(args: Args, terminal: Terminal) -> Result<(), Failure> {
    let profile = profile::read(&args.profile)?;
    let found = system::find(&args.system, terminal)?;
    let _ = (profile.text, args.json, found.store, Kind::Refused);
    Err(Failure::internal("not wired yet"))
}
