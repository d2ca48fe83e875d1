//! What is on the device and what comes, in words and as data.

use calve_installer::write::Image;
use calve_installer::write::image::{Kind, Packing};
use calve_installer::write::survey::contents::Found;
use calve_installer::write::survey::signature::Holding;
use serde::Serialize;

use super::survey::Subject;
use crate::drawing::{self, Column};

const COLUMNS: [Column; 5] =
    [Column::Left, Column::Right, Column::Left, Column::Left, Column::Left];

/// The device with what is on it, and the image.
pub(super) fn text(subject: &Subject, image: &Image) -> String {
    let contents = &subject.contents;
    let mut text = format!("device    {}\n", title(subject));
    let whole = contents.whole.as_ref().map(holding);
    let now = match (contents.table, whole) {
        (Some(table), Some(whole)) => format!("{table}, {whole}"),
        (Some(table), None) => table.to_owned(),
        (None, Some(whole)) => whole,
        (None, None) if contents.is_blank() => "nothing that is known".to_owned(),
        (None, None) => "partitions".to_owned(),
    };
    text.push_str(&format!("on it     {now}\n{}", table(&contents.partitions)));
    text.push_str(&format!("image     {}\n", image_title(image)));
    text.push_str(&table(&image.about().partitions));
    text
}

/// `/dev/sdb: SanDisk Ultra, 28.7 GiB, USB, removable, serial 4C53`.
fn title(subject: &Subject) -> String {
    let device = &subject.device;
    let mut words = Vec::new();
    words.extend(device.model.clone());
    words.push(device.size.to_string());
    words.extend(device.bus.map(str::to_owned));
    words.extend(device.is_removable.then(|| "removable".to_owned()));
    words.extend(device.identity.serial.as_ref().map(|serial| format!("serial {serial}")));
    words.extend(device.disk.as_ref().map(|disk| format!("a partition of {disk}")));
    let typed = subject.path.display().to_string();
    let name = format!("/dev/{}", device.name);
    let link = if typed == name { String::new() } else { format!(" ({typed})") };
    format!("{name}{link}: {}", words.join(", "))
}

fn image_title(image: &Image) -> String {
    let about = image.about();
    let mut words = vec![kind(&about.kind).to_owned()];
    words.extend(about.holds.as_ref().map(holding));
    words.push(match image.size() {
        Some(size) => size.to_string(),
        None if image.least_size().is_zero() => "of unknown size".to_owned(),
        None => format!("{} unpacked", image.least_size()),
    });
    match image.packing() {
        Packing::Raw => {}
        packing @ (Packing::Qcow2 | Packing::Zstd | Packing::Xz | Packing::Gzip) => {
            words.push(packing.to_string());
        }
    }
    format!("{}: {}", image.path().display(), words.join(", "))
}

fn kind(kind: &Kind) -> &'static str {
    match kind {
        Kind::Gpt => "GPT",
        Kind::Mbr => "MBR",
        Kind::Iso => "ISO",
        Kind::Bare => "no partition table",
    }
}

fn holding(holding: &Holding) -> String {
    match &holding.label {
        Some(label) => format!("{} \"{label}\"", holding.format),
        None => holding.format.clone(),
    }
}

fn table(partitions: &[Found]) -> String {
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

/// An image as data.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImageReport {
    path: String,
    kind: &'static str,
    packing: String,
    /// Not known before it is unpacked, for compressed ones.
    size: Option<u64>,
}

impl ImageReport {
    pub(super) fn of(image: &Image) -> Self {
        Self {
            path: image.path().display().to_string(),
            kind: kind(&image.about().kind),
            packing: image.packing().to_string(),
            size: image.size().map(calve_image_core::units::Bytes::get),
        }
    }
}

/// A device as data.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeviceReport {
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
    pub(super) fn of(subject: &Subject) -> Self {
        let (device, contents) = (&subject.device, &subject.contents);
        let partition = |found: &Found| PartitionReport {
            title: found.title.clone(),
            name: found.name.clone(),
            start: found.start.get(),
            size: found.size.get(),
            format: found.holds.as_ref().map(|holds| holds.format.clone()),
            label: found.holds.as_ref().and_then(|holds| holds.label.clone()),
        };
        Self {
            path: subject.path.display().to_string(),
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
