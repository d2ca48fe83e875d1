//! An image shown: what its partition table and its file systems say of themselves.

use std::fs::File;
use std::path::Path;

use calve_image_core::inspect::{self, Format, Image};
use serde::Serialize;

use super::live;
use crate::disk_drawing::{self, Disk};
use crate::failure::{Failure, Kind};
use crate::terminal::Terminal;

/// Shows an image.
pub(super) fn show(path: &Path, json: bool, terminal: Terminal) -> Result<(), Failure> {
    let file = File::open(path).map_err(|source| Failure::unreadable(path, source))?;
    let no_image = |source: Box<dyn std::error::Error + Send + Sync>| {
        Failure::new(Kind::Failed, NoImage { path: path.display().to_string(), source })
    };
    let live = inspect::live(&file).map_err(|source| no_image(source.into()))?;
    let disk = inspect::inspect(&file);
    if let Some(live) = live {
        let disk = disk.as_ref().ok();
        return if json {
            terminal.print_json(&live::Document::of(&live))
        } else {
            terminal.print(&live::text(path, &live, disk))
        };
    }
    let image = disk.map_err(|source| no_image(source.into()))?;
    if json {
        terminal.print_json(&Document::of(path, &image))
    } else {
        terminal.print(&text(path, &image))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{path} is no disk image that can be shown")]
struct NoImage {
    path: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

fn text(path: &Path, image: &Image) -> String {
    let format = match image.format {
        Format::Raw => "raw",
        Format::Qcow2 => "qcow2",
    };
    format!("image {}, {format}\n{}", path.display(), Disk::from(image).text())
}

/// What `--json` prints; sizes are in bytes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    image: String,
    format: Format,
    size: u64,
    sector_size: u64,
    id: String,
    partitions: Vec<PartitionDocument<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PartitionDocument<'a> {
    number: u32,
    name: &'a str,
    #[serde(rename = "type")]
    kind: String,
    type_id: String,
    id: String,
    start: u64,
    size: u64,
    volume: Option<&'a inspect::Volume>,
}

impl<'a> Document<'a> {
    fn of(path: &Path, image: &'a Image) -> Self {
        let partitions = image.partitions.iter().map(|partition| PartitionDocument {
            number: partition.number,
            name: &partition.name,
            kind: disk_drawing::kind(partition),
            type_id: partition.kind.to_string(),
            id: partition.uuid.to_string(),
            start: partition.start.get(),
            size: partition.size.get(),
            volume: partition.volume.as_ref(),
        });
        Self {
            image: path.display().to_string(),
            format: image.format,
            size: image.size.get(),
            sector_size: image.sector_size.bytes().get(),
            id: image.uuid.to_string(),
            partitions: partitions.collect(),
        }
    }
}
