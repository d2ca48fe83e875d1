//! `calve write`: an image on a stick or a disk.
//!
//! - `survey`: which device, and why it must be left alone
//! - `shown`: what is on it and what comes, in words
//! - `work`: the writing, and what the device is after each way to stop
//! - `reread`: the kernel learns of the new partitions

mod reread;
mod shown;
mod survey;
mod work;

use std::path::PathBuf;

use calve_installer::write::Image;
use serde::Serialize;

use crate::confirm::{Given, Question, confirm};
use crate::device::DeviceReport;
use crate::failure::Failure;
use crate::terminal::Terminal;

/// Put an image on a stick or a disk
///
/// Shows what is on the device, asks for its name, writes the image, reads it back and compares. What
/// is mounted or otherwise in use, and the disk of the running system, is refused. The image may be
/// raw, an ISO or qcow2, or raw and compressed with zstd, xz or gzip. The partition table comes last, so
/// a device that was not written to its end does not look whole. Without DEVICE, the disks are listed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  calve write nixos.iso                               the disks that there are
  calve write nixos.iso /dev/sdb                      asks for the name sdb
  calve write web.raw.zst /dev/disk/by-id/usb-Stick-0:0 --dry-run
  calve write web.qcow2 /dev/sdb --yes-wipe sdb       for scripts")]
pub(crate) struct Args {
    /// The image: raw, ISO or qcow2; raw ones may be compressed
    #[arg(value_name = "IMAGE")]
    image: PathBuf,

    /// The disk: /dev/sdb, or a link of /dev/disk/by-id
    #[arg(value_name = "DEVICE")]
    device: Option<PathBuf>,

    /// Do not ask: DEVICE, said a second time, may be overwritten
    #[arg(long, value_name = "DEVICE")]
    yes_wipe: Option<PathBuf>,

    /// Take a partition, too, and not only whole disks
    #[arg(long)]
    partition: bool,

    /// Do not read the device back and compare
    #[arg(long)]
    no_verify: bool,

    /// Show everything and write nothing
    #[arg(long)]
    dry_run: bool,

    /// Print a report as JSON
    #[arg(long)]
    json: bool,
}

/// What was done, or would be; sizes are in bytes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    image: shown::ImageReport,
    device: DeviceReport,
    /// How much was written; nothing in a dry run.
    written: Option<u64>,
    /// Whether it was read back and compared.
    compared: bool,
    /// Whether the backup of the partition table was moved to the end.
    backup_moved: bool,
}

/// Writes the image.
pub(crate) fn run(args: Args, terminal: Terminal) -> Result<(), Failure> {
    let image = Image::open(&args.image)?;
    let Some(path) = &args.device else {
        return Err(survey::no_device(&image));
    };
    let subject = survey::Subject::find(path, args.partition)?;
    let words = shown::text(&subject, &image);
    let report = Report {
        image: shown::ImageReport::of(&image),
        device: DeviceReport::of(&subject.path, &subject.device, &subject.contents),
        written: None,
        compared: false,
        backup_moved: false,
    };
    if args.dry_run {
        subject.refuse(&image)?;
        return if args.json { terminal.print_json(&report) } else { terminal.print(&words) };
    }
    subject.refuse(&image).inspect_err(|_| terminal.say(words.trim_end()))?;
    let given = args
        .yes_wipe
        .as_deref()
        .map(|named| Given { named: named.display().to_string(), is_it: subject.is(named) });
    let typed = subject.path.display().to_string();
    let question = Question {
        name: &subject.device.name,
        whose: "",
        typed: &typed,
        words: &words,
        given,
        interrupt: None,
    };
    confirm(&question, terminal)?;
    let done = work::Work { image: &image, verify: !args.no_verify, terminal }.run(&subject)?;
    if args.json {
        let (compared, backup_moved) = (done.compared, done.backup_moved);
        let written = Some(done.size.get());
        return terminal.print_json(&Report { written, compared, backup_moved, ..report });
    }
    Ok(())
}
