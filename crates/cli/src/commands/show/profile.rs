//! A profile shown: its layout, as far as it is known before a system is chosen.

use std::fmt::Write;

use crate::drawing::{self, Column, Part};
use crate::failure::Failure;
use crate::profile::{self, Content, Luks, Named, Partition, PartitionSize, Space};
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
    for partition in &profile.partitions {
        if let Some(Content::Luks(luks)) = &partition.content {
            text.push_str(&encryption(partition, luks));
        }
    }
    text
}

/// One line on how a volume is encrypted.
fn encryption(partition: &Partition, luks: &Luks) -> String {
    let name = luks.name.as_ref().unwrap_or(&partition.name);
    let (sector_size, kdf) = (u64::from(luks.sector_size), luks.kdf.costs());
    let space = match luks.fill {
        Space::Holes => "holes",
        Space::Noise => "noise",
    };
    format!(
        "\n{name}: LUKS2, aes-xts-plain64, {sector_size}-byte sectors, {kdf}; unused space is {space}\n"
    )
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
    match &partition.content {
        Some(content) => {
            lines.push(format!(" {} {}", content.formats(), partition.size));
            lines.extend(content.mounts().iter().map(|mount| format!(" {mount}")));
        }
        None => lines.push(format!(" empty {}", partition.size)),
    }
    Part { weight, lines }
}

fn rows(partitions: &[Partition]) -> Vec<Vec<String>> {
    let heading = ["#", "name", "type", "size", "format", "label", "mounted at"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for (partition, number) in partitions.iter().zip(1u32..) {
        let content = partition.content.as_ref();
        let mounts = content.map(Content::mounts).unwrap_or_default();
        rows.push(vec![
            number.to_string(),
            partition.name.clone(),
            partition.kind.to_string(),
            partition.size.to_string(),
            content.map_or_else(|| "-".to_owned(), Content::formats),
            content.and_then(Content::label).cloned().unwrap_or_default(),
            mounts.join(" "),
        ]);
    }
    rows
}

impl Content {
    /// The format's name, and that of what is in it.
    fn formats(&self) -> String {
        match self {
            Self::Vfat(_) => "vfat".to_owned(),
            Self::Ext4(_) => "ext4".to_owned(),
            Self::Xfs(_) => "xfs".to_owned(),
            Self::Btrfs(_) => "btrfs".to_owned(),
            Self::Swap(_) => "swap".to_owned(),
            Self::RandomSwap(_) => "random-swap".to_owned(),
            Self::Luks(luks) => format!("luks/{}", luks.content.formats()),
        }
    }

    /// Where it is mounted, also what is in an encrypted volume.
    fn mounts(&self) -> Vec<String> {
        match self {
            Self::Vfat(file_system) | Self::Ext4(file_system) | Self::Xfs(file_system) => {
                vec![file_system.mount.to_string()]
            }
            Self::Btrfs(btrfs) => {
                let mounts = btrfs.mount.iter().chain(btrfs.subvolumes.values());
                mounts.map(ToString::to_string).collect()
            }
            Self::Luks(luks) => luks.content.mounts(),
            Self::Swap(_) | Self::RandomSwap(_) => Vec::new(),
        }
    }

    /// The label, of an encrypted volume that of what is in it.
    fn label(&self) -> Option<&String> {
        match self {
            Self::Vfat(file_system) | Self::Ext4(file_system) | Self::Xfs(file_system) => {
                file_system.label.as_ref()
            }
            Self::Btrfs(btrfs) => btrfs.label.as_ref(),
            Self::Swap(swap) => swap.label.as_ref(),
            Self::RandomSwap(_) => None,
            Self::Luks(luks) => luks.content.label(),
        }
    }
}
