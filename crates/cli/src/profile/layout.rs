//! A profile as the library takes it: a layout of the disk and options of the boot loader.
//!
//! Nothing is decided here. What a profile leaves out stays open: sizes for the layout, labels for the
//! system's fstab, the menu for the system's own configuration.

use calve_image_core::boot::systemd_boot;
use calve_image_core::disk::{
    self, Ext4Fill, Fill, Foreign, ForeignFill, Layout, LuksFill, Share, SwapFill, VfatFill,
};
use calve_image_core::units;

use super::ConsoleMode;
use super::Content;
use super::DiskSize;
use super::Luks;
use super::Partition;
use super::PartitionSize;
use super::Profile;
use super::RandomSwap;
use super::SectorSize;
use super::Space;
use super::size::Reserve;

impl Profile {
    /// The disk that the profile describes, of a size that the arguments may have changed.
    pub(crate) fn layout(&self, size: DiskSize) -> Layout {
        let sector = self.disk.sector_size.bytes();
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

impl SectorSize {
    fn bytes(self) -> units::SectorSize {
        match self {
            Self::B512 => units::SectorSize::B512,
            Self::B4096 => units::SectorSize::B4096,
        }
    }
}

impl Luks {
    fn described(&self) -> LuksFill {
        let noise = match self.fill {
            Space::Holes => false,
            Space::Noise => true,
        };
        LuksFill {
            name: self.name.clone(),
            label: self.label.clone(),
            sector: self.sector_size.bytes(),
            kdf: self.kdf.costs(),
            noise,
            ..LuksFill::new(self.content.fill())
        }
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
            Self::Xfs(described) => {
                let share = Share { mount: described.mount.0.clone(), subvolume: None };
                let (label, reserve) = (&described.label, described.reserve.as_ref());
                foreign(Foreign::Xfs, label, reserve, vec![share])
            }
            Self::Btrfs(described) => {
                let whole = described.mount.iter().map(|mount| (None, mount));
                let parts = described.subvolumes.iter();
                let parts = parts.map(|(name, mount)| (Some(name.clone()), mount));
                let shares = whole
                    .chain(parts)
                    .map(|(subvolume, mount)| Share { mount: mount.0.clone(), subvolume });
                let (label, reserve) = (&described.label, described.reserve.as_ref());
                foreign(Foreign::Btrfs, label, reserve, shares.collect())
            }
            Self::Swap(described) => {
                Fill::Swap(SwapFill { label: described.label.clone(), ..SwapFill::default() })
            }
            Self::RandomSwap(RandomSwap {}) => Fill::RandomSwap,
            Self::Luks(described) => Fill::Luks(Box::new(described.described())),
        }
    }
}

fn foreign(
    kind: Foreign,
    label: &Option<String>,
    reserve: Option<&Reserve>,
    shares: Vec<Share>,
) -> Fill {
    let reserve = reserve.map_or(Ext4Fill::RESERVE, |reserve| reserve.0);
    Fill::Foreign(ForeignFill { kind, label: label.clone(), uuid: None, reserve, shares })
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
            let kept = if name == "impermanent" { &["/nix", "/persist"][..] } else { &["/"] };
            assert_eq!(mounts, [&["/boot"], kept].concat(), "{name}");
            assert_eq!(layout.partitions.last().map(|part| part.size), Some(disk::Size::Rest));
            assert_eq!(layout.check(), Ok(()), "{name}");
            let luks = layout.partitions.iter().skip(1).map(|part| &part.content);
            let is_luks = |fill: &Fill| matches!(fill, Fill::Luks(_));
            let is_encrypted = !matches!(name, "minimal" | "server");
            assert!(luks.into_iter().all(|fill| is_luks(fill) == is_encrypted), "{name}");
        }
    }

    #[test]
    fn what_an_encrypted_volume_is() {
        let Ok(named) = read("server-encrypted") else { unreachable!("it is a profile") };
        let layout = named.profile.layout(DiskSize::Auto);
        let Some(Fill::Luks(fill)) = layout.partitions.last().map(|part| &part.content) else {
            unreachable!("its root is encrypted")
        };
        assert_eq!((fill.name.as_ref(), fill.mapper("cryptroot")), (None, "cryptroot"));
        assert_eq!(fill.kdf, LuksFill::new(Fill::Empty).kdf, "said, though it is what is taken");
        assert_eq!((fill.sector, fill.noise), (units::SectorSize::B512, false));
    }

    #[test]
    fn what_a_btrfs_is_mounted_as() {
        let text = r#"{"xfs": {"mount": "/var"}}"#;
        let Ok(Content::Xfs(xfs)) = serde_json::from_str(text) else { unreachable!("{text}") };
        let Fill::Foreign(fill) = Content::Xfs(xfs).fill() else { unreachable!("it is xfs") };
        assert_eq!((fill.kind, fill.shares.len()), (Foreign::Xfs, 1));
        let text = r#"{"btrfs": {"label": "x", "subvolumes": {"@": "/", "@home": "/home"}}}"#;
        let Ok(content) = serde_json::from_str::<Content>(text) else { unreachable!("{text}") };
        let mounts: Vec<String> = content.fill().mounts().iter().map(ToString::to_string).collect();
        assert_eq!(mounts, ["/", "/home"]);
        let Fill::Foreign(fill) = content.fill() else { unreachable!("it is btrfs") };
        let names = fill.shares.iter().map(|share| share.subvolume.as_deref());
        assert!(names.eq([Some("@"), Some("@home")]) && fill.label.as_deref() == Some("x"));
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
