//! The journal, the user's word, and the steps.

use std::collections::BTreeMap;

use calve_image_core::ids::Ids;
use calve_installer::copy;
use calve_installer::journal::{self, Header, Holder, Journal, Known};
use calve_installer::keys::Source;
use calve_installer::run::{self, Run};
use calve_installer::steps::{Input, Phase, Step};
use calve_installer::survey::Identity;
use calve_installer::verify;

use super::after::{self, After};
use super::desk::Desk;
use super::disk_arg::MAIN;
use super::job::{Job, Site};
use super::reached::Reached;
use super::report::Report;
use super::state::State;
use super::{Session, chosen, shown, stopped};
use crate::confirm::{Given, Question, confirm};
use crate::failure::{Failure, Kind};
use crate::secrets::keyring::Keyring;
use crate::secrets::luks_args::Wanted as Keys;

/// The step that restarts the machine.
const RESTART: &str = "restart";

/// How many bytes the ids of a disk are derived from.
const SEED: usize = 32;

/// An installation that begins or goes on.
pub(super) struct Work<'a> {
    session: &'a Session<'a>,
    /// None in a dry run, which leaves nothing behind.
    state: Option<State>,
    /// The one that is gone on with.
    journal: Option<Journal>,
    seed: [u8; SEED],
}

impl<'a> Work<'a> {
    /// Opens the journal, where an installation goes on; else a new disk gets new ids.
    pub(super) fn open(session: &'a Session<'a>) -> Result<Self, Failure> {
        let wanted = session.wanted;
        let mut seed = [0; SEED];
        getrandom::fill(&mut seed).map_err(Failure::internal)?;
        if wanted.dry_run {
            return Ok(Self { session, state: None, journal: None, seed });
        }
        let state = State::of(wanted.machine())?;
        let path = state.journal(wanted.does(Phase::Partition));
        let journal = match wanted.resume.then(|| Journal::open(&path, &holder())) {
            Some(Err(journal::Error::Missing { .. })) | None => None,
            Some(opened) => Some(opened?),
        };
        seed = journal.as_ref().map_or(seed, |journal| journal.header().seed);
        Ok(Self { session, state: Some(state), journal, seed })
    }

    /// Looks at the system, where an earlier run got as far as the restart; tells whether that was so.
    pub(super) fn looks_again(&self) -> Result<bool, Failure> {
        let (Some(state), Some(journal)) = (&self.state, &self.journal) else { return Ok(false) };
        if !journal.is_done(RESTART) {
            return Ok(false);
        }
        after::look(self.session, state, journal).map(|()| true)
    }

    /// Takes the journal from the machine, where an installation goes on whose own was lost.
    pub(super) fn recover(&mut self, reached: &Reached) -> Result<(), Failure> {
        let wanted = self.session.wanted;
        let Some(state) = self.state.as_ref().filter(|_| wanted.resume && self.journal.is_none())
        else {
            return Ok(());
        };
        let path = state.journal(wanted.does(Phase::Partition));
        let Some(lines) = run::journal_of(reached.target())? else {
            return Err(journal::Error::Missing { path }.into());
        };
        let journal = Journal::take(&path, &lines, &holder())?;
        self.session.terminal.say("journal   taken from the machine, as there is none here");
        self.seed = journal.header().seed;
        self.journal = Some(journal);
        Ok(())
    }

