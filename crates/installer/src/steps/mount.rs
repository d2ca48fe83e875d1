//! Volumes opened and mounted below the root, as the running system will have them.
//!
//! What the new system keeps nowhere is mounted as it will be: a root without a volume is memory here, too, and
//! directories that it shows in a second place are shown there, so that every file lies where the system looks
//! for it. A step asks first whether it is needed. What is mounted deeper, or shows something that another
//! mount brings, comes after that one.

use calve_image_core::disk::{Fill, LuksFill, Share};
use calve_image_core::inputs::binds::{Bind, Binds};
use calve_image_core::inputs::fstab::{Fstab, in_system};
use calve_image_core::tree::TreePath;

use super::step::{Command, Phase, Step};
use super::{below_root, luks};

/// Mounts a volume that is not mounted there.
const VOLUME: &str = r#"umask 022; mkdir -p "$2"; findmnt --source "$1" --mountpoint "$2" >/dev/null || exec mount "$1" "$2""#;

/// Mounts a part of a volume, or a volume with options.
const SHARE: &str = r#"umask 022; mkdir -p "$2"; findmnt --source "$1" --mountpoint "$2" >/dev/null || exec mount -o "$3" "$1" "$2""#;

/// Mounts memory as the root.
const MEMORY: &str = r#"umask 022; mkdir -p "$1"; mountpoint -q "$1" || exec mount -t tmpfs -o mode=0755 tmpfs "$1""#;

/// Shows a directory in a second place.
const BIND: &str =
    r#"umask 022; mkdir -p "$1" "$2"; mountpoint -q "$2" || exec mount --bind "$1" "$2""#;

/// Swaps to an area. The kernel lists those in use by the name that they were given, or by its own.
const SWAP: &str =
    r#"grep -qs -e "^$(readlink -f "$1") " -e "^$1 " /proc/swaps || exec swapon "$1""#;

/// A partition, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Its name in the table.
    pub name: String,
    /// Where the machine has it: a path that leads to no other.
    pub device: String,
    /// What it holds.
    pub content: Fill,
}

impl Spot {
    /// The LUKS volume in it, and what that is opened as.
    pub(super) fn luks(&self) -> Option<(&str, &LuksFill)> {
        self.content.luks().map(|fill| (fill.mapper(&self.name), fill))
    }

    /// Where what it holds is found once it is open.
    pub(super) fn innermost(&self) -> (String, &Fill) {
        match self.luks() {
            Some((mapper, fill)) => (format!("/dev/mapper/{mapper}"), &fill.content),
            None => (self.device.clone(), &self.content),
        }
    }
}

/// Lists the steps that open and mount what is in partitions that were made before.
pub fn mount(spots: &[Spot], fstab: &Fstab) -> Vec<Step> {
    let luks = spots.iter().filter_map(|spot| Some((spot.luks()?.0, &spot.device)));
    let mut steps: Vec<Step> =
        luks.map(|(mapper, device)| step("open", mapper, luks::open(mapper, device))).collect();
    steps.extend(opened(spots, fstab));
    steps
}

/// Lists the steps that mount what is open.
pub(super) fn opened(spots: &[Spot], fstab: &Fstab) -> Vec<Step> {
    let mut pending = mounts(spots, fstab);
    let mut steps = Vec::new();
    while !pending.is_empty() {
        let is_ready = |mount: &Mount| !pending.iter().any(|other| mount.follows(other));
        // In a circle none is; the running system will not get out of it either.
        let next = pending.iter().position(is_ready).unwrap_or(0);
        steps.push(pending.remove(next).step());
    }
    steps.extend(swaps(spots).map(|(name, device)| {
        step("swap to", name, Command::script(SWAP, "swap", [device.as_str()]))
    }));
    steps
}

