//! A system shown: how large it is, what makes it large, and the disk it would get.

use std::path::Path;

use calve_image_core::boot::preflight::Finding;
use calve_image_core::formats::iso::loaders::{Bios, BiosLoader, Uefi, UefiLoader, Wishes};
use calve_image_core::formats::{Input, disk, iso};
use calve_image_core::inputs::fstab::Mount;
use calve_image_core::inputs::system::Configuration;
use calve_image_core::report::DiskReport;
use serde::Serialize;

use super::Args;
use super::remote::Remote;
use crate::biggest::Biggest;
use crate::blueprint::Blueprint;
use crate::disk_drawing::Disk;
use crate::drawing::{self, Column};
use crate::failure::Failure;
use crate::findings::Side;
use crate::terminal::Terminal;
use crate::{findings, profile, system};

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
    let medium = Medium::of(subject.input())?;
    let remote = Remote::of(subject.input())?;
    let document =
        Document { medium, remote, ..Document::of(subject.input(), &args.profile, disk) };
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
    #[serde(flatten)]
    biggest: Biggest,
    profile: String,
    #[serde(flatten)]
    planned: Planned,
    /// The ISO that it could be; none where it would not start from one.
    #[serde(rename = "iso")]
    medium: Option<Medium>,
    /// What its initrd has for somebody who unlocks it from afar; none where it has no initrd.
    #[serde(flatten)]
    remote: Option<Remote>,
}

/// What a system that starts from an ISO needs of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Medium {
    volume_id: String,
    squashfs: String,
    uefi: Option<UefiLoader>,
    bios: Option<BiosLoader>,
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

impl Document {
    fn of(input: Input<'_>, profile: &str, planned: Planned) -> Self {
        let Input { system, closure, .. } = input;
        let Configuration { toplevel, label, platform, fstab, installer, .. } = &system.main;
        Self {
            toplevel: toplevel.to_string(),
            label: label.clone(),
            platform: platform.clone(),
            boot_loader: installer.as_ref().map(|installer| installer.boot_loader.to_string()),
            specialisations: system.specialisations.keys().cloned().collect(),
            mounts: fstab.mounts.iter().map(Mounted::of).collect(),
            biggest: Biggest::of(closure),
            profile: profile.to_owned(),
            planned,
            medium: None,
            remote: None,
        }
    }
}

impl Medium {
    fn of(input: Input<'_>) -> Result<Option<Self>, Failure> {
        let checked = match iso::preflight::check(input, &Wishes::default(), &[]) {
            Ok(checked) => checked,
            Err(iso::Error::Refused(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let iso::preflight::Checked { shape, loaders, .. } = checked;
        Ok(Some(Self {
            volume_id: shape.volume.as_str().to_owned(),
            squashfs: shape.squashfs.to_string(),
            uefi: loaders.uefi.as_ref().map(Uefi::loader),
            bios: loaders.bios.as_ref().map(Bios::loader),
        }))
    }

    fn text(&self) -> String {
        let uefi = self.uefi.map(|loader| format!("in UEFI by {loader}"));
        let bios = self.bios.map(|loader| format!("in BIOS by {loader}"));
        let starts: Vec<String> = uefi.into_iter().chain(bios).collect();
        let (volume, store) = (&self.volume_id, &self.squashfs);
        format!("volume {volume:?}, store in {store}, started {}", starts.join(" and "))
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
    text.push_str(&format!("\n{}", document.biggest.text()));
    if let Some(medium) = &document.medium {
        text.push_str(&format!("\nas an ISO: {}\n", medium.text()));
    }
    if let Some(remote) = &document.remote {
        text.push_str(&remote.text());
    }
    let profile = &document.profile;
    text.push_str(&match &document.planned {
        Planned::Disk(disk) => format!("\nby profile {profile}: {}", Disk::from(disk).text()),
        Planned::Refused(findings) => {
            format!(
                "\nby profile {profile}: no disk, it would not boot\n{}",
                findings::text(findings, Side::Layout)
            )
        }
    });
    text
}
