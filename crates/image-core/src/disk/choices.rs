//! Choices that would make a disk which does not open, mount or start.
//!
//! A layout can say more than makes sense: its words nest freely. What is refused here needs no
//! closure and no contents to be known; sizes are the geometry's, names that a closure looks for are
//! pre-flight's, and what the costs of a key derivation must be is [`luks2`](super::luks2)'s.

use std::collections::BTreeMap;

use super::kind::PartitionKind;
use super::layout::{DiskSize, Fill, Foreign, Layout, LuksFill, Partition, Size};

/// The longest name that device-mapper takes: `DM_NAME_LEN` without its NUL.
const LONGEST_NAME: usize = 127;

/// What udev leaves as it is in the name of a link, beside letters and digits (libdevmapper, mangling).
const PLAIN: &[u8] = b"#+-.:=@_";

/// A choice that makes no disk which works.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// Firmware would have to open LUKS.
    #[error(
        "partition {name:?} is for the boot loader and holds a LUKS volume: expected a plain vfat file system, since firmware opens no encrypted one"
    )]
    Firmware {
        /// Which partition.
        name: String,
    },
    /// A LUKS volume with nothing to open it for, or with something that cannot be opened in it.
    #[error("the LUKS volume in partition {name:?} holds {found}: expected ext4, vfat or swap")]
    Inside {
        /// Which partition.
        name: String,
        /// What is in it.
        found: &'static str,
    },
    /// A name that would not be found below `/dev/mapper`.
    #[error(
        "the LUKS volume in partition {name:?} is to be opened as {found:?}: expected 1 to {LONGEST_NAME} letters, digits and {}, and not \"control\"",
        String::from_utf8_lossy(PLAIN)
    )]
    Mapper {
        /// Which partition.
        name: String,
        /// The name.
        found: String,
    },
    /// Two volumes cannot be open under one name.
    #[error(
        "the LUKS volumes in partitions {first:?} and {second:?} are both opened as {mapper:?}"
    )]
    SameMapper {
        /// The earlier one.
        first: String,
        /// The later one.
        second: String,
        /// The name.
        mapper: String,
    },
    /// Subvolumes that there cannot be.
    #[error(
        "the {kind} in partition {name:?} is mounted as {found}: expected the whole once, or subvolumes of btrfs, \
         each once, by names like \"@home\""
    )]
    Shares {
        /// Which partition.
        name: String,
        /// Which kind of file system.
        kind: &'static str,
        /// What is mounted.
        found: String,
    },
    /// Nobody knows how much a machine swaps.
    #[error("partition {name:?} holds swap and has no size: expected one such as 4G")]
    SwapSize {
        /// Which partition.
        name: String,
    },
}

impl Layout {
    /// Looks for choices that cannot work, whatever the contents.
    ///
    /// # Errors
    /// The first one found.
    pub fn check(&self) -> Result<(), ChoiceError> {
        let mut mappers = BTreeMap::new();
        for partition in &self.partitions {
            if let Fill::Luks(fill) = &partition.content {
                check_luks(partition, fill)?;
            }
            check_shares(&partition.name, &partition.content)?;
            check_swap(partition, self.size)?;
            let Fill::Luks(fill) = &partition.content else { continue };
            let mapper = fill.mapper(&partition.name);
            if let Some(first) = mappers.insert(mapper, &partition.name) {
                return Err(ChoiceError::SameMapper {
                    first: first.clone(),
                    second: partition.name.clone(),
                    mapper: mapper.to_owned(),
                });
            }
        }
        Ok(())
    }
}

fn check_luks(partition: &Partition, fill: &LuksFill) -> Result<(), ChoiceError> {
    let name = || partition.name.clone();
    if matches!(partition.kind, PartitionKind::Esp | PartitionKind::Xbootldr) {
        return Err(ChoiceError::Firmware { name: name() });
    }
    match &fill.content {
        Fill::Ext4(_) | Fill::Vfat(_) | Fill::Swap(_) | Fill::Foreign(_) => {}
        found @ (Fill::Empty | Fill::RandomSwap | Fill::Luks(_)) => {
            return Err(ChoiceError::Inside { name: name(), found: found.word() });
        }
    }
    let mapper = fill.mapper(&partition.name);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || PLAIN.contains(&byte);
    if !(1..=LONGEST_NAME).contains(&mapper.len())
        || !mapper.bytes().all(is_plain)
        || matches!(mapper, "control" | "." | "..")
    {
        return Err(ChoiceError::Mapper { name: name(), found: mapper.to_owned() });
    }
    Ok(())
}

/// A file system is mounted as a whole, or by subvolumes that are paths in it.
fn check_shares(name: &str, fill: &Fill) -> Result<(), ChoiceError> {
    let fill = match fill {
        Fill::Foreign(fill) => fill,
        Fill::Luks(luks) => return check_shares(name, &luks.content),
        Fill::Empty | Fill::Ext4(_) | Fill::Vfat(_) | Fill::Swap(_) | Fill::RandomSwap => {
            return Ok(());
        }
    };
    let names: Vec<Option<&str>> =
        fill.shares.iter().map(|share| share.subvolume.as_deref()).collect();
    let is_plain = |name: &str| {
        let mut parts = name.split('/');
        parts.all(|part| !matches!(part, "" | "." | "..")) && !name.contains([',', '\n', '"'])
    };
    let is_good = |name: &Option<&str>| name.is_some_and(is_plain);
    let is_distinct = (1..names.len()).all(|at| !names[..at].contains(&names[at]));
    let are_subvolumes = fill.kind == Foreign::Btrfs
        && !names.is_empty()
        && names.iter().all(is_good)
        && is_distinct;
    if names == [None] || are_subvolumes {
        return Ok(());
    }
    let names: Vec<&str> = names.iter().map(|name| name.unwrap_or("the whole")).collect();
    let found = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    Err(ChoiceError::Shares { name: name.to_owned(), kind: fill.kind.word(), found })
}