    /// The disk: the one that the journal knows again, else the one that is named.
    pub(super) fn site<'r>(&self, reached: &'r Reached) -> Result<Site<'r>, Failure> {
        let known = self.journal.as_ref().and_then(|journal| journal.header().disks.get(MAIN));
        let disk = match known.and_then(|known| known.find(&reached.disks)) {
            Some(disk) => disk,
            None => chosen::disk(reached, self.session.wanted.disk.as_ref())?,
        };
        let ids = Ids::from_parts(&[b"calve install v1", &self.seed]);
        Ok(Site { disk, ids, resumes: self.journal.is_some() })
    }

    /// Asks, reads what is brought, and does the steps.
    pub(super) fn run(
        mut self,
        reached: &Reached,
        job: &Job<'_>,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let Session { wanted, interrupt, terminal } = *self.session;
        let Some(state) = self.state.take() else { return Ok(()) };
        if let Some(holder) = run::holder(reached.target())?
            && self.journal.is_none()
        {
            let message = format!("{} is in use by {holder}", reached.target().name());
            return Err(Failure::new(Kind::Refused, message));
        }
        let mut header = self.header(reached, job)?;
        let resumed = self.journal.take();
        let resumed = resumed.map(|journal| self.resume(journal, &mut header, (reached, job)));
        let resumed = resumed.transpose()?;
        if resumed.is_none() {
            self.confirm(reached, job)?;
        }
        // Whoever types a passphrase types it for a disk that will be made.
        let keyring = Keyring::read(&self.keys(job, resumed.as_ref()), interrupt, terminal)?;
        let mut journal = match resumed {
            Some(journal) => journal,
            None => Journal::begin(&state.journal(job.geometry.is_some()), &header, &holder())?,
        };
        let path = journal.path().display().to_string();
        terminal.say(format!("journal   {path}"));
        report.journal = Some(path);
        self.keep(&state, job);
        let (host, phases) = (&keyring, &wanted.phases);
        let before: Vec<Phase> =
            phases.iter().copied().filter(|phase| *phase != Phase::Reboot).collect();
        let steps = Steps { session: self.session, reached, job, keyring: host };
        steps.run(&before, &mut journal, report)?;
        if !wanted.does(Phase::Reboot) {
            terminal.say("done      all that was asked for; the machine was not restarted");
            return Ok(());
        }
        let after = After::new(&steps, &state)?;
        report.knows(after.system_key(), after.initrd_key());
        steps.run(&[Phase::Reboot], &mut journal, report)?;
        // Whoever comes now finds a machine that is installed.
        drop(journal);
        after.wait(report)
    }

    /// Keeps this machine's Nix from collecting what the machine runs. Where there is no Nix nothing is collected,
    /// and what is not this Nix' is not its to collect.
    fn keep(&self, state: &State, job: &Job<'_>) {
        let Session { wanted, terminal, .. } = *self.session;
        if !wanted.does(Phase::Copy) || wanted.from.is_some() || wanted.is_foreign {
            return;
        }
        if let Err(error) = copy::gc_root(&state.root(), job.toplevel(), &wanted.hidden) {
            terminal.say(format!("warning: the system may be collected on this machine: {error}"));
        }
    }

    fn header(&self, reached: &Reached, job: &Job<'_>) -> Result<Header, Failure> {
        let profile = serde_json::to_vec(&job.load.blueprint.profile.profile);
        let profile = profile.map_err(Failure::internal)?;
        let toplevel = job.toplevel().to_string();
        let names = job.steps.iter().map(|step| step.name.as_bytes());
        let parts = [profile.as_slice(), toplevel.as_bytes()].into_iter().chain(names);
        let known = Known::of(&job.device, &job.site.disk.device);
        Ok(Header {
            host: self.session.wanted.machine().to_owned(),
            digest: journal::digest(parts),
            toplevel,
            seed: self.seed,
            boot: verify::boot_id(reached.target())?,
            disks: BTreeMap::from([(MAIN.to_owned(), known)]),
        })
    }

    /// Goes on; a disk that nobody can tell from others has to be confirmed again.
    fn resume(
        &self,
        mut journal: Journal,
        header: &mut Header,
        (reached, job): (&Reached, &Job<'_>),
    ) -> Result<Journal, Failure> {
        match journal.resume(header) {
            Err(journal::Error::Unsure { .. }) => {
                self.ask(reached, job)?;
                for known in header.disks.values_mut() {
                    known.is_vouched = true;
                }
                journal.resume(header)?;
            }
            resumed => resumed?,
        }
        Ok(journal)
    }

    /// Shows what will be, and asks where something is lost.
    fn confirm(&self, reached: &Reached, job: &Job<'_>) -> Result<(), Failure> {
        if job.asked(self.session).any(|step| step.destroys.is_some()) {
            return self.ask(reached, job);
        }
        self.session.terminal.say(shown::text(reached, job).trim_end());
        Ok(())
    }

    fn ask(&self, reached: &Reached, job: &Job<'_>) -> Result<(), Failure> {
        let Session { wanted, interrupt, terminal } = *self.session;
        let device = &job.site.disk.device;
        let given = wanted
            .yes_wipe
            .as_ref()
            .map(|named| Given { named: named.clone(), is_it: chosen::is(reached, device, named) });
        let question = Question {
            name: &device.name,
            whose: &reached.whose(),
            typed: wanted.disk.as_ref().map_or(&*job.device, |disk| &*disk.0),
            words: &shown::text(reached, job),
            given,
            interrupt: Some(interrupt),
        };
        confirm(&question, terminal)
    }

    /// The keys to read. Volumes that are made already have theirs; a recovery key has then been shown.
    fn keys(&self, job: &Job<'_>, journal: Option<&Journal>) -> Vec<Keys> {
        let is_done = |step: &Step| journal.is_some_and(|journal| journal.is_done(&step.name));
        let makes = |step: &&Step, name: &str| {
            step.phase == Phase::Format
                && step.commands().iter().any(|command| {
                    matches!(&command.input, Input::Passphrase { volume, .. } if *volume.0 == *name)
                })
        };
        let keys = job.keys.iter().cloned().map(|mut keys| {
            let made = job.steps.iter().filter(|step| makes(step, &keys.name));
            let mut made = made.peekable();
            let is_made = job.geometry.is_none() || (made.peek().is_some() && made.all(is_done));
            if is_made {
                keys.is_set = true;
                keys.recovery = false;
                if keys.sources.is_empty() {
                    // No other key has this number.
                    keys.sources.push((usize::MAX, Source::Prompt));
                }
            }
            keys
        });
        keys.collect()
    }
}

/// The steps, and what they are done with.
#[derive(Clone, Copy)]
pub(super) struct Steps<'a> {
    pub(super) session: &'a Session<'a>,
    pub(super) reached: &'a Reached,
    pub(super) job: &'a Job<'a>,
    pub(super) keyring: &'a Keyring,
}

impl Steps<'_> {
    fn run(
        &self,
        phases: &[Phase],
        journal: &mut Journal,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let Self { session, reached, job, keyring } = *self;
        let identity: Identity = job.site.disk.device.identity.clone();
        let disks = BTreeMap::from([(MAIN.to_owned(), (job.device.clone(), identity))]);
        let doubts = journal.is_rebooted();
        let mut desk = Desk { session, reached, job, keyring, report, doubts, failure: None };
        let run = Run {
            target: reached.target(),
            steps: &job.steps,
            phases,
            disks: &disks,
            journal,
            desk: &mut desk,
        };
        let done = run.run();
        let shown = desk.failure.take();
        done.map_err(|error| stopped::stopped(error, session))?;
        shown.map_or(Ok(()), Err)
    }
}

/// Who this is, for whoever comes second.
fn holder() -> Holder {
    Holder::this(&stopped::command())
}
