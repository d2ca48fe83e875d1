//! A disk as a drawing to scale with a table below: one that is planned, or one that exists.

use calve_image_core::disk::{Architecture, PartitionKind};
use calve_image_core::inspect;
use calve_image_core::report::{DiskReport, FileSystemReport, LuksReport, PartitionReport};
use calve_image_core::units::Bytes;

use crate::drawing::{self, Column, Part};

/// A disk to be drawn.
#[derive(Debug)]
pub(crate) struct Disk {
    size: Bytes,
    sector_size: u64,
    id: String,
    partitions: Vec<Partition>,
}

/// One of its partitions.
#[derive(Debug)]
struct Partition {
    number: u32,
    name: String,
    kind: String,
    start: Bytes,
    size: Bytes,
    format: String,
    label: String,
    id: String,
    encrypted: Option<Encrypted>,
}

/// What is in an encrypted partition.
#[derive(Debug)]
struct Encrypted {
    name: String,
    size: Bytes,
    format: String,
    label: String,
    id: String,
    how: String,
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

impl Disk {
    /// The drawing and the table.
    pub(crate) fn text(&self) -> String {
        let Self { size, sector_size, id, .. } = self;
        let mut text = format!("disk of {size}, GPT, {sector_size}-byte sectors, id {id}\n\n");
        text.push_str(&drawing::draw(&self.parts()));
        text.push_str(&drawing::table(&COLUMNS, &self.rows()));
        for encrypted in self.partitions.iter().filter_map(|partition| partition.encrypted.as_ref())
        {
            text.push_str(&format!("\n{}: {}\n", encrypted.name, encrypted.how));
        }
        text
    }