fn check_swap(partition: &Partition, disk: DiskSize) -> Result<(), ChoiceError> {
    let holds_swap = |fill: &Fill| matches!(fill, Fill::Swap(_) | Fill::RandomSwap);
    let is_swap = match &partition.content {
        Fill::Luks(fill) => holds_swap(&fill.content),
        plain @ (Fill::Empty
        | Fill::Ext4(_)
        | Fill::Vfat(_)
        | Fill::Swap(_)
        | Fill::RandomSwap
        | Fill::Foreign(_)) => holds_swap(plain),
    };
    match (partition.size, disk) {
        (Size::Auto, _) | (Size::Rest, DiskSize::Auto) if is_swap => {
            Err(ChoiceError::SwapSize { name: partition.name.clone() })
        }
        (Size::Auto | Size::Rest | Size::Fixed(_), _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Ext4Fill, ForeignFill, Share, SwapFill};
    use crate::tree::TreePath;
    use crate::units::{MIB, SectorSize};

    fn ext4() -> Fill {
        Fill::Ext4(Ext4Fill::new(TreePath::root()))
    }

    fn luks(name: &str, content: Fill) -> Fill {
        Fill::Luks(Box::new(LuksFill { name: Some(name.to_owned()), ..LuksFill::new(content) }))
    }

    fn checked(kind: PartitionKind, content: Fill) -> Result<(), ChoiceError> {
        let partition = Partition::new("one", kind, content);
        Layout::new(SectorSize::B512, vec![partition]).check()
    }

    #[test]
    fn what_a_luks_volume_may_hold_and_where_it_may_lie() {
        assert_eq!(checked(PartitionKind::Root, luks("a", ext4())), Ok(()));
        for found in [Fill::Empty, Fill::RandomSwap, luks("b", ext4())] {
            let word = found.word();
            let error = checked(PartitionKind::Root, luks("a", found)).unwrap_err();
            assert_eq!(error, ChoiceError::Inside { name: "one".to_owned(), found: word });
        }
        for kind in [PartitionKind::Esp, PartitionKind::Xbootldr] {
            let error = checked(kind, luks("a", ext4())).unwrap_err();
            assert!(matches!(error, ChoiceError::Firmware { .. }), "{error}");
        }
    }

    #[test]
    fn names_below_dev_mapper() {
        let named = |name: &str| checked(PartitionKind::Root, luks(name, ext4())).is_ok();
        assert!(named("cryptroot") && named("a.b-c_d+e") && named(&"x".repeat(127)));
        for name in ["", "control", "..", "a b", "a/b", "\u{e4}", &"x".repeat(128)] {
            assert!(!named(name), "{name:?}");
        }
        let open = Fill::Luks(Box::new(LuksFill::new(ext4())));
        let partitions = ["root", "data"].map(|name| {
            let fill = if name == "root" { open.clone() } else { luks("root", ext4()) };
            Partition::new(name, PartitionKind::Linux, fill)
        });
        let error = Layout::new(SectorSize::B512, partitions.to_vec()).check().unwrap_err();
        let same =
            "the LUKS volumes in partitions \"root\" and \"data\" are both opened as \"root\"";
        assert_eq!(error.to_string(), same);
    }

    #[test]
    fn what_of_a_file_system_is_mounted() {
        let said = |kind, names: &[Option<&str>]| {
            let shares = names
                .iter()
                .map(|name| Share { mount: TreePath::root(), subvolume: name.map(str::to_owned) });
            let shares = shares.collect();
            let (label, uuid, reserve) = (None, None, MIB);
            let fill = Fill::Foreign(ForeignFill { kind, label, uuid, reserve, shares });
            assert_eq!(
                checked(PartitionKind::Root, fill.clone()).is_ok(),
                checked(PartitionKind::Root, luks("a", fill.clone())).is_ok()
            );
            checked(PartitionKind::Root, fill).map_err(|error| error.to_string())
        };
        for kind in [Foreign::Btrfs, Foreign::Xfs] {
            assert_eq!(said(kind, &[None]), Ok(()));
            assert!(said(kind, &[]).is_err() && said(kind, &[None, Some("@")]).is_err());
        }
        assert_eq!(said(Foreign::Btrfs, &[Some("@"), Some("a/home")]), Ok(()));
        for names in [[Some("@"), Some("@")], [Some("@"), Some("../x")], [Some("@"), Some("/x")]] {
            assert!(said(Foreign::Btrfs, &names).is_err(), "{names:?}");
        }
        let found = said(Foreign::Xfs, &[Some("@")]).unwrap_err();
        assert!(found.starts_with("the xfs in partition \"one\" is mounted as @: "), "{found}");
    }

    #[test]
    fn swap_has_a_size() {
        for fill in [
            Fill::Swap(SwapFill::default()),
            Fill::RandomSwap,
            luks("swap", Fill::Swap(SwapFill::default())),
        ] {
            let sized = |size, disk| {
                let partition = Partition::new("swap", PartitionKind::Swap, fill.clone());
                let partition = Partition { size, ..partition };
                let layout = Layout::new(SectorSize::B512, vec![partition]);
                Layout { size: disk, ..layout }.check().is_ok()
            };
            let fixed = DiskSize::Fixed(MIB * 100);
            assert!(sized(Size::Fixed(MIB), DiskSize::Auto) && sized(Size::Rest, fixed));
            assert!(!sized(Size::Rest, DiskSize::Auto) && !sized(Size::Auto, fixed));
        }
    }
}
