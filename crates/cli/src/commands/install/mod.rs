//! `calve install`: a machine brought up from a closure that is already built.
//!
//! - `args`, `disk_arg`: what is typed; `wanted`: what it means; `state`: where journals lie
//! - `reached`: the machine, connected to and surveyed; `hardware`: what it says of itself
//! - `chosen`: which of its disks; `job`: what is done to it, decided; `refused`: why it cannot be
//! - `host_keys`: by which SSH host keys the system and its initrd will be known
//! - `shown`: what is lost and what comes, in words
//! - `work`: the journal and the steps; `desk`: what they read; `files`: directories as they are sent;
//!   `copying`: how far the copy is
//! - `after`: the restart, the unlocking, and whether it is the system that runs
//! - `stopped`: what to do about an installation that stopped; `report`: what was done, as data
//!
//! Everything that can fail is found before the disk's name is asked for, and nothing is changed on the machine
//! before it was given.

mod after;
mod args;
mod chosen;
mod copying;
mod desk;
mod disk_arg;
mod files;
mod hardware;
mod host_keys;
mod job;
mod reached;
mod refused;
mod report;
mod shown;
mod state;
mod stopped;
mod wanted;
mod work;

use calve_installer::steps::{self, Step};

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::system::{self, SystemArgs};
use crate::terminal::Terminal;

pub(crate) use args::Args;
use job::{Job, Load};
use reached::Reached;
use report::Report;
use wanted::Wanted;
use work::Work;

/// Installs.
pub(crate) fn run(args: Args, terminal: Terminal) -> Result<(), Failure> {
    let (wanted, system) = Wanted::resolve(args)?;
    // From here on there is a connection to end.
    let interrupt = Interrupt::catch()?;
    let session = Session { wanted: &wanted, interrupt: &interrupt, terminal };
    session.run(&system).map_err(|failure| stopped::first(failure, &interrupt))
}

/// What all parts of a run share.
#[derive(Debug, Clone, Copy)]
struct Session<'a> {
    wanted: &'a Wanted,
    interrupt: &'a Interrupt,
    terminal: Terminal,
}

impl Session<'_> {
    fn run(&self, system: &SystemArgs) -> Result<(), Failure> {
        let Self { wanted, terminal, .. } = *self;
        let mut work = Work::open(self)?;
        if work.looks_again()? {
            return Ok(());
        }
        let reached = Reached::connect(self)?;
        terminal.say(reached.words());
        if let Some(file) = &wanted.hardware {
            hardware::write(&reached, file, wanted.dry_run, terminal)?;
            if wanted.stops_after_hardware {
                return Ok(());
            }
        }
        work.recover(&reached)?;
        let site = work.site(&reached)?;
        let blueprint = wanted.blueprint()?;
        let found = system::find_or_fetch(system, wanted.from.as_deref(), terminal)?;
        let subject = blueprint.subject(found)?;
        let given = wanted.secrets.read(subject.input(), &blueprint.overlays, terminal)?;
        let load = Load { blueprint: &blueprint, subject: &subject, given: &given };
        let job = Job::new(self, &reached, &site, load)?;
        let mut report = Report::new(self, &reached, &job);
        if !wanted.dry_run {
            work.run(&reached, &job, &mut report)?;
        }
        if wanted.json {
            return terminal.print_json(&report);
        }
        if wanted.dry_run {
            let asked: Vec<Step> = job.asked(self).cloned().collect();
            let listing = steps::listing(&asked);
            return terminal.print(&format!("{}\n{listing}", shown::text(&reached, &job)));
        }
        Ok(())
    }
}
