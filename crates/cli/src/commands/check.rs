//! `calve check`: whether a system would boot from a profile's disk, without making it.

use calve_image_core::boot::preflight::Finding;
use calve_image_core::formats::disk;
use serde::Serialize;

use crate::blueprint::Blueprint;
use crate::failure::Failure;
use crate::system::{self, SystemArgs};
use crate::terminal::Terminal;
use crate::{findings, profile};

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

/// What `--json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    toplevel: String,
    profile: &'a str,
    boots: bool,
    findings: &'a [Finding],
}

/// Checks.
pub(crate) fn run(args: Args, terminal: Terminal) -> Result<(), Failure> {
    let blueprint = Blueprint::new(profile::read(&args.profile)?)?;
    let found = system::find(&args.system, terminal)?;
    let toplevel = found.toplevel.to_string();
    let subject = blueprint.subject(found)?;
    let checked = disk::check(&blueprint.spec(&subject), subject.input());
    let profile = blueprint.profile.name.as_str();
    if args.json {
        let (boots, findings) = match &checked {
            Ok(checked) => (true, checked.report.findings.as_slice()),
            Err(disk::Error::Refused(report)) => (false, report.findings.as_slice()),
            Err(_) => (false, &[][..]),
        };
        terminal.print_json(&Document { toplevel: toplevel.clone(), profile, boots, findings })?;
    }
    let checked = checked?;
    findings::warn(&checked.report.findings, findings::Side::Layout, terminal);
    if args.json {
        return Ok(());
    }
    terminal.print(&format!("{toplevel} would boot from profile {profile}\n"))
}
