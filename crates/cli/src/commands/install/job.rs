//! What is done to a machine: decided, and held against what it is, before anything is done.
//!
//! The same checks as for images, against the real disk; then what only an installation meets: who uses the
//! disk, which programs the machine has, what other disks call themselves.

use calve_image_core::boot::initrd_secrets::Wanted as Secrets;
use calve_image_core::disk::{DiskSize, Geometry, Layout, LayoutError};
use calve_image_core::formats::disk::{self, Checked, DiskSpec};
use calve_image_core::ids::Ids;
use calve_image_core::inputs::etc_dir::EtcDir;
use calve_image_core::inputs::store_path::StorePath;
use calve_image_core::tree::TreePath;
use calve_image_core::units::SectorSize;
use calve_installer::refuse;
use calve_installer::steps::{
    self, Engine, Existing, Finish, Input as Reads, Phase, Place, Spot, Step,
};
use calve_installer::survey::{Device, Disk};

use super::disk_arg::MAIN;
use super::reached::Reached;
use super::{Session, chosen, host_keys, refused};
use crate::blueprint::{Blueprint, Subject};
use crate::failure::{Failure, Kind};
use crate::findings;
use crate::secrets::initrd::Given;
use crate::secrets::luks_args::Wanted as Keys;

/// The disk of the machine, and where its new ids come from.
#[derive(Debug)]
pub(super) struct Site<'a> {
    pub(super) disk: &'a Disk,
    pub(super) ids: Ids,
    /// Whether an installation goes on there.
    pub(super) resumes: bool,
}

/// A system, and what is brought along for it.
#[derive(Clone, Copy)]
pub(super) struct Load<'a> {
    pub(super) blueprint: &'a Blueprint,
    pub(super) subject: &'a Subject,
    pub(super) given: &'a Given,
}

/// Everything decided.
pub(super) struct Job<'a> {
    pub(super) load: Load<'a>,
    pub(super) site: &'a Site<'a>,
    /// How the disk is named in commands.
    pub(super) device: String,
    /// What becomes of the disk; none where it stays as it is.
    pub(super) geometry: Option<Geometry>,
    /// All steps, whichever phases are asked for.
    pub(super) steps: Vec<Step>,
    /// The keys of the encrypted volumes; none where no step that is asked for reads one.
    pub(super) keys: Vec<Keys>,
    pub(super) etc: EtcDir,
    /// Whether it has encrypted volumes.
    pub(super) is_encrypted: bool,
    /// Whether the system has an SSH server.
    pub(super) has_server: bool,
    /// Where its private host key lies while it is installed; none where nobody knows.
    pub(super) host_key_file: Option<String>,
    /// The same of its initrd's, where it is unlocked over SSH.
    pub(super) initrd_key_file: Option<String>,
}

impl<'a> Job<'a> {
    /// Decides, and refuses what cannot be done.
    pub(super) fn new(
        session: &Session<'_>,
        reached: &Reached,
        site: &'a Site<'a>,
        load: Load<'a>,
    ) -> Result<Self, Failure> {
        let Session { wanted, terminal, .. } = *session;
        let Load { blueprint, subject, given } = load;
        let input = subject.input();
        let device = &site.disk.device;
        let spec = blueprint.spec(subject);
        let sector = SectorSize::from_bytes(device.sector).ok_or_else(|| {
            let message = format!("{} has sectors of {}", device.name, device.sector);
            Failure::new(Kind::Refused, message).hint("sectors have 512 or 4096 bytes")
        })?;
        let layout = Layout { sector, size: DiskSize::Fixed(device.size), ..spec.layout };
        let spec = DiskSpec { layout, ids: &site.ids, initrd_secrets: &given.secrets, ..spec };
        let checked = disk::check(&spec, input).map_err(|error| roomless(error, device))?;
        findings::warn(&checked.report.findings, findings::Side::Layout, terminal);
        let makes = wanted.does(Phase::Partition);
        let geometry = makes.then(|| checked.geometry(&spec, input)).transpose();
        let geometry = geometry.map_err(|error| roomless(error, device))?;
        let named = chosen::title(site.disk);
        let fstab = &input.system.main.fstab;
        let (mut steps, spots) = match &geometry {
            Some(geometry) => {
                let old: Vec<String> =
                    device.partitions.iter().map(|part| part.name.clone()).collect();
                let layout = &checked.layout;
                let place =
                    Place { name: MAIN, layout, geometry, device: &named, old: &old, fstab };
                (steps::disk(&place), place.spots())
            }
            None => existing(reached, site.disk, &checked.layout)
                .map(|spots| (steps::mount(&spots, fstab), spots))?,
        };
        let mut job = Self {
            load,
            site,
            device: named,
            steps: Vec::new(),
            keys: Vec::new(),
            etc: disk::etc(input).map_err(disk::Error::from)?,
            is_encrypted: false,
            has_server: host_keys::has_server(input)?,
            host_key_file: None,
            initrd_key_file: None,
            geometry,
        };
        steps.push(steps::copy());
        steps.extend(job.finish(session, reached, &checked.layout.mounts())?);
        steps.extend(steps::restart(&spots));
        job.steps = steps;
        let locks = checked.locks(&spec);
        job.is_encrypted = !locks.is_empty();
        let keys = wanted.luks.assign(&locks, wanted.dry_run || !job.reads_keys(session))?;
        job.keys = if job.reads_keys(session) { keys } else { Vec::new() };
        job.refuse(session, reached, &checked)?;
        Ok(job)
    }

