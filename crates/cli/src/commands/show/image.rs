//! An image shown: what its partition table and its file systems say of themselves.

use std::fs::File;
use std::path::Path;

use calve_image_core::inspect;
use calve_image_core::inspect::Format;
use calve_image_core::inspect::Image;
use calve_image_core::inspect::Partition;
use calve_image_core::units::Bytes;
use serde::Serialize;

use crate::drawing;
use crate::drawing::Column;
use crate::drawing::Part;
use crate::failure::Failure;
use crate::failure::Kind;
use crate::terminal::Terminal;

/// Shows an image.
pub(super) fn show(path: &Path, json: bool, terminal: Terminal) -> Result<(), Failure> {
    let file = File::open(path).map_err(|source| Failure::unreadable(path, source))?;
    let image = inspect::inspect(&file).map_err(|source| {
        Failure::new(Kind::Failed, NoImage { path: path.display().to_string(), source })
    })?;
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
    source: inspect::Error,
}

fn text(path: &Path, image: &Image) -> String {
    let format = match image.format {
        Format::Raw => "raw",
        Format::Qcow2 => "qcow2",
    };
    let sector_size = image.sector_size.bytes().get();
    let mut text = format!(
        "image {}, {format}\ndisk of {}, GPT, {sector_size}-byte sectors, id {}\n\n",
        path.display(),
        image.size,
        image.uuid
    );
    text.push_str(&drawing::draw(&parts(image)));
    text.push_str(&drawing::table(&COLUMNS, &rows(image)));
    text
}

/// The partitions, and the unused space between them where it can be seen.
fn parts(image: &Image) -> Vec<Part> {
    let visible = Bytes::new(image.size.get() / 100);
    let mut parts = Vec::new();
    let mut end = Bytes::ZERO;
    let mut by_place: Vec<&Partition> = image.partitions.iter().collect();
    by_place.sort_by_key(|partition| partition.start);
    let gap = |from: Bytes, to: Bytes| {
        let size = to.saturating_sub(from);
        let lines = vec![" unused".to_owned(), format!(" {size}")];
        (size > visible).then_some(Part { weight: size.get(), lines })
    };
    for partition in by_place {
        parts.extend(gap(end, partition.start));
        end = end.max(partition.start + partition.size);
        let format = partition.volume.as_ref().map_or("?", |volume| volume.format);
        let lines = vec![format!(" {}", partition.name), format!(" {format} {}", partition.size)];
        parts.push(Part { weight: partition.size.get(), lines });
    }
    parts.extend(gap(end, image.size));
    parts
}

const COLUMNS: [Column; 8] = [
    Column::Right,
    Column::Left,
    Column::Left,
    Column::Right,
    Column::Right,
    Column::Left,
    Column::Left,
    Column::Left,
];

fn rows(image: &Image) -> Vec<Vec<String>> {
    let heading = ["#", "name", "type", "start", "size", "format", "label", "id"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for partition in &image.partitions {
        let volume = partition.volume.as_ref();
        rows.push(vec![
            partition.number.to_string(),
            partition.name.clone(),
            kind(partition),
            partition.start.to_string(),
            partition.size.to_string(),
            volume.map_or("?", |volume| volume.format).to_owned(),
            volume.and_then(|volume| volume.label.clone()).unwrap_or_default(),
            volume.map(|volume| volume.id.clone()).unwrap_or_default(),
        ]);
    }
    rows
}

/// The word for a partition's type, or its GUID.
fn kind(partition: &Partition) -> String {
    let kind = partition.kind.to_string();
    // Discoverable Partitions Specification.
    let word = match kind.as_str() {
        "c12a7328-f81f-11d2-ba4b-00a0c93ec93b" => "esp",
        "bc13c2ff-59e6-4262-a352-b275fd6f7172" => "xbootldr",
        "4f68bce3-e8cd-4db1-96e7-fbcaf984b709" => "root (x86_64)",
        "b921b045-1df0-41c3-af44-4c6f280d3fae" => "root (aarch64)",
        "933ac7e1-2eb4-4f13-b844-0e14e2aef915" => "home",
        "3b8f8425-20e0-4f3b-907f-1a25a76f98e8" => "srv",
        "4d21b016-b534-45c2-a9fb-5c16e091fd2d" => "var",
        "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f" => "swap",
        "0fc63daf-8483-4772-8e79-3d69d8477de4" => "linux",
        "21686148-6449-6e6f-744e-656564454649" => "bios boot",
        _ => return kind,
    };
    word.to_owned()
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
            kind: kind(partition),
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
