//! A system shown: how large it is, what makes it large, and the disk it would get.

use std::path::Path;

use calve_image_core::boot::preflight::Finding;
use calve_image_core::formats::{Input, disk};
use calve_image_core::inputs::closure::PathInfo;
use calve_image_core::inputs::fstab::Mount;
use calve_image_core::inputs::system::Configuration;
use calve_image_core::report::DiskReport;
use calve_image_core::units::Bytes;
use serde::Serialize;

use super::Args;
use crate::blueprint::Blueprint;
use crate::disk_drawing::Disk;
use crate::drawing::{self, Column};
use crate::failure::Failure;
use crate::terminal::Terminal;
use crate::{findings, profile, system};

/// How many store paths are listed.
const BIGGEST: usize = 10;

/// Shows a system.
pub(super) fn show(path: &Path, args: &Args, terminal: Terminal) -> Result<(), Failure> {
    let blueprint = Blueprint::new(profile::read(&args.profile)?)?;
    let found = system::locate(path, &args.source, terminal)?;
    let subject = blueprint.subject(found)?;
    let disk = match disk::plan(&blueprint.spec(&subject), subject.input()) {
        Ok(disk) => Planned::Disk(DiskReport::of(&disk.geometry)),
        Err(disk::Error::Refused(report)) => Planned::Refused(report.findings),
        Err(error) => return Err(error.into()),
    };
    let document = Document::of(subject.input(), &args.profile, disk);
    if args.json { terminal.print_json(&document) } else { terminal.print(&text(&document)) }
}

/// What `--json` prints; sizes are in bytes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    toplevel: String,
    label: String,
    platform: String,
    boot_loader: Option<String>,
    specialisations: Vec<String>,
    mounts: Vec<Mounted>,
    store_paths: usize,
    nar_size: u64,
    biggest: Vec<Big>,
    profile: String,
    #[serde(flatten)]
    planned: Planned,
}

/// What disk the system gets.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Planned {
    /// This one.
    Disk(DiskReport),
    /// None: it would not boot.
    Refused(Vec<Finding>),
}

/// A line of the system's fstab.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Mounted {
    at: String,
    format: String,
    device: String,
}

/// A store path among the biggest.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Big {
    path: String,
    nar_size: u64,
}

impl Document {
    fn of(input: Input<'_>, profile: &str, planned: Planned) -> Self {
        let Input { system, closure, .. } = input;
        let Configuration { toplevel, label, platform, fstab, installer, .. } = &system.main;
        let mut paths: Vec<&PathInfo> = closure.paths().iter().collect();
        // The closure is sorted by name, and the sort is stable.
        paths.sort_by_key(|info| std::cmp::Reverse(info.nar_size));
        let biggest = paths.into_iter().take(BIGGEST);
        Self {
            toplevel: toplevel.to_string(),
            label: label.clone(),
            platform: platform.clone(),
            boot_loader: installer.as_ref().map(|installer| installer.boot_loader.to_string()),
            specialisations: system.specialisations.keys().cloned().collect(),
            mounts: fstab.mounts.iter().map(Mounted::of).collect(),
            store_paths: closure.paths().len(),
            nar_size: closure.nar_size(),
            biggest: biggest
                .map(|info| Big { path: info.path.to_string(), nar_size: info.nar_size })
                .collect(),
            profile: profile.to_owned(),
            planned,
        }
    }
}

impl Mounted {
    fn of(mount: &Mount) -> Self {
        Self {
            at: mount.mount_point.clone(),
            format: mount.fs_type.clone(),
            device: mount.device.to_string(),
        }
    }
}

fn text(document: &Document) -> String {
    let boot_loader = document.boot_loader.as_deref().unwrap_or("no boot loader");
    let mut text = format!(
        "system {}\nNixOS {}, {}, {boot_loader}\n",
        document.toplevel, document.label, document.platform
    );
    if !document.specialisations.is_empty() {
        text.push_str(&format!("specialisations: {}\n", document.specialisations.join(", ")));
    }
    text.push_str("\nmounts\n");
    let mounts = document.mounts.iter();
    let rows: Vec<Vec<String>> = mounts
        .map(|mount| vec![mount.at.clone(), mount.format.clone(), mount.device.clone()])
        .collect();
    text.push_str(&drawing::table(&[Column::Left; 3], &rows));
    let total = Bytes::new(document.nar_size);
    let store_paths = system::counted(document.store_paths);
    text.push_str(&format!("\n{store_paths}, {total}; the biggest\n"));
    let rows: Vec<Vec<String>> = document
        .biggest
        .iter()
        .map(|big| {
            let percent = u128::from(big.nar_size) * 100 / u128::from(document.nar_size.max(1));
            vec![Bytes::new(big.nar_size).to_string(), format!("{percent} %"), big.path.clone()]
        })
        .collect();
    text.push_str(&drawing::table(&[Column::Right, Column::Right, Column::Left], &rows));
    let profile = &document.profile;
    text.push_str(&match &document.planned {
        Planned::Disk(disk) => format!("\nby profile {profile}: {}", Disk::from(disk).text()),
        Planned::Refused(findings) => {
            format!(
                "\nby profile {profile}: no disk, it would not boot\n{}",
                findings::text(findings)
            )
        }
    });
    text
}