    /// The steps from a closure that is there to a system that starts.
    fn finish(
        &mut self,
        session: &Session<'_>,
        reached: &Reached,
        mounts: &[TreePath],
    ) -> Result<Vec<Step>, Failure> {
        let wanted = session.wanted;
        let input = self.load.subject.input();
        let secrets = Secrets::read(input.store, input.system)
            .map_err(|error| Failure::new(Kind::Failed, error))?;
        let secrets: Vec<_> = secrets.all().cloned().collect();
        let finish = Finish {
            toplevel: self.toplevel(),
            engine: Engine::of(&reached.machine),
            etc: self.etc,
            fstab: &input.system.main.fstab,
            mounts,
            host_key: self.host_key(&wanted.host_key, mounts)?,
            extra_files: wanted.extra_files.len(),
            chown: &wanted.chown,
            initrd_secrets: &secrets,
        };
        let steps = steps::install(&finish).map_err(|error| Failure::new(Kind::Refused, error))?;
        self.initrd_key_file = self.initrd_key(&secrets)?;
        Ok(steps)
    }

    /// Whether a step that is asked for reads a passphrase.
    fn reads_keys(&self, session: &Session<'_>) -> bool {
        let asked = self.steps.iter().filter(|step| session.wanted.does(step.phase));
        asked.flat_map(Step::commands).any(|command| match &command.input {
            Reads::Passphrase { .. } | Reads::Both { .. } => true,
            Reads::Nothing | Reads::Text(_) | Reads::Secret(_) | Reads::Files(_) => false,
        })
    }

    /// Holds it against the machine.
    fn refuse(
        &self,
        session: &Session<'_>,
        reached: &Reached,
        checked: &Checked,
    ) -> Result<(), Failure> {
        let input = self.load.subject.input();
        let asked: Vec<Step> = self.asked(session).cloned().collect();
        let wanted = refuse::Wanted {
            disk: self.site.disk,
            layout: &checked.layout,
            adopted: &checked.report.adopted,
            platform: &input.system.main.platform,
            steps: &asked,
            login: reached.target().login(),
            resumes: self.site.resumes,
        };
        let refusals = refuse::refusals(&reached.host(), &reached.machine, &wanted)?;
        if refusals.is_empty() { Ok(()) } else { Err(refused::refused(reached, &refusals)) }
    }

    /// The steps of the phases that are asked for.
    pub(super) fn asked<'s>(
        &'s self,
        session: &'s Session<'_>,
    ) -> impl Iterator<Item = &'s Step> + 's {
        self.steps.iter().filter(|step| session.wanted.does(step.phase))
    }

    /// The system.
    pub(super) fn toplevel(&self) -> &'a StorePath {
        &self.load.subject.input().system.main.toplevel
    }
}

/// A disk that is too small is the machine's affair, and not the profile's alone.
fn roomless(error: disk::Error, device: &Device) -> Failure {
    let is_small = matches!(&error, disk::Error::Layout(LayoutError::Room { .. }));
    if !is_small {
        return error.into();
    }
    let hint = format!(
        "{} has {}: take a larger disk, a profile with less on it, or a smaller system",
        device.name, device.size
    );
    Failure::new(Kind::Refused, error).hint(hint)
}

/// The partitions of an installation that is there.
fn existing(reached: &Reached, disk: &Disk, layout: &Layout) -> Result<Vec<Spot>, Failure> {
    let parts = steps::parts(&reached.host(), &disk.device);
    Existing { layout, parts: &parts }.spots().map_err(|error| {
        Failure::new(Kind::Refused, error).hint(
            "without the phase partition nothing is wiped, so the disk has to be one of this profile",
        )
    })
}
