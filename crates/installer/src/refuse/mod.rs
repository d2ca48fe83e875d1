//! What about a machine forbids an installation, or this one.
//!
//! - `names`: another disk that carries a name which the new system looks for
//! - `machine`: processor, firmware, programs, login
//!
//! Everything comes from the survey, before anything on the machine is changed: a step that fails later leaves a
//! disk that was somebody's. Whether the system fits the disk is the layout's affair
//! (`calve_image_core::formats::disk`), and so is whether its own parts fit together.

mod machine;
mod names;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use calve_image_core::boot::preflight::Adopted;
use calve_image_core::disk::Layout;

use crate::steps::{ROOT, Step};
use crate::survey::uses::{InUse, Use};
use crate::survey::{Disk, Error, Host, Machine, mounts};
use crate::target::Login;
use crate::write::refusal::{self, Allowed};

/// What is to be installed, and where.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The disk.
    pub disk: &'a Disk,
    /// What is made of it, with the names that the system looks for.
    pub layout: &'a Layout,
    /// Those names, by the volumes of pre-flight's offer.
    pub adopted: &'a BTreeMap<usize, Adopted>,
    /// Nix's name of the system's platform: `x86_64-linux`.
    pub platform: &'a str,
    /// The steps that will be done.
    pub steps: &'a [Step],
    /// As whom.
    pub login: Login,
    /// Whether an installation goes on: what it opened and mounted is not in its way.
    pub resumes: bool,
}

/// A reason not to install.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The disk cannot or must not be written.
    #[error(transparent)]
    Disk(refusal::Refusal),
    /// The partition table would count in other sectors than the disk.
    #[error("the layout counts in sectors of {expected} bytes, {name} in sectors of {found}")]
    Sector {
        /// The disk.
        name: String,
        /// What the layout says.
        expected: u64,
        /// What the disk says.
        found: u64,
    },
    /// The new system might take something else for its own.
    #[error(
        "the system looks for the {what} {name:?}, which {device} has, too: expected it on the new disk alone"
    )]
    Clash {
        /// Which kind of name.
        what: &'static str,
        /// The name.
        name: String,
        /// What has it.
        device: String,
    },
    /// Something lies where the new root will be.
    #[error("{source_name} is mounted at {}: expected nothing there, the new system is mounted at {ROOT}", at.display())]
    Root {
        /// What is mounted.
        source_name: String,
        /// Where.
        at: PathBuf,
    },
    /// The system is for other machines.
    #[error("the system is for {expected}, and the machine's processor is {found}")]
    Processor {
        /// The system's platform.
        expected: String,
        /// What the machine has.
        found: String,
    },
    /// The boot loader would not be started.
    #[error("the machine was started by {found}: the system's boot loader expects {expected}")]
    Firmware {
        /// What it takes.
        expected: String,
        /// What the machine has.
        found: String,
    },
    /// Something that is needed is not installed there.
    #[error("the machine has no {name}, which the step {step:?} runs")]
    Program {
        /// Which program.
        name: String,
        /// The first step that needs it.
        step: String,
    },
    /// Nobody may do it.
    #[error(
        "the login is no root's: expected root, or somebody whom sudo makes root without asking"
    )]
    Login,
}

/// Finds all reasons not to install.
///
/// # Errors
/// What the kernel says cannot be read.
pub fn refusals(
    host: &Host,
    machine: &Machine,
    wanted: &Wanted<'_>,
) -> Result<Vec<Refusal>, Error> {
    let mut refusals = machine::refusals(machine, wanted);
    refusals.extend(disk(host, wanted)?);
    refusals.extend(root(host, wanted)?);
    refusals.extend(names::clashes(host, wanted)?);
    Ok(refusals)
}

/// What forbids to write the disk, where it will be written.
fn disk(host: &Host, wanted: &Wanted<'_>) -> Result<Vec<Refusal>, Error> {
    let device = &wanted.disk.device;
    let mut refusals = Vec::new();
    if wanted.steps.iter().any(|step| step.destroys.is_some()) {
        let all = refusal::about(host, device, Allowed::default())?.into_iter();
        let all = all.filter(|refusal| match refusal {
            refusal::Refusal::InUse(by) => !(wanted.resumes && is_ours(by)),
            refusal::Refusal::Partition { .. }
            | refusal::Refusal::NoMedium { .. }
            | refusal::Refusal::Optical { .. }
            | refusal::Refusal::Zoned { .. }
            | refusal::Refusal::ReadOnly { .. }
            | refusal::Refusal::TooSmall { .. }
            | refusal::Refusal::Sector { .. } => true,
        });
        refusals.extend(all.map(Refusal::Disk));
    }
    let expected = wanted.layout.sector.bytes();
    if expected != device.sector {
        let (expected, found) = (expected.get(), device.sector.get());
        refusals.push(Refusal::Sector { name: device.name.clone(), expected, found });
    }
    Ok(refusals)
}

/// Whether a use is one that an interrupted installation leaves behind.
fn is_ours(by: &InUse) -> bool {
    match &by.by {
        Use::System(_) => false,
        Use::Mounted(at) => at.starts_with(ROOT),
        Use::Swap(_) | Use::Member(_) | Use::Held => true,
    }
}

/// What is mounted where the new root will be; the disk's own uses are said with it.
fn root(host: &Host, wanted: &Wanted<'_>) -> Result<Vec<Refusal>, Error> {
    if wanted.resumes {
        return Ok(Vec::new());
    }
    let is_said = |at: &Path| {
        let mut uses = wanted.disk.uses.iter();
        uses.any(|by| matches!(&by.by, Use::Mounted(path) if path == at))
    };
    let mounts = mounts::mounts(host)?.into_iter();
    let there = mounts.filter(|mount| mount.at.starts_with(ROOT) && !is_said(&mount.at));
    // The first says it for those below.
    let there = there.take(1);
    Ok(there.map(|mount| Refusal::Root { source_name: mount.source, at: mount.at }).collect())
}

#[cfg(test)]
mod tests;
