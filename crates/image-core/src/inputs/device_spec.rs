//! How an fstab or crypttab names a block device, told apart by what an image can promise.
//!
//! Labels, UUIDs and names of partitions are bytes that calve itself writes, so they can be adopted;
//! mapper names follow from crypttab. Any other path below `/dev` depends on the machine. Links of
//! `/dev/disk/by-*` carry udev's escapes (`\x20` for a space), tags (`LABEL=`) may be quoted.
//!
//! Follows fstab(5), systemd's `fstab_node_to_udev_node` and udev's `encode_devnode_name`.

use std::fmt;

use serde::Serialize;

/// A device, by the way it is named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case", tag = "by", content = "name")]
pub enum DeviceSpec {
    /// The label of a file system or swap area.
    Label(String),
    /// The UUID of a file system or swap area; of vfat the serial number, `ABCD-1234`.
    Uuid(String),
    /// The name of a GPT partition.
    PartLabel(String),
    /// The unique GUID of a GPT partition.
    PartUuid(String),
    /// A device-mapper name: LUKS, LVM.
    Mapper(String),
    /// Any other path below `/dev`, which depends on the machine.
    Path(String),
    /// No device: `tmpfs`, `none`, an overlay, a network share.
    Virtual(String),
    /// A file or directory of a file system mounted earlier.
    File(String),
}

impl DeviceSpec {
    /// Tells a device by the first field of an fstab line or the second of a crypttab line.
    pub fn parse(text: &str) -> Self {
        for (tag, link, kind) in FORMS {
            if let Some(value) = text.strip_prefix(tag) {
                return kind(unquote(value).to_owned());
            }
            if let Some(value) = text.strip_prefix(link) {
                return kind(udev_unescape(value));
            }
        }
        if let Some(name) = text.strip_prefix("/dev/mapper/") {
            return Self::Mapper(name.to_owned());
        }
        if text.starts_with("/dev/") {
            return Self::Path(text.to_owned());
        }
        // `//server/share` is a network file system, not a file.
        if text.starts_with('/') && !text.starts_with("//") {
            return Self::File(text.to_owned());
        }
        Self::Virtual(text.to_owned())
    }
}

/// A tag, the directory of links that means the same, and the kind of name both give.
type Form = (&'static str, &'static str, fn(String) -> DeviceSpec);

const FORMS: [Form; 4] = [
    ("LABEL=", "/dev/disk/by-label/", DeviceSpec::Label),
    ("UUID=", "/dev/disk/by-uuid/", DeviceSpec::Uuid),
    ("PARTLABEL=", "/dev/disk/by-partlabel/", DeviceSpec::PartLabel),
    ("PARTUUID=", "/dev/disk/by-partuuid/", DeviceSpec::PartUuid),
];

impl fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(name) => write!(f, "label {name:?}"),
            Self::Uuid(name) => write!(f, "uuid {name}"),
            Self::PartLabel(name) => write!(f, "partition label {name:?}"),
            Self::PartUuid(name) => write!(f, "partition uuid {name}"),
            Self::Mapper(name) => write!(f, "/dev/mapper/{name}"),
            Self::Path(path) | Self::File(path) => f.write_str(path),
            Self::Virtual(name) => write!(f, "no device ({name})"),
        }
    }
}

fn unquote(text: &str) -> &str {
    ['"', '\'']
        .into_iter()
        .find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(text)
}

/// Undoes udev's escapes; what is no escape stays.
fn udev_unescape(text: &str) -> String {
    unescape(text, "\\x", 2, 16)
}

/// Undoes fstab's octal escapes (`\040`); what is no escape stays.
pub(super) fn octal_unescape(text: &str) -> String {
    unescape(text, "\\", 3, 8)
}

/// Replaces each `prefix` + `digits` by the byte it stands for.
fn unescape(text: &str, prefix: &str, digits: usize, radix: u32) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(prefix) {
        let number = rest.get(at + prefix.len()..at + prefix.len() + digits);
        let all_digits = |n: &&str| n.chars().all(|c| c.is_digit(radix));
        let byte = number.filter(all_digits).and_then(|n| u8::from_str_radix(n, radix).ok());
        let (kept, end) = match byte {
            Some(_) => (at, at + prefix.len() + digits),
            None => (at + prefix.len(), at + prefix.len()),
        };
        bytes.extend_from_slice(&rest.as_bytes()[..kept]);
        bytes.extend(byte);
        rest = &rest[end..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form() {
        use DeviceSpec as D;
        let text = str::to_owned;
        for (spec, expected) in [
            ("/dev/disk/by-label/nixos", D::Label(text("nixos"))),
            (r"/dev/disk/by-label/my\x20root\x2f1", D::Label(text("my root/1"))),
            ("LABEL=nixos", D::Label(text("nixos"))),
            ("LABEL=\"my root\"", D::Label(text("my root"))),
            ("UUID=ABCD-1234", D::Uuid(text("ABCD-1234"))),
            ("/dev/disk/by-uuid/ABCD-1234", D::Uuid(text("ABCD-1234"))),
            ("PARTLABEL=root", D::PartLabel(text("root"))),
            ("/dev/disk/by-partlabel/disk-main-ESP", D::PartLabel(text("disk-main-ESP"))),
            ("PARTUUID=1-2", D::PartUuid(text("1-2"))),
            ("/dev/disk/by-partuuid/1-2", D::PartUuid(text("1-2"))),
            ("/dev/mapper/cryptroot", D::Mapper(text("cryptroot"))),
            ("/dev/sda1", D::Path(text("/dev/sda1"))),
            ("/dev/disk/by-id/ata-x", D::Path(text("/dev/disk/by-id/ata-x"))),
            ("/dev/vg/root", D::Path(text("/dev/vg/root"))),
            ("/iso/nix-store.squashfs", D::File(text("/iso/nix-store.squashfs"))),
            ("tmpfs", D::Virtual(text("tmpfs"))),
            ("server:/export", D::Virtual(text("server:/export"))),
            ("//server/share", D::Virtual(text("//server/share"))),
        ] {
            assert_eq!(DeviceSpec::parse(spec), expected, "{spec}");
        }
    }

    #[test]
    fn escapes() {
        assert_eq!(octal_unescape(r"a\040b\134x20\9\04"), r"a b\x20\9\04");
        assert_eq!(octal_unescape(r"\777\303\244\"), "\\777ä\\");
        assert_eq!(udev_unescape(r"\x2\x20\xzz\x"), r"\x2 \xzz\x");
    }

    proptest! {
        #[test]
        fn any_text_has_a_kind(text in "\\PC{0,40}") {
            let _ = DeviceSpec::parse(&text);
            let _ = octal_unescape(&text);
        }
    }
}
