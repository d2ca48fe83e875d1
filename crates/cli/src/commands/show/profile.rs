//! A profile shown: its layout, as far as it is known before a system is chosen.

use std::fmt::Write;

use crate::drawing::{self, Column, Part};
use crate::failure::Failure;
use crate::profile::{self, Content, FileSystem, Named, Partition, PartitionSize};
use crate::terminal::Terminal;

/// How wide a partition is drawn whose size only a system decides, in bytes.
const UNDECIDED: u64 = 1 << 30;

/// Shows a profile.
pub(super) fn show(name: &str, json: bool, terminal: Terminal) -> Result<(), Failure> {
    let named = profile::read(name)?;
    if json { terminal.print_json(&named.profile) } else { terminal.print(&text(&named)) }
}

fn text(named: &Named) -> String {
    let profile = &named.profile;
    let mut text = format!("profile {}", named.name);
    if !profile.description.is_empty() {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {}", profile.description);
    }
    let sector_size = u64::from(profile.disk.sector_size);
    let _ = write!(
        text,
        "\ndisk of {} size, GPT, {sector_size}-byte sectors\n\n",
        match profile.disk.size {
            profile::DiskSize::Auto => "automatic".to_owned(),
            profile::DiskSize::Fixed(bytes) => bytes.to_string(),
        }
    );
    let parts: Vec<Part> = profile.partitions.iter().map(part).collect();
    text.push_str(&drawing::draw(&parts));
    text.push_str(&drawing::table(&COLUMNS, &rows(&profile.partitions)));
    text
}

const COLUMNS: [Column; 7] = [
    Column::Right,
    Column::Left,
    Column::Left,
    Column::Right,
    Column::Left,
    Column::Left,
    Column::Left,
];

fn part(partition: &Partition) -> Part {
    let weight = match partition.size {
        PartitionSize::Fixed(bytes) => bytes.get(),
        PartitionSize::Auto => UNDECIDED,
        PartitionSize::Rest => 4 * UNDECIDED,
    };
    let mut lines = vec![format!(" {}", partition.name)];
    match partition.content.as_ref().map(Content::file_system) {
        Some((format, file_system)) => {
            lines.push(format!(" {format} {}", partition.size));
            lines.push(format!(" {}", file_system.mount));
        }
        None => lines.push(format!(" empty {}", partition.size)),
    }
    Part { weight, lines }
}

fn rows(partitions: &[Partition]) -> Vec<Vec<String>> {
    let heading = ["#", "name", "type", "size", "format", "label", "mounted at"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for (partition, number) in partitions.iter().zip(1u32..) {
        let content = partition.content.as_ref().map(Content::file_system);
        let (format, label, mount) = match content {
            Some((format, FileSystem { label, mount, .. })) => {
                (format, label.clone().unwrap_or_default(), mount.to_string())
            }
            None => ("-", String::new(), String::new()),
        };
        rows.push(vec![
            number.to_string(),
            partition.name.clone(),
            partition.kind.to_string(),
            partition.size.to_string(),
            format.to_owned(),
            label,
            mount,
        ]);
    }
    rows
}

impl Content {
    /// The format's name and the file system.
    fn file_system(&self) -> (&'static str, &FileSystem) {
        match self {
            Self::Vfat(file_system) => ("vfat", file_system),
            Self::Ext4(file_system) => ("ext4", file_system),
        }
    }
}
