//! Ids and labels that an image takes over from the closure.
//!
//! A layout that leaves a name open gets the one that the closure looks for; one that fixes it must fix
//! the same. Two configurations of one closure may name a volume in different ways, but not by
//! two different labels. What the format cannot hold is refused here and not found out on the disk, and so
//! is what would be found under another spelling: links below `/dev/disk` have the one that blkid gives
//! them.

use serde::Serialize;

use super::offer::{LUKS, RANDOM_SWAP, Volume};
use crate::inputs::device_spec::DeviceSpec;

/// What a volume must be called; `None` where the closure does not care.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Adopted {
    /// The file system's label.
    pub label: Option<String>,
    /// The file system's UUID; of a vfat the serial, `ABCD-1234`.
    pub uuid: Option<String>,
    /// The GPT partition's name.
    pub part_label: Option<String>,
    /// The GPT partition's GUID.
    pub part_uuid: Option<String>,
    /// What a LUKS volume is opened as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapper: Option<String>,
}

/// Why a name cannot be adopted: what the layout gives instead, and the mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clash {
    pub gives: String,
    pub mend: String,
}

/// One kind of name: its words, the layout's value, the one adopted so far, and how to compare.
struct Slot<'a> {
    key: &'static str,
    fixed: Option<&'a String>,
    adopted: &'a mut Option<String>,
    same: fn(&str, &str) -> bool,
}

const PART_LABEL: &str = "partition label";
const PART_UUID: &str = "partition uuid";

/// Takes a name over, if the volume can have it.
pub(super) fn adopt(
    device: &DeviceSpec,
    volume: &Volume,
    adopted: &mut Adopted,
) -> Result<(), Clash> {
    let same: fn(&str, &str) -> bool = |a, b| a == b;
    // Hexadecimal digits are the same in either case.
    let same_hex: fn(&str, &str) -> bool = |a, b| a.eq_ignore_ascii_case(b);
    let (wanted, slot) = match device {
        DeviceSpec::Label(name) => {
            let slot = &mut adopted.label;
            (name, Slot { key: "label", fixed: volume.label.as_ref(), adopted: slot, same })
        }
        DeviceSpec::Uuid(name) => {
            let slot = &mut adopted.uuid;
            let fixed = volume.uuid.as_ref();
            (name, Slot { key: "uuid", fixed, adopted: slot, same: same_hex })
        }
        DeviceSpec::PartLabel(name) => {
            let slot = &mut adopted.part_label;
            let fixed = volume.part_label.as_ref();
            (name, Slot { key: PART_LABEL, fixed, adopted: slot, same })
        }
        DeviceSpec::PartUuid(name) => {
            let slot = &mut adopted.part_uuid;
            let fixed = volume.part_uuid.as_ref();
            (name, Slot { key: PART_UUID, fixed, adopted: slot, same: same_hex })
        }
        DeviceSpec::Mapper(_)
        | DeviceSpec::Path(_)
        | DeviceSpec::Virtual(_)
        | DeviceSpec::File(_) => return Ok(()),
    };
    if volume.inside.is_some() && matches!(slot.key, PART_LABEL | PART_UUID) {
        return Err(Clash {
            gives: format!(
                "volume {:?} inside LUKS, which is no partition of its own",
                volume.name
            ),
            mend: "name it by /dev/mapper or its label in the configuration and rebuild".to_owned(),
        });
    }
    if let Err(limit) = can_hold(device, &volume.fs_type) {
        return Err(Clash {
            gives: format!("{}, whose {} must be {limit}", volume.fs_type, slot.key),
            mend: "change it in the configuration and rebuild".to_owned(),
        });
    }
    slot.take(wanted, volume)
}

impl Slot<'_> {
    fn take(self, wanted: &str, volume: &Volume) -> Result<(), Clash> {
        let (key, name) = (self.key, &volume.name);
        if let Some(fixed) = self.fixed.filter(|fixed| !(self.same)(fixed, wanted)) {
            return Err(Clash {
                gives: format!("{key} {fixed:?} on volume {name:?}"),
                mend: format!("leave {key} out of the profile to adopt the closure's"),
            });
        }
        if let Some(other) = self.adopted.as_ref().filter(|other| !(self.same)(other, wanted)) {
            return Err(Clash {
                gives: format!("{key} {other:?} on volume {name:?}, as another mount wants it"),
                mend: "make all configurations of the closure name the device alike".to_owned(),
            });
        }
        *self.adopted = Some(wanted.to_owned());
        Ok(())
    }
}

