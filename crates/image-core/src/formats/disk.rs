//! A GPT disk that boots: an ESP with systemd-boot and kernels, and volumes that hold the system.
//!
//! [`check`] holds the closure against the layout and is all that `calve check` does; [`plan`] goes on
//! from there to bytes. Both decide everything before anything is written.

use crate::boot::esp;
use crate::boot::initrd_secrets::{self, KeepError, Place, Secret, Wanted};
use crate::boot::preflight::{self, Offer, Report, Target};
use crate::boot::systemd_boot::{self, Wishes};
use crate::disk::{
    self, Architecture, Geometry, Given, Keyslots, Layout, LayoutError, Lock, PartitionKind,
};
use crate::epoch::Epoch;
use crate::formats::Input;
use crate::formats::fill::{Fill, FillError};
use crate::formats::fit::{self, NameError};
use crate::ids::Ids;
use crate::inputs::binds::Binds;
use crate::inputs::etc_dir::EtcDir;
use crate::inputs::overlay::{Overlay, Rule};
use crate::inputs::stage1::{self, Stage1};
use crate::plan::Plan;
use crate::tree::{Entry, Node, Tree, TreePath};

/// What disk to make of a system.
#[derive(Clone, Debug)]
pub struct DiskSpec<'a> {
    /// The disk, as the profile describes it.
    pub layout: Layout,
    /// How the boot menu behaves, where that differs from what the closure says.
    pub boot: systemd_boot::Options,
    /// Directories of the host whose files go into the image.
    pub overlays: &'a [Overlay],
    /// What those files' owners and modes are, where the host cannot say.
    pub rules: &'a [Rule],
    /// The secrets that somebody brings for initrds.
    pub initrd_secrets: &'a [Secret],
    /// Where ids come from that neither layout nor closure fixes.
    pub ids: &'a Ids,
    /// The time of everything that is not the store's.
    pub epoch: Epoch,
    /// The machine that the disk is for.
    pub target: Target,
    /// How many passphrases open each LUKS volume.
    pub keyslots: &'a Keyslots,
}

/// A system that fits a layout.
#[derive(Debug)]
pub struct Checked {
    /// The layout with the closure's names in it.
    pub layout: Layout,
    /// What pre-flight found; warnings only.
    pub report: Report,
    esp: Vec<(TreePath, Entry)>,
}

/// A disk decided to the last byte.
#[derive(Debug)]
pub struct Disk {
    /// The bytes.
    pub plan: Plan,
    /// The partitions.
    pub geometry: Geometry,
    /// What pre-flight found; warnings only.
    pub report: Report,
    /// How many files, directories and links the volumes hold.
    pub entries: usize,
}

