//! What was done, or would be, as data.

use std::path::Path;
use std::time::Duration;

use calve_image_core::report::DiskReport;
use calve_installer::copy::{Copied, Source};
use calve_installer::host_key::PublicKey;
use calve_installer::steps::{Phase, Step};
use calve_installer::target::Login;
use calve_installer::verify::Verified;
use serde::Serialize;

use super::Session;
use super::desk::size;
use super::job::Job;
use super::reached::Reached;
use crate::device::DeviceReport;
use crate::system::counted;

/// An installation; sizes are in bytes, times in seconds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    host: String,
    /// `root`, `sudo` or `user`.
    login: &'static str,
    system: SystemReport,
    profile: String,
    device: DeviceReport,
    /// The disk as it will be; none where nothing is made of it.
    layout: Option<DiskReport>,
    dry_run: bool,
    resumed: bool,
    phases: Vec<&'static str>,
    steps: Vec<StepReport>,
    pub(super) copied: Option<Copy>,
    /// The installed system's SSH host key, where it is known before it starts.
    pub(super) host_key: Option<String>,
    /// That of its initrd, where it is unlocked over SSH.
    pub(super) initrd_key: Option<String>,
    verified: Option<VerifiedReport>,
    pub(super) journal: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SystemReport {
    toplevel: String,
    paths: usize,
    nar_size: u64,
}

#[derive(Debug, Serialize)]
struct StepReport {
    name: String,
    phase: &'static str,
    /// The disk of which it destroys something.
    destroys: Option<String>,
    /// `done`, or `had` where the journal had it; none where it was not done.
    outcome: Option<&'static str>,
    seconds: Option<f64>,
    /// In a dry run only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    commands: Vec<CommandReport>,
}

#[derive(Debug, Serialize)]
struct CommandReport {
    line: String,
    /// What it reads, never the bytes of a secret.
    reads: String,
}

/// A closure that was copied.
#[derive(Debug, Serialize)]
pub(super) struct Copy {
    /// `calve`, `nix` or `store`.
    way: &'static str,
    paths: u64,
    bytes: u64,
    /// Paths that were there, or that the machine got by itself.
    there: u64,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct VerifiedReport {
    /// From the restart until it answered.
    reach: f64,
    /// From then until all of it was up and healthy.
    settle: f64,
    state: String,
}

/// What came of a step.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome {
    /// It was done before.
    Had,
    /// It was done, in this time.
    Done(Duration),
}

impl Report {
    pub(super) fn new(session: &Session<'_>, reached: &Reached, job: &Job<'_>) -> Self {
        let wanted = session.wanted;
        let (input, disk) = (job.load.subject.input(), job.site.disk);
        let step = |step: &Step| StepReport {
            name: step.name.clone(),
            phase: step.phase.word(),
            destroys: step.destroys.clone(),
            outcome: None,
            seconds: None,
            commands: if wanted.dry_run { commands(step) } else { Vec::new() },
        };
        Self {
            host: reached.target().name().to_owned(),
            login: match reached.target().login() {
                Login::Root => "root",
                Login::Sudo => "sudo",
                Login::User => "user",
            },
            system: SystemReport {
                toplevel: job.toplevel().to_string(),
                paths: input.closure.paths().len(),
                nar_size: input.closure.nar_size(),
            },
            profile: job.load.blueprint.profile.name.clone(),
            device: DeviceReport::of(Path::new(&job.device), &disk.device, &disk.contents),
            layout: job.geometry.as_ref().map(DiskReport::of),
            dry_run: wanted.dry_run,
            resumed: wanted.resume,
            phases: wanted.phases.iter().copied().map(Phase::word).collect(),
            steps: job.asked(session).map(step).collect(),
            copied: None,
            host_key: None,
            initrd_key: None,
            verified: None,
            journal: None,
        }
    }

    /// Notes what came of a step.
    pub(super) fn step(&mut self, step: &Step, came: Outcome) {
        let Some(found) = self.steps.iter_mut().find(|found| found.name == step.name) else {
            return;
        };
        (found.outcome, found.seconds) = match came {
            Outcome::Had => (Some("had"), None),
            Outcome::Done(after) => (Some("done"), Some(seconds(after))),
        };
    }

    /// Notes that the system runs.
    pub(super) fn runs(&mut self, verified: &Verified) {
        self.verified = Some(VerifiedReport {
            reach: seconds(verified.reached),
            settle: seconds(verified.settled),
            state: verified.state.clone(),
        });
    }

    /// Notes how the system will be known.
    pub(super) fn knows(&mut self, system: Option<&PublicKey>, initrd: Option<&PublicKey>) {
        self.host_key = system.map(PublicKey::line);
        self.initrd_key = initrd.map(PublicKey::line);
    }
}

fn commands(step: &Step) -> Vec<CommandReport> {
    let command = |command: &calve_installer::steps::Command| CommandReport {
        line: command.line(),
        reads: command.input.to_string(),
    };
    step.commands().iter().map(command).collect()
}

impl Copy {
    pub(super) fn of(copied: &Copied, source: &Source<'_>, after: Duration) -> Self {
        let Copied { paths, bytes, there } = *copied;
        Self { way: source.word(), paths, bytes, there, seconds: seconds(after) }
    }

    /// One line on it.
    pub(super) fn words(&self) -> String {
        let Self { paths, bytes, there, seconds, .. } = self;
        let sent = counted(usize::try_from(*paths).unwrap_or(usize::MAX));
        let there = if *there == 0 { String::new() } else { format!(", {there} were there") };
        format!("copied    {sent}, {}, in {seconds:.0} s{there}", size(*bytes))
    }
}

/// To a tenth, as nothing here is more exact.
pub(super) fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10.0).round() / 10.0
}