/// What the machine swaps to while it is installed, by the partitions' names. Beside encrypted volumes it is none
/// that anybody could read later: passphrases are in memory.
pub(super) fn swaps(spots: &[Spot]) -> impl Iterator<Item = (&str, String)> {
    let is_encrypted = spots.iter().any(|spot| spot.luks().is_some());
    spots.iter().filter_map(move |spot| {
        let (device, content) = spot.innermost();
        let is_swap = matches!(content, Fill::Swap(_));
        (is_swap && (!is_encrypted || spot.luks().is_some())).then_some((&*spot.name, device))
    })
}

/// Something to mount, in the words of the running system.
struct Mount {
    at: TreePath,
    what: What,
}

enum What {
    Volume(String),
    Share { device: String, options: String },
    Memory,
    Bind(TreePath),
}

/// All mounts, in no order yet.
fn mounts(spots: &[Spot], fstab: &Fstab) -> Vec<Mount> {
    let volumes = spots.iter().flat_map(|spot| {
        let (device, content) = spot.innermost();
        let at = |at: &TreePath| Mount { at: at.clone(), what: What::Volume(device.clone()) };
        match content {
            Fill::Foreign(fill) => {
                fill.shares.iter().map(|share| shared(&device, share, fstab)).collect()
            }
            Fill::Empty
            | Fill::Ext4(_)
            | Fill::Vfat(_)
            | Fill::Swap(_)
            | Fill::RandomSwap
            | Fill::Luks(_) => content.mounts().into_iter().map(at).collect::<Vec<_>>(),
        }
    });
    let mut mounts: Vec<Mount> = volumes.collect();
    if !mounts.iter().any(|mount| mount.at.is_root()) {
        mounts.push(Mount { at: TreePath::root(), what: What::Memory });
    }
    for Bind { from, to } in Binds::of(fstab).iter() {
        // What the store holds is not there yet, and nothing is put into it.
        let is_store = from.components().take(2).eq([b"nix".as_slice(), b"store"])
            && from.components().count() > 2;
        let is_taken = mounts.iter().any(|mount| mount.at == *to);
        if !is_store && !is_taken {
            mounts.push(Mount { at: to.clone(), what: What::Bind(from.clone()) });
        }
    }
    mounts
}

/// A part of a file system, as the system mounts it: what is written now is compressed as it says.
fn shared(device: &str, Share { mount, subvolume }: &Share, fstab: &Fstab) -> Mount {
    let mut options: Vec<String> =
        subvolume.iter().map(|subvolume| format!("subvol={subvolume}")).collect();
    let said = fstab.mounts.iter().rfind(|said| in_system(&said.mount_point) == mount.to_string());
    let said = said.into_iter().flat_map(|said| &said.options);
    options.extend(said.filter(|option| option.starts_with("compress")).cloned());
    let device = device.to_owned();
    let what = if options.is_empty() {
        What::Volume(device)
    } else {
        What::Share { device, options: options.join(",") }
    };
    Mount { at: mount.clone(), what }
}

impl Mount {
    /// Whether another has to be there before.
    fn follows(&self, other: &Self) -> bool {
        let needs = |path: &TreePath| other.at.contains(path);
        if self.at == other.at {
            return false;
        }
        match &self.what {
            What::Bind(from) => needs(&self.at) || needs(from),
            What::Volume(_) | What::Share { .. } | What::Memory => needs(&self.at),
        }
    }

    fn step(&self) -> Step {
        let at = below_root(&self.at);
        let command = match &self.what {
            What::Volume(device) => Command::script(VOLUME, "mount", [device.as_str(), &at]),
            What::Share { device, options } => {
                Command::script(SHARE, "mount", [device.as_str(), &at, options])
            }
            What::Memory => Command::script(MEMORY, "mount", [at.as_str()]),
            What::Bind(from) => Command::script(BIND, "bind", [below_root(from).as_str(), &at]),
        };
        step("mount", &self.at.to_string(), command)
    }
}

fn step(verb: &str, what: &str, command: Command) -> Step {
    Step::run(format!("{verb} {what}"), Phase::Mount, vec![command]).volatile()
}
