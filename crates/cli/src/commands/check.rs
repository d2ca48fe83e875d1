//! `calve check`: whether a system would start from an image, without making it.

use calve_image_core::boot::initrd_secrets::Secret;
use calve_image_core::boot::preflight::Finding;
use calve_image_core::disk::{Fill, Partition};
use calve_image_core::epoch::Epoch;
use calve_image_core::formats::iso::loaders::Wishes;
use calve_image_core::formats::{Format, disk, iso, lxc, wsl};
use serde::Serialize;

use crate::blueprint::Blueprint;
use crate::failure::Failure;
use crate::findings::Side;
use crate::system::{Subject, SystemArgs};
use crate::terminal::Terminal;
use crate::{findings, profile, system};

/// Tell whether a system would start: from a disk or an ISO, in a container, in WSL
///
/// Holds the system's own fstab, initrd, kernel and boot loader against the profile or a medium, or its
/// init against what Proxmox or WSL starts, as `calve build` does first. Nothing is written. The exit code is 3
/// if it would not boot.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  calve check ./result -p server
  calve check ./result --for lxc
  calve check ./result --for wsl
  calve check ./result --for iso")]
pub(crate) struct Args {
    #[command(flatten)]
    system: SystemArgs,

    /// What the system is to become: disk, lxc, wsl or iso
    #[arg(long = "for", value_parser = format, default_value = "disk", value_name = "FORMAT")]
    format: Format,

    /// The profile of a disk: a name (minimal, server, server-encrypted, impermanent) or a file
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
    format: Format,
    profile: Option<&'a str>,
    boots: bool,
    findings: &'a [Finding],
}

/// What a check said.
#[derive(Debug)]
struct Verdict {
    toplevel: String,
    profile: Option<String>,
    findings: Vec<Finding>,
    side: Side,
    refusal: Option<Failure>,
}

fn format(word: &str) -> Result<Format, String> {
    let known = Format::ALL.into_iter().find(|format| format.word() == word);
    known.ok_or_else(|| format!("expected {}", Format::ALL.map(Format::word).join(" or ")))
}

/// Checks.
pub(crate) fn run(args: Args, terminal: Terminal) -> Result<(), Failure> {
    let verdict = match args.format {
        Format::Disk => of_disk(&args, terminal)?,
        Format::Lxc => of_container(&args, terminal)?,
        Format::Wsl => of_distribution(&args, terminal)?,
        Format::Iso => of_medium(&args, terminal)?,
    };
    let Verdict { toplevel, profile, findings, side, refusal } = verdict;
    if args.json {
        terminal.print_json(&Document {
            toplevel: toplevel.clone(),
            format: args.format,
            profile: profile.as_deref(),
            boots: refusal.is_none(),
            findings: &findings,
        })?;
    }
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    findings::warn(&findings, side, terminal);
    if args.json {
        return Ok(());
    }
    let profile = profile.unwrap_or_default();
    terminal.print(&match args.format {
        Format::Disk => format!("{toplevel} would boot from profile {profile}\n"),
        Format::Lxc => format!("{toplevel} would start in a Proxmox container\n"),
        Format::Wsl => format!("{toplevel} would start in WSL\n"),
        Format::Iso => format!("{toplevel} would start from an ISO\n"),
    })
}

fn of_disk(args: &Args, terminal: Terminal) -> Result<Verdict, Failure> {
    let blueprint = Blueprint::new(profile::read(&args.profile)?)?;
    let found = system::find(&args.system, terminal)?;
    let toplevel = found.toplevel.to_string();
    let subject = blueprint.subject(found)?;
    let (findings, refusal) = match disk::check(&blueprint.spec(&subject), subject.input()) {
        Ok(checked) => {
            for partition in &checked.layout.partitions {
                needs_key(partition, terminal);
            }
            (checked.report.findings, None)
        }
        Err(disk::Error::Refused(report)) => {
            (report.findings.clone(), Some(disk::Error::Refused(report).into()))
        }
        Err(error) => (Vec::new(), Some(error.into())),
    };
    for Secret { dest, .. } in &subject.secrets {
        terminal.say(format!("needs     --initrd-secret {dest}=FILE, whenever an image is made"));
    }
    let profile = Some(blueprint.profile.name);
    Ok(Verdict { toplevel, profile, findings, side: Side::Layout, refusal })
}

/// Names the key of an encrypted volume, which whoever makes an image has to bring.
fn needs_key(partition: &Partition, terminal: Terminal) {
    match &partition.content {
        Fill::Luks(fill) => {
            let name = fill.mapper(&partition.name);
            terminal.say(format!("needs     --luks-key {name}=SOURCE, whenever an image is made"));
        }
        Fill::Empty
        | Fill::Ext4(_)
        | Fill::Vfat(_)
        | Fill::Swap(_)
        | Fill::RandomSwap
        | Fill::Foreign(_) => {}
    }
}

fn of_container(args: &Args, terminal: Terminal) -> Result<Verdict, Failure> {
    let subject = Subject::find(&args.system, terminal)?;
    let toplevel = subject.found.toplevel.to_string();
    let (findings, refusal) = match lxc::preflight::check(subject.input()) {
        Ok(checked) => (checked.findings, None),
        Err(lxc::Error::Refused(findings)) => {
            (findings.clone(), Some(lxc::Error::Refused(findings).into()))
        }
        Err(error) => (Vec::new(), Some(error.into())),
    };
    Ok(Verdict { toplevel, profile: None, findings, side: Side::Container, refusal })
}

fn of_distribution(args: &Args, terminal: Terminal) -> Result<Verdict, Failure> {
    let subject = Subject::find(&args.system, terminal)?;
    let toplevel = subject.found.toplevel.to_string();
    let plain =
        wsl::WslSpec { overlays: &[], rules: &[], epoch: Epoch::STORE, user: None, icon: None };
    let (findings, refusal) = match wsl::tree(&plain, subject.input()) {
        Ok(wsl) => (wsl.findings, None),
        Err(wsl::Error::Refused(findings)) => {
            (findings.clone(), Some(wsl::Error::Refused(findings).into()))
        }
        Err(error) => (Vec::new(), Some(error.into())),
    };
    Ok(Verdict { toplevel, profile: None, findings, side: Side::Wsl, refusal })
}

fn of_medium(args: &Args, terminal: Terminal) -> Result<Verdict, Failure> {
    let subject = Subject::find(&args.system, terminal)?;
    let toplevel = subject.found.toplevel.to_string();
    let checked = iso::preflight::check(subject.input(), &Wishes::default(), &[]);
    let (findings, refusal) = match checked {
        Ok(checked) => (checked.findings, None),
        Err(iso::Error::Refused(findings)) => {
            (findings.clone(), Some(iso::Error::Refused(findings).into()))
        }
        Err(error) => (Vec::new(), Some(error.into())),
    };
    Ok(Verdict { toplevel, profile: None, findings, side: Side::Medium, refusal })
}