    /// The partitions, and the unused space between them where it can be seen.
    fn parts(&self) -> Vec<Part> {
        let visible = Bytes::new(self.size.get() / 100);
        let gap = |from: Bytes, to: Bytes| {
            let size = to.saturating_sub(from);
            let lines = vec![" unused".to_owned(), format!(" {size}")];
            (size > visible).then_some(Part { weight: size.get(), lines })
        };
        let mut by_place: Vec<&Partition> = self.partitions.iter().collect();
        by_place.sort_by_key(|partition| partition.start);
        let mut parts = Vec::new();
        let mut end = Bytes::ZERO;
        for Partition { name, start, size, format, encrypted, .. } in by_place {
            parts.extend(gap(end, *start));
            end = end.max(*start + *size);
            let inner = encrypted.as_ref().map(|inner| format!("/{}", inner.format));
            let format = format!("{format}{}", inner.unwrap_or_default());
            let lines = vec![format!(" {name}"), format!(" {format} {size}")];
            parts.push(Part { weight: size.get(), lines });
        }
        parts.extend(gap(end, self.size));
        parts
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let heading = ["#", "name", "type", "start", "size", "format", "label", "id"];
        let mut rows = vec![heading.map(str::to_owned).to_vec()];
        for partition in &self.partitions {
            let Partition { number, name, kind, start, size, format, label, id, .. } = partition;
            let (number, start, size) = (number.to_string(), start.to_string(), size.to_string());
            let words = [name, kind, &start, &size, format, label, id].map(Clone::clone);
            rows.push(std::iter::once(number).chain(words).collect());
            if let Some(Encrypted { name, size, format, label, id, .. }) = &partition.encrypted {
                let (name, size, none) =
                    (format!("\u{2514} {name}"), size.to_string(), String::new());
                let words = [&none, &name, &none, &none, &size, format, label, id];
                rows.push(words.map(Clone::clone).to_vec());
            }
        }
        rows
    }
}

impl From<&inspect::Image> for Disk {
    fn from(image: &inspect::Image) -> Self {
        let partitions = image.partitions.iter().map(|partition| {
            let volume = partition.volume.as_ref();
            Partition {
                number: partition.number,
                name: partition.name.clone(),
                kind: kind(partition),
                start: partition.start,
                size: partition.size,
                format: volume.map_or("?", |volume| volume.format).to_owned(),
                label: volume.and_then(|volume| volume.label.clone()).unwrap_or_default(),
                id: volume.map(|volume| volume.id.clone()).unwrap_or_default(),
                encrypted: None,
            }
        });
        Self {
            size: image.size,
            sector_size: image.sector_size.bytes().get(),
            id: image.uuid.to_string(),
            partitions: partitions.collect(),
        }
    }
}

impl From<&DiskReport> for Disk {
    fn from(disk: &DiskReport) -> Self {
        let partition = |(number, partition): (u32, &PartitionReport)| {
            let (mut format, label, id) = words(partition.file_system.as_ref());
            let luks = partition.luks.as_ref();
            if luks.is_some() {
                "luks".clone_into(&mut format);
            }
            Partition {
                number,
                name: partition.name.clone(),
                kind: partition.kind.clone(),
                start: Bytes::new(partition.start),
                size: Bytes::new(partition.size),
                format,
                label: luks.map_or(label, |luks| luks.label.clone().unwrap_or_default()),
                id: luks.map_or(id, |luks| luks.uuid.clone()),
                encrypted: luks.map(Encrypted::from),
            }
        };
        Self {
            size: Bytes::new(disk.size),
            sector_size: disk.sector_size,
            id: disk.guid.clone(),
            partitions: (1..).zip(&disk.partitions).map(partition).collect(),
        }
    }
}

impl From<&LuksReport> for Encrypted {
    fn from(luks: &LuksReport) -> Self {
        let (format, label, id) = words(luks.file_system.as_ref());
        let LuksReport { cipher, key_bits, sector_size, kdf, keyslots, .. } = luks;
        let space = if luks.noise { "noise" } else { "holes" };
        let keys = if *keyslots == 1 { "key" } else { "keys" };
        let how = format!(
            "LUKS2, {cipher}, {key_bits}-bit key, {sector_size}-byte sectors; {keyslots} {keys}, {kdf}; \
             unused space is {space}"
        );
        Self { name: luks.name.clone(), size: Bytes::new(luks.size), format, label, id, how }
    }
}

/// The format, the label and the id of what is in a partition or an encrypted volume.
fn words(volume: Option<&FileSystemReport>) -> (String, String, String) {
    let format = volume.map_or("empty", |volume| volume.kind).to_owned();
    let label = volume.and_then(|volume| volume.label.clone()).unwrap_or_default();
    (format, label, volume.map(|volume| volume.uuid.clone()).unwrap_or_default())
}

/// What is in a partition, from the outside in: `luks/ext4`.
pub(crate) fn formats(partition: &PartitionReport) -> String {
    match &partition.luks {
        Some(luks) => format!("luks/{}", words(luks.file_system.as_ref()).0),
        None => words(partition.file_system.as_ref()).0,
    }
}

/// The word for a partition's type, with the architecture where it says one, or its GUID.
pub(crate) fn kind(partition: &inspect::Partition) -> String {
    let guid = partition.kind;
    let kinds = [
        PartitionKind::Esp,
        PartitionKind::Xbootldr,
        PartitionKind::Home,
        PartitionKind::Srv,
        PartitionKind::Var,
        PartitionKind::Tmp,
        PartitionKind::Swap,
        PartitionKind::Linux,
    ];
    let architectures = [(Architecture::X86_64, "x86_64"), (Architecture::Arm64, "aarch64")];
    for (architecture, name) in architectures {
        for kind in [PartitionKind::Root, PartitionKind::Usr] {
            if kind.type_guid(architecture) == guid {
                return format!("{kind} ({name})");
            }
        }
    }
    let known = kinds.into_iter().find(|kind| kind.type_guid(Architecture::X86_64) == guid);
    known.map_or_else(|| guid.to_string(), |kind| kind.to_string())
}
