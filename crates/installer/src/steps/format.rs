//! What makes a file system or a swap area: the same as in an image, whatever the machine's programs prefer.
//!
//! Programs have defaults of their own year and distribution. What an image promises to kernels, firmware and
//! boot loaders is said word for word instead: see the writers of the same names in `calve_image_core`.

use calve_image_core::disk::{Foreign, ForeignVolume, Volume};
use calve_image_core::units::Bytes;
use calve_image_core::writers::ext4::Ext4;
use calve_image_core::writers::fat::{Fat, FatKind, Shape};
use calve_image_core::writers::swap::Swap;

use super::step::Command;

/// All features of an ext4, and no other: those of `writers::ext4`.
const EXT4_FEATURES: &str = "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,\
    sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum";

/// Returns the command that makes what a volume holds on its device; none where there is nothing to make.
pub(super) fn format(content: &Volume, device: &str) -> Option<Command> {
    let words = match content {
        Volume::Empty | Volume::RandomSwap | Volume::Luks(_) => return None,
        Volume::Ext4(volume) => ext4(volume),
        Volume::Vfat(volume) => vfat(volume),
        Volume::Swap(volume) => swap(volume),
        Volume::Foreign(volume) => foreign(volume),
    };
    Some(Command::new(words.iter().map(String::as_str).chain([device])))
}

/// Whether its program refuses a device that has the very id that it is to get: an earlier try that was cut off.
pub(super) fn wants_nothing_there(content: &Volume) -> bool {
    matches!(content, Volume::Foreign(ForeignVolume { kind: Foreign::Btrfs, .. }))
}

/// Returns the command that makes the subvolumes of a file system; none where it has none.
pub(super) fn subvolumes(content: &Volume, device: &str) -> Option<Command> {
    let Volume::Foreign(volume) = content else { return None };
    let names: Vec<&str> =
        volume.shares.iter().filter_map(|share| share.subvolume.as_deref()).collect();
    let arguments = [device].into_iter().chain(names.iter().copied());
    (!names.is_empty()).then(|| Command::script(SUBVOLUMES, "subvolumes", arguments))
}

/// Makes subvolumes, with the directories above them.
const SUBVOLUMES: &str = include_str!("subvolumes.sh");

/// Which features it has is its programs' affair: no boot loader reads it.
fn foreign(volume: &ForeignVolume) -> Vec<String> {
    let uuid = volume.uuid.to_string();
    let id = format!("uuid={uuid}");
    let mut words = match volume.kind {
        Foreign::Btrfs => vec!["mkfs.btrfs", "-q", "-f", "-U", &uuid],
        Foreign::Xfs => vec!["mkfs.xfs", "-q", "-f", "-m", &id],
    };
    words.extend(volume.label.iter().flat_map(|label| ["-L", label]));
    owned(words)
}

fn ext4(volume: &Ext4) -> Vec<String> {
    let inode = volume.bytes_per_inode.get().to_string();
    let reserved = volume.reserved_percent.to_string();
    let (uuid, label) = (volume.uuid.to_string(), volume.label.to_string());
    let mut words = vec!["mkfs.ext4", "-q", "-F", "-O", EXT4_FEATURES, "-b", "4096", "-I", "256"];
    words.extend(["-i", &inode, "-m", &reserved, "-U", &uuid]);
    if !label.is_empty() {
        words.extend(["-L", &label]);
    }
    owned(words)
}

fn vfat(volume: &Fat) -> Vec<String> {
    let serial = format!("{:08x}", volume.serial);
    let mut words = vec!["mkfs.vfat", "-i", &serial];
    // A size that makes no FAT was refused with the geometry.
    let shape = Shape::of(volume.size, volume.sector).ok();
    let cluster = shape.map(|shape| per_cluster(shape.cluster, volume.sector.bytes()));
    if let (Some(shape), Some(cluster)) = (shape, &cluster) {
        let kind = match shape.kind {
            FatKind::Fat16 => "16",
            FatKind::Fat32 => "32",
        };
        words.extend(["-F", kind, "-s", cluster]);
    }
    words.extend(volume.label.iter().flat_map(|label| ["-n", label]));
    owned(words)
}

fn per_cluster(cluster: Bytes, sector: Bytes) -> String {
    (cluster.get() / sector.get()).to_string()
}

fn swap(volume: &Swap) -> Vec<String> {
    let uuid = volume.uuid.to_string();
    let mut words = vec!["mkswap", "-U", &uuid];
    words.extend(volume.label.iter().flat_map(|label| ["-L", label]));
    owned(words)
}

fn owned(words: Vec<&str>) -> Vec<String> {
    words.into_iter().map(str::to_owned).collect()
}
