//! What to do about a device that must not be written: for `calve write` and `calve install` alike.

use calve_installer::survey::Use;
use calve_installer::write::refusal::Refusal;

/// The way out of a refusal.
pub(crate) fn way_out(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Partition { disk, .. } => {
            format!("name the disk, /dev/{disk}, or allow it: --partition")
        }
        Refusal::NoMedium { .. } => "put a medium into it".to_owned(),
        Refusal::Optical { .. } => "burn the image: xorriso -as cdrecord".to_owned(),
        Refusal::Zoned { .. } => "name another disk".to_owned(),
        Refusal::ReadOnly { name } => {
            format!("look for a switch on it, or: blockdev --setrw /dev/{name}")
        }
        Refusal::InUse(used) => {
            let last = used.chain.last().map_or("", String::as_str);
            let last = last.split(' ').next().unwrap_or_default();
            match &used.by {
                Use::System(_) => "name another disk: this one is needed".to_owned(),
                Use::Mounted(path) => format!("umount {}", path.display()),
                Use::Swap(path) => format!("swapoff {}", path.display()),
                Use::Member(_) => "unmount the file system that it belongs to".to_owned(),
                Use::Held if last.starts_with("md") => format!("mdadm --stop /dev/{last}"),
                Use::Held if last.starts_with("loop") => format!("losetup --detach /dev/{last}"),
                Use::Held => {
                    format!("dmsetup remove, cryptsetup close or vgchange -an: /dev/{last}")
                }
            }
        }
        Refusal::TooSmall { .. } => "take a larger one, or a smaller image".to_owned(),
        Refusal::Sector { found, .. } => {
            format!("name another disk, or make an image with sectors of {found} bytes")
        }
    }
}
