//! `[main=]DEVICE`: which disk of the machine is which of the layout's.

use std::str::FromStr;

/// What a layout calls its disk. There is one so far; its name is typed so that more can come.
pub(super) const MAIN: &str = "main";

/// A disk of the machine, as it is typed: a path below `/dev`, or the kernel's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DiskArg(pub(super) String);

impl FromStr for DiskArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A path may hold an equals sign; the name of a disk holds no slash.
        let device = match text.split_once('=') {
            Some((name, device)) if !name.contains('/') => {
                if name != MAIN {
                    return Err(format!(
                        "expected {MAIN}=DEVICE: systems are installed on one disk so far, found {name:?}"
                    ));
                }
                device
            }
            Some(_) | None => text,
        };
        if device.is_empty() || device.chars().any(char::is_control) {
            return Err(format!("expected [{MAIN}=]DEVICE, such as /dev/disk/by-id/…"));
        }
        Ok(Self(device.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_its_name_and_without() {
        for text in ["main=/dev/sda", "/dev/sda"] {
            assert_eq!(text.parse(), Ok(DiskArg("/dev/sda".to_owned())), "{text}");
        }
        let odd = "/dev/disk/by-id/usb-a=b";
        assert_eq!(odd.parse(), Ok(DiskArg(odd.to_owned())));
        for text in ["", "main=", "data=/dev/sdb", "a\nb"] {
            assert!(text.parse::<DiskArg>().is_err(), "{text}");
        }
    }
}