/// Why no disk can be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The closure would not boot from this layout.
    #[error("this system would not boot from this layout")]
    Refused(Report),
    /// The layout has no ESP, or one without a mount point.
    #[error("the layout has no EFI system partition with a vfat file system; add one of type esp")]
    NoEsp,
    /// The platform is none that partitions have types for.
    #[error("the system is for {platform:?}: expected a Linux platform such as x86_64-linux")]
    Platform {
        /// As Nix names it.
        platform: String,
    },
    /// The boot loader's files cannot be made.
    #[error(transparent)]
    Loader(#[from] systemd_boot::Error),
    /// The boot loader's files cannot be reached.
    #[error(transparent)]
    Esp(#[from] esp::Error),
    /// The initrd cannot be read.
    #[error(transparent)]
    Stage1(#[from] stage1::Error),
    /// A name of the closure is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The store, Nix' state or the user's files cannot be laid out.
    #[error(transparent)]
    Fill(#[from] FillError),
    /// A file would be on no volume, because the running system makes its root anew at each boot.
    #[error("{path} lies on no volume of the layout; its root is not kept on the disk")]
    Homeless {
        /// The file.
        path: TreePath,
    },
    /// A secret cannot be kept where the running system looks for it.
    #[error(transparent)]
    Secrets(#[from] KeepError),
    /// The volumes have no room, or are no volumes.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

/// Holds the system against the layout, and takes over the names that it looks for.
///
/// # Errors
/// [`Error::Refused`] with all findings, or what cannot be read.
pub fn check(spec: &DiskSpec<'_>, input: Input<'_>) -> Result<Checked, Error> {
    spec.layout.check().map_err(LayoutError::from)?;
    // What refuses the boot loader is a finding; what then cannot be planned follows from it.
    let wishes = Wishes { options: &spec.boot, secrets: spec.initrd_secrets, epoch: spec.epoch };
    let esp = systemd_boot::plan(input.store, input.system, wishes)
        .map_err(Error::from)
        .and_then(|files| Ok(esp::entries(input.store, &files, spec.epoch)?));
    let room = esp.as_ref().ok().map(|entries| esp::room(entries));
    let secrets = spec.initrd_secrets.iter().map(|secret| secret.dest.clone()).collect();
    let offer = Offer { secrets, ..fit::offer(&spec.layout, room, spec.target) };
    let report = preflight::check(input.store, input.system, input.closure, &offer)?;
    if report.is_refused() {
        return Err(Error::Refused(report));
    }
    let esp = esp?;
    let layout = fit::adopt(&spec.layout, &report, esp::room(&esp))?;
    Ok(Checked { layout, report, esp })
}

/// Plans a bootable GPT disk.
///
/// # Errors
/// See [`Error`].
pub fn plan(spec: &DiskSpec<'_>, input: Input<'_>) -> Result<Disk, Error> {
    check(spec, input)?.plan(spec, input)
}

impl Checked {
    /// Lists the LUKS volumes. Their keys can be made before the disk is planned: deriving them takes
    /// memory, and so does a plan.
    pub fn locks(&self, spec: &DiskSpec<'_>) -> Vec<Lock> {
        self.layout.locks(spec.ids, spec.keyslots)
    }

    /// Decides the disk and none of its bytes: what an installation does with the target's own tools.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn geometry(&self, spec: &DiskSpec<'_>, input: Input<'_>) -> Result<Geometry, Error> {
        let Resolved { mut geometry, trees, .. } = self.resolve(spec, input)?;
        let mut trees = trees.iter();
        for partition in &mut geometry.partitions {
            partition.content.spread(&mut trees);
        }
        Ok(geometry)
    }

    /// Plans the disk.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn plan(self, spec: &DiskSpec<'_>, input: Input<'_>) -> Result<Disk, Error> {
        let Resolved { geometry, trees, entries } = self.resolve(spec, input)?;
        let plan = disk::plan(&geometry, &trees)?;
        Ok(Disk { plan, geometry, report: self.report, entries })
    }

    fn resolve(&self, spec: &DiskSpec<'_>, input: Input<'_>) -> Result<Resolved, Error> {
        let layout = &self.layout;
        let tree = tree(spec, input, layout, &self.esp)?;
        // Where the running system sees a file is not always where it lies.
        let binds = Binds::of(&input.system.main.fstab);
        let tree = binds.moved(tree, &layout.mounts(), spec.epoch).map_err(FillError::from)?;
        refuse_homeless(&tree, layout)?;
        let trees = tree.split(&layout.mounts(), spec.epoch).map_err(FillError::from)?;
        let platform = &input.system.main.platform;
        let architecture = Architecture::of_platform(platform)
            .ok_or_else(|| Error::Platform { platform: platform.clone() })?;
        let DiskSpec { ids, epoch, keyslots, .. } = *spec;
        let given = Given { trees: &trees, ids, epoch, architecture, keyslots };
        let geometry = layout.resolve(&given)?;
        Ok(Resolved { geometry, trees, entries: tree.size() })
    }
}

/// A disk decided, and what its volumes hold.
struct Resolved {
    geometry: Geometry,
    trees: Vec<Tree>,
    entries: usize,
}

/// All files of the disk, whatever volume they end up on.
fn tree(
    spec: &DiskSpec<'_>,
    input: Input<'_>,
    layout: &Layout,
    esp: &[(TreePath, Entry)],
) -> Result<Tree, Error> {
    let mount = layout.partitions.iter().find(|partition| partition.kind == PartitionKind::Esp);
    let mount = mount.and_then(|esp| esp.content.mount()).ok_or(Error::NoEsp)?;
    let (etc, mount_points) = (etc(input)?, layout.mounts());
    let fill = Fill {
        overlays: spec.overlays,
        rules: spec.rules,
        epoch: spec.epoch,
        etc,
        registration: false,
        mount_points: &mount_points,
    };
    let place = Place { etc, mount_points: &mount_points, epoch: spec.epoch };
    fill.tree(input, |tree| {
        let layer = tree.layer("the boot loader");
        for (path, entry) in esp {
            tree.add(layer, mount.join(path), entry.clone());
        }
        let wanted = Wanted::read(input.store, input.system).map_err(systemd_boot::Error::from)?;
        Ok(initrd_secrets::keep(tree, &wanted, spec.initrd_secrets, place)?)
    })
}

/// Without a root volume only what calve itself puts there may be missing: `/etc/NIXOS`, which
/// activation makes again, and directories.
fn refuse_homeless(tree: &Tree, layout: &Layout) -> Result<(), Error> {
    let mounts = layout.mounts();
    if mounts.iter().any(TreePath::is_root) {
        return Ok(());
    }
    let mut paths = tree.iter().filter(|node| !node.is_directory()).map(Node::path);
    let is_homeless = |path: &TreePath| {
        path.relative() != b"etc/NIXOS" && !mounts.iter().any(|mount| mount.contains(path))
    };
    match paths.find(is_homeless) {
        Some(path) => Err(Error::Homeless { path }),
        None => Ok(()),
    }
}

/// Finds out what `/etc` will be: where it is an overlay, the first stage tells which kind.
///
/// # Errors
/// The initrd cannot be read.
pub fn etc(input: Input<'_>) -> Result<EtcDir, stage1::Error> {
    let system = &input.system.main;
    let initrd = system.bootspec.as_ref().and_then(|spec| spec.initrd.as_ref());
    match initrd {
        Some(initrd) if system.etc_overlay => {
            let writable = Stage1::read(input.store, initrd)?.writable_etc;
            Ok(if writable { EtcDir::MutableOverlay } else { EtcDir::ImmutableOverlay })
        }
        Some(_) | None => Ok(EtcDir::Plain),
    }
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
