//! `crypttab`: which encrypted volumes stage 1 unlocks, and under which name each then appears.
//!
//! An initrd with systemd has this file; the scripted stage 1 names its volumes in its own script.
//! Follows crypttab(5).

use serde::Serialize;

use super::device_spec::DeviceSpec;
pub use super::table::Error;
use super::table::{Row, rows};

/// One volume to unlock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// The name below `/dev/mapper`.
    pub name: String,
    /// The encrypted device.
    pub device: DeviceSpec,
    /// The file that holds the key; without one the passphrase is asked for.
    pub key_file: Option<String>,
    /// The options, split at commas.
    pub options: Vec<String>,
    /// The line, counted from 1.
    pub line: usize,
}

impl Volume {
    /// Whether the boot goes on without it.
    pub fn is_optional(&self) -> bool {
        self.options.iter().any(|option| matches!(option.as_str(), "nofail" | "noauto"))
    }

    /// Whether it is swapped to with a key made at each start.
    pub fn is_random_swap(&self) -> bool {
        self.options.iter().any(|option| option == "swap")
    }

    /// The option that makes it something else than a LUKS volume with its header in front.
    pub fn odd_option(&self) -> Option<&str> {
        let is_odd = |option: &&str| {
            matches!(*option, "plain" | "swap" | "tmp" | "tcrypt" | "bitlk")
                || option.starts_with("tmp=")
                || option.starts_with("header=")
        };
        self.options.iter().map(String::as_str).find(is_odd)
    }
}

/// Reads the text; `file` is how errors call it.
pub fn parse(text: &str, file: &str) -> Result<Vec<Volume>, Error> {
    rows(text).map(|row| volume(row, file)).collect()
}

fn volume(mut row: Row<'_>, file: &str) -> Result<Volume, Error> {
    let (Some(name), Some(device)) = (row.field(), row.field()) else {
        return Err(row.short(file, "a name and a device"));
    };
    Ok(Volume {
        name,
        device: DeviceSpec::parse(&device),
        key_file: row.field().filter(|key| !matches!(key.as_str(), "-" | "none")),
        options: row.options(),
        line: row.line,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn volumes() {
        let text = "# by NixOS\ncryptroot /dev/disk/by-partlabel/cryptroot - discard,tpm2-device=auto\n\
                    data UUID=1-2 /key\nswap PARTUUID=3 none\n";
        let volumes = parse(text, "crypttab").unwrap();
        assert_eq!(volumes[0].device, DeviceSpec::PartLabel("cryptroot".to_owned()));
        assert_eq!(volumes[0].key_file, None);
        assert_eq!(volumes[0].options, ["discard", "tpm2-device=auto"]);
        assert_eq!(volumes[1].key_file.as_deref(), Some("/key"));
        let odd =
            parse("a LABEL=b - header=/h\nc LABEL=d /dev/urandom swap,discard\n", "x").unwrap();
        assert_eq!((odd[0].odd_option(), odd[0].is_random_swap()), (Some("header=/h"), false));
        assert_eq!((odd[1].odd_option(), odd[1].is_random_swap()), (Some("swap"), true));
        assert_eq!((volumes[0].odd_option(), volumes[0].is_random_swap()), (None, false));
        assert_eq!((volumes[2].key_file.as_ref(), volumes[2].line), (None, 4));
        let found = parse("alone\n", "crypttab").unwrap_err().to_string();
        assert_eq!(found, "crypttab line 1: expected a name and a device, found \"alone\"");
    }
}
