//! A disk and what is on it, in words and as data: for `calve write` and `calve survey` alike.

use std::path::Path;

use calve_installer::survey::contents::Found;
use calve_installer::survey::signature::Holding;
use calve_installer::survey::{Contents, Device};
use serde::Serialize;

use crate::drawing::{self, Column};

const COLUMNS: [Column; 5] =
    [Column::Left, Column::Right, Column::Left, Column::Left, Column::Left];

/// `SanDisk Ultra, 28.7 GiB, USB, removable, serial 4C53`.
pub(crate) fn words(device: &Device) -> String {
    let mut words = Vec::new();
    words.extend(device.model.clone());
    words.push(device.size.to_string());
    words.extend(device.bus.map(str::to_owned));
    words.extend(device.is_removable.then(|| "removable".to_owned()));
    words.extend(device.identity.serial.as_ref().map(|serial| format!("serial {serial}")));
    words.extend(device.disk.as_ref().map(|disk| format!("a partition of {disk}")));
    words.join(", ")
}

/// `GPT`, `ext4 "nixos"`: what is on it as a whole.
pub(crate) fn contents(contents: &Contents) -> String {
    let whole = contents.whole.as_ref().map(holding);
    match (contents.table, whole) {
        (Some(table), Some(whole)) => format!("{table}, {whole}"),
        (Some(table), None) => table.to_owned(),
        (None, Some(whole)) => whole,
        (None, None) if contents.is_blank() => "nothing that is known".to_owned(),
        (None, None) => "partitions".to_owned(),
    }
}

/// `ext4 "nixos"`.
pub(crate) fn holding(holding: &Holding) -> String {
    match &holding.label {
        Some(label) => format!("{} \"{label}\"", holding.format),
        None => holding.format.clone(),
    }
}

/// Partitions, a line each.
pub(crate) fn table(partitions: &[Found]) -> String {
    let row = |found: &Found| {
        let label = found.holds.as_ref().and_then(|holds| holds.label.clone());
        vec![
            format!("        {}", found.title),
            found.size.to_string(),
            found.holds.as_ref().map(|holds| holds.format.clone()).unwrap_or_default(),
            label.map(|label| format!("\"{label}\"")).unwrap_or_default(),
            found.name.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<Vec<String>> = partitions.iter().map(row).collect();
    drawing::table(&COLUMNS, &rows)
}

/// A device as data.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeviceReport {
    path: String,
    name: String,
    size: u64,
    model: Option<String>,
    serial: Option<String>,
    wwn: Option<String>,
    bus: Option<&'static str>,
    removable: bool,
    table: Option<&'static str>,
    format: Option<String>,
    partitions: Vec<PartitionReport>,
}

#[derive(Debug, Serialize)]
struct PartitionReport {
    title: String,
    name: Option<String>,
    start: u64,
    size: u64,
    format: Option<String>,
    label: Option<String>,
}

impl DeviceReport {
    /// The device that `path` leads to.
    pub(crate) fn of(path: &Path, device: &Device, contents: &Contents) -> Self {
        let partition = |found: &Found| PartitionReport {
            title: found.title.clone(),
            name: found.name.clone(),
            start: found.start.get(),
            size: found.size.get(),
            format: found.holds.as_ref().map(|holds| holds.format.clone()),
            label: found.holds.as_ref().and_then(|holds| holds.label.clone()),
        };
        Self {
            path: path.display().to_string(),
            name: device.name.clone(),
            size: device.size.get(),
            model: device.model.clone(),
            serial: device.identity.serial.clone(),
            wwn: device.identity.wwn.clone(),
            bus: device.bus,
            removable: device.is_removable,
            table: contents.table,
            format: contents.whole.as_ref().map(|whole| whole.format.clone()),
            partitions: contents.partitions.iter().map(partition).collect(),
        }
    }
}