/// Whether the format has room for the name; the error says what would fit.
fn can_hold(device: &DeviceSpec, fs_type: &str) -> Result<(), &'static str> {
    let is_fat = fs_type == "vfat";
    match device {
        DeviceSpec::Label(_) | DeviceSpec::Uuid(_) if fs_type == RANDOM_SWAP => {
            Err("left out: what is there changes at each boot")
        }
        // `label` of LUKS2's header, 48 bytes with its NUL.
        DeviceSpec::Label(name) if fs_type == LUKS => {
            let fits = (1..=47).contains(&name.len()) && !name.contains('\0') && is_shown(name);
            fits.then_some(()).ok_or("1 to 47 bytes without a blank at an end")
        }
        // dosfstools: eleven bytes, none of which FAT refuses in names.
        DeviceSpec::Label(name) if is_fat => {
            let fits = (1..=11).contains(&name.len())
                && is_shown(name)
                && *name != "NO NAME"
                && name
                    .bytes()
                    .all(|b| (b' '..0x7f).contains(&b) && !b"\"*+,./:;<=>?[\\]|".contains(&b));
            fits.then_some(()).ok_or("1 to 11 ASCII characters that FAT allows, not NO NAME")
        }
        // XFSLABEL_MAX, and BTRFS_LABEL_SIZE without its NUL.
        DeviceSpec::Label(name) if fs_type == "xfs" => {
            let fits = (1..=12).contains(&name.len()) && !name.contains('\0') && is_shown(name);
            fits.then_some(()).ok_or("1 to 12 bytes without a blank at an end")
        }
        DeviceSpec::Label(name) if fs_type == "btrfs" => {
            let fits = (1..=255).contains(&name.len()) && !name.contains('\0') && is_shown(name);
            fits.then_some(()).ok_or("1 to 255 bytes without a blank at an end")
        }
        // s_volume_name of ext2, 3 and 4, and of swap.
        DeviceSpec::Label(name) => {
            let fits = (1..=16).contains(&name.len()) && !name.contains('\0') && is_shown(name);
            fits.then_some(()).ok_or("1 to 16 bytes without a blank at an end")
        }
        DeviceSpec::Uuid(uuid) if is_fat => {
            let digits: Vec<&str> = uuid.split('-').collect();
            let four = |part: &&str| part.len() == 4 && part.bytes().all(is_upper_hex);
            let fits = digits.len() == 2 && digits.iter().all(four) && uuid != "0000-0000";
            fits.then_some(()).ok_or("eight digits in upper case like ABCD-1234, not all zero")
        }
        DeviceSpec::Uuid(uuid) | DeviceSpec::PartUuid(uuid) => {
            let parsed = uuid::Uuid::try_parse(uuid).ok().filter(|parsed| !parsed.is_nil());
            let fits = parsed.is_some_and(|parsed| parsed.to_string() == *uuid);
            fits.then_some(()).ok_or("a UUID of 36 characters in lower case, not all zero")
        }
        DeviceSpec::PartLabel(name) => {
            let fits = (1..=36).contains(&name.encode_utf16().count()) && !name.contains('\0');
            fits.then_some(()).ok_or("1 to 36 UTF-16 units")
        }
        DeviceSpec::Mapper(_)
        | DeviceSpec::Path(_)
        | DeviceSpec::Virtual(_)
        | DeviceSpec::File(_) => Ok(()),
    }
}

/// Whether blkid shows a label as it is written: it drops blanks at the ends.
fn is_shown(label: &str) -> bool {
    label.trim_ascii() == label
}

/// A digit as Linux writes it in the serial of a vfat.
fn is_upper_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn volume(fs_type: &str) -> Volume {
        let mut volume = Volume { name: "root".to_owned(), ..Volume::default() };
        volume.fs_type = fs_type.to_owned();
        volume
    }

    fn tried(spec: &str, volume: &Volume) -> Result<Adopted, Clash> {
        let mut adopted = Adopted::default();
        adopt(&DeviceSpec::parse(spec), volume, &mut adopted).map(|()| adopted)
    }

    #[test]
    fn free_names_are_taken_and_fixed_ones_compared() {
        let adopted = tried("LABEL=nixos", &volume("ext4")).unwrap();
        assert_eq!(adopted.label.as_deref(), Some("nixos"));
        let fixed = Volume { label: Some("other".to_owned()), ..volume("ext4") };
        let clash = tried("LABEL=nixos", &fixed).unwrap_err();
        assert_eq!(clash.gives, "label \"other\" on volume \"root\"");
        let fixed = Volume { uuid: Some("abcd-1234".to_owned()), ..volume("vfat") };
        assert!(tried("UUID=ABCD-1234", &fixed).is_ok());
        let mut adopted = tried("PARTLABEL=a", &volume("ext4")).unwrap();
        let again = adopt(&DeviceSpec::parse("PARTLABEL=b"), &volume("ext4"), &mut adopted);
        assert!(again.unwrap_err().gives.contains("as another mount wants it"));
    }

    #[test]
    fn names_must_fit() {
        for (spec, fs_type, fits) in [
            ("LABEL=0123456789abcdef", "ext4", true),
            ("LABEL=0123456789abcdefg", "ext4", false),
            ("LABEL=ESP", "vfat", true),
            ("LABEL=twelve-chars", "vfat", false),
            ("LABEL=a.b", "vfat", false),
            ("UUID=ABCD-1234", "vfat", true),
            ("UUID=ABCD-12345", "vfat", false),
            ("UUID=abcd-1234", "vfat", false),
            ("UUID=0000-0000", "vfat", false),
            ("LABEL=NO NAME", "vfat", false),
            ("LABEL=a ", "vfat", false),
            (r"/dev/disk/by-label/a\x20", "ext4", false),
            (r"/dev/disk/by-label/a\x20b", "ext4", true),
            ("UUID=0C7BB7A2-5D47-4B4C-9D6F-6A6A1F1F1F1F", "ext4", false),
            ("UUID=00000000-0000-0000-0000-000000000000", "ext4", false),
            ("UUID=ABCD-1234", "ext4", false),
            ("LABEL=0123456789abcdefg", LUKS, true),
            ("LABEL=", LUKS, false),
            ("UUID=0c7bb7a2-5d47-4b4c-9d6f-6a6a1f1f1f1f", LUKS, true),
            ("LABEL=swap", RANDOM_SWAP, false),
            ("PARTLABEL=swap", RANDOM_SWAP, true),
            ("UUID=0c7bb7a2-5d47-4b4c-9d6f-6a6a1f1f1f1f", "ext4", true),
            ("UUID=0c7bb7a25d474b4c9d6f6a6a1f1f1f1f", "ext4", false),
            ("PARTUUID=12345678-01", "ext4", false),
            ("PARTLABEL=0123456789012345678901234567890123456", "ext4", false),
        ] {
            assert_eq!(tried(spec, &volume(fs_type)).is_ok(), fits, "{spec} {fs_type}");
        }
    }
}
