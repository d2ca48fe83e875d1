//! A profile as the library takes it: a layout of the disk and options of the boot loader.
//!
//! Nothing is decided here. What a profile leaves out stays open: sizes for the layout, labels for the
//! system's fstab, the menu for the system's own configuration.

use calve_image_core::boot::systemd_boot;
use calve_image_core::disk::{self, Ext4Fill, Fill, Layout, VfatFill};
use calve_image_core::units;

use super::ConsoleMode;
use super::Content;
use super::DiskSize;
use super::Partition;
use super::PartitionSize;
use super::Profile;
use super::SectorSize;

impl Profile {
    /// The disk that the profile describes, of a size that the arguments may have changed.
    pub(crate) fn layout(&self, size: DiskSize) -> Layout {
        let sector = match self.disk.sector_size {
            SectorSize::B512 => units::SectorSize::B512,
            SectorSize::B4096 => units::SectorSize::B4096,
        };
        let size = match size {
            DiskSize::Auto => disk::DiskSize::Auto,
            DiskSize::Fixed(bytes) => disk::DiskSize::Fixed(bytes),
        };
        let partitions = self.partitions.iter().map(Partition::described).collect();
        Layout { size, ..Layout::new(sector, partitions) }
    }

    /// What the profile says of the boot menu.
    pub(crate) fn boot_options(&self) -> systemd_boot::Options {
        systemd_boot::Options {
            timeout: self.boot.timeout.map(systemd_boot::Timeout::Seconds),
            editor: self.boot.editor,
            console_mode: self.boot.console_mode.map(ConsoleMode::option),
            tries: self.boot.tries,
        }
    }
}

impl Partition {
    fn described(&self) -> disk::Partition {
        let size = match self.size {
            PartitionSize::Auto => disk::Size::Auto,
            PartitionSize::Rest => disk::Size::Rest,
            PartitionSize::Fixed(bytes) => disk::Size::Fixed(bytes),
        };
        let content = self.content.as_ref().map_or(Fill::Empty, Content::fill);
        disk::Partition { size, ..disk::Partition::new(&self.name, self.kind.0, content) }
    }
}

impl Content {
    fn fill(&self) -> Fill {
        match self {
            Self::Ext4(described) => {
                let fill = Ext4Fill::new(described.mount.0.clone());
                let reserve = described.reserve.map_or(fill.reserve, |reserve| reserve.0);
                Fill::Ext4(Ext4Fill { label: described.label.clone(), reserve, ..fill })
            }
            Self::Vfat(described) => {
                let fill = VfatFill::new(described.mount.0.clone());
                let reserve = described.reserve.map_or(fill.reserve, |reserve| reserve.0);
                Fill::Vfat(VfatFill { label: described.label.clone(), reserve, ..fill })
            }
        }
    }
}

impl ConsoleMode {
    fn option(self) -> systemd_boot::ConsoleMode {
        match self {
            Self::Lines25 => systemd_boot::ConsoleMode::Number(0),
            Self::Lines50 => systemd_boot::ConsoleMode::Number(1),
            Self::Firmware => systemd_boot::ConsoleMode::Number(2),
            Self::Auto => systemd_boot::ConsoleMode::Auto,
            Self::Max => systemd_boot::ConsoleMode::Max,
            Self::Keep => systemd_boot::ConsoleMode::Keep,
        }
    }
}

#[cfg(test)]
mod tests {
    use calve_image_core::units::{Bytes, GIB};

    use super::super::read;
    use super::*;

    /// Every profile in the program is read, and says what its name promises.
    #[test]
    fn profiles_become_layouts() {
        for name in super::super::read::NAMES {
            let Ok(named) = read(name) else { unreachable!("{name} is a profile") };
            let layout = named.profile.layout(named.profile.disk.size);
            let mounts: Vec<String> =
                layout.mounts().iter().map(|mount| format!("/{}", mount.lossy())).collect();
            assert_eq!(mounts, ["/boot", "/"], "{name}");
            let sizes: Vec<disk::Size> = layout.partitions.iter().map(|part| part.size).collect();
            assert_eq!(sizes[1], disk::Size::Rest, "{name}");
        }
    }

    #[test]
    fn arguments_come_before_the_profile() {
        let Ok(named) = read("server") else { unreachable!("server is a profile") };
        let layout = named.profile.layout(DiskSize::Fixed(Bytes::new(8 * GIB.get())));
        assert_eq!(layout.size, disk::DiskSize::Fixed(GIB * 8));
        assert_eq!(named.profile.boot_options().editor, Some(false));
        assert_eq!(named.profile.boot_options().tries, None);
    }
}
