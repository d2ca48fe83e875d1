//! The disk that the arguments ask for, in the library's words.
//!
//! `build disk`, `check` and `show` ask for the same disk in the same way, so that what one of them
//! says holds for the others. The environment is read here: `SOURCE_DATE_EPOCH` and nothing else.

use std::collections::BTreeSet;

use calve_image_core::boot::initrd_secrets::{Secret, Wanted};
use calve_image_core::boot::preflight::Target;
use calve_image_core::disk::Keyslots;
use calve_image_core::epoch::Epoch;
use calve_image_core::formats::{Input, disk::DiskSpec};
use calve_image_core::ids::Ids;
use calve_image_core::inputs::overlay::{Overlay, Rule};
use calve_image_core::inputs::secret_appender::Origin;
use calve_image_core::units::Bytes;

use crate::failure::Failure;
use crate::profile::{DiskSize, Named};
use crate::system::{self, Found};

/// The variable that reproducible builds take their time from (reproducible-builds.org).
const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";

/// What disk to make of a system.
#[derive(Debug)]
pub(crate) struct Blueprint {
    pub(crate) profile: Named,
    pub(crate) size: DiskSize,
    pub(crate) overlays: Vec<Overlay>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) seed: Option<String>,
    pub(crate) target: Target,
    pub(crate) keyslots: Keyslots,
    pub(crate) epoch: Epoch,
}

/// A system read, with the ids that its disk will have.
#[derive(Debug)]
pub(crate) struct Subject {
    system: system::Subject,
    ids: Ids,
    /// The secrets that its initrds want, whatever they will be: enough to know that a disk can be made.
    pub(crate) secrets: Vec<Secret>,
}

impl Blueprint {
    /// The disk that a profile describes, with nothing added.
    pub(crate) fn new(profile: Named) -> Result<Self, Failure> {
        Ok(Self {
            size: profile.profile.disk.size,
            profile,
            overlays: Vec::new(),
            rules: Vec::new(),
            seed: None,
            target: Target::Any,
            keyslots: Keyslots::default(),
            epoch: epoch()?,
        })
    }

    /// Reads a system, and derives the ids of this disk of it.
    pub(crate) fn subject(&self, found: Found) -> Result<Subject, Failure> {
        let system = system::Subject::read(found)?;
        // What the profile means counts, not how it is written down.
        let profile = serde_json::to_vec(&self.profile.profile).map_err(Failure::internal)?;
        let toplevel = system.found.toplevel.to_string();
        let seed = self.seed.as_deref().unwrap_or_default();
        let ids = Ids::from_parts(&[&profile, toplevel.as_bytes(), seed.as_bytes()]);
        let secrets = wanted(system.input());
        Ok(Subject { system, ids, secrets })
    }

    /// The disk in the library's words.
    pub(crate) fn spec<'a>(&'a self, subject: &'a Subject) -> DiskSpec<'a> {
        DiskSpec {
            layout: self.profile.profile.layout(self.size),
            boot: self.profile.profile.boot_options(),
            overlays: &self.overlays,
            rules: &self.rules,
            initrd_secrets: &subject.secrets,
            ids: &subject.ids,
            epoch: self.epoch,
            target: self.target,
            keyslots: &self.keyslots,
        }
    }
}

impl Subject {
    /// The system in the library's words.
    pub(crate) fn input(&self) -> Input<'_> {
        self.system.input()
    }
}

/// The secrets that somebody has to bring; none where a script cannot be read, which pre-flight says.
fn wanted(input: Input<'_>) -> Vec<Secret> {
    let Ok(wanted) = Wanted::read(input.store, input.system) else { return Vec::new() };
    let brought = wanted.all().filter(|appended| matches!(appended.origin, Origin::File(_)));
    let dests: BTreeSet<_> = brought.map(|appended| appended.dest.clone()).collect();
    dests.into_iter().map(|dest| Secret { dest, len: Bytes::ZERO }).collect()
}

/// The time of everything that is not the store's.
pub(crate) fn epoch() -> Result<Epoch, Failure> {
    let Some(text) = std::env::var_os(SOURCE_DATE_EPOCH).filter(|text| !text.is_empty()) else {
        return Ok(Epoch::default());
    };
    let seconds = text.to_str().and_then(|text| text.parse().ok());
    seconds.map(Epoch::new).ok_or_else(|| {
        Failure::usage(format!(
            "{SOURCE_DATE_EPOCH} is {text:?}: expected seconds since 1970, up to {}",
            u32::MAX
        ))
    })
}
