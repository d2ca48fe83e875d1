//! `calve survey`: what a machine is, and what could be installed where.
//!
//! - `shown`: the survey in words
//! - `report`: the survey as data

mod report;
mod shown;

use calve_installer::survey::{Disk, Machine, Snapshot};
use calve_installer::target::ssh::{Address, Ssh};
use calve_installer::target::{Local, Login, Target};

use crate::failure::Failure;
use crate::ssh_options::ssh_options;
use crate::terminal::Terminal;
use report::Report;

/// Tell what a machine is: firmware, memory, disks and what is on them
///
/// Connects with your own ssh, whose configuration, agent, certificates, security keys and jump hosts work,
/// and changes nothing on the host. Which disks are in use, and by what, is told as `calve write`
/// and an installation see it. Without HOST it is this machine. NIX_SSHOPTS is honoured.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  calve survey                                        this machine
  calve survey root@192.0.2.7                         one that started a NixOS installer
  calve survey nixos@installer --json | jq '.disks[] | select(.uses == []) | .id'")]
pub(crate) struct Args {
    /// The host, as ssh takes it: [USER@]HOST, or a name of your ssh configuration
    host: Option<String>,

    /// The port of its SSH server [default: ssh's own choice]
    #[arg(long, requires = "host")]
    port: Option<u16>,

    /// Take the key of a host that is not in your known_hosts yet; one that changed is refused all the same
    #[arg(long, requires = "host")]
    accept_new: bool,

    /// Print the survey as JSON
    #[arg(long)]
    json: bool,
}

/// A machine surveyed.
#[derive(Debug)]
struct Survey {
    /// How it was reached.
    reached: String,
    login: Login,
    machine: Machine,
    disks: Vec<Disk>,
}

impl Survey {
    /// Asks a machine; `is_this` where its disks are this one's.
    fn of(target: &dyn Target, is_this: bool) -> Result<Self, Failure> {
        let snapshot = Snapshot::take(target)?;
        let host = snapshot.host();
        Ok(Self {
            reached: target.name().to_owned(),
            login: target.login(),
            machine: Machine::of(&host)?,
            disks: Disk::all(&host, is_this)?,
        })
    }
}

/// Surveys.
pub(crate) fn run(args: Args, terminal: Terminal) -> Result<(), Failure> {
    let survey = match args.host {
        None => Survey::of(&Local::new(), true)?,
        Some(name) => {
            let options = ssh_options()?;
            let Args { port, accept_new, .. } = args;
            let address = Address { name, port, accept_new, options, hidden: Vec::new() };
            Survey::of(&Ssh::connect(&address, &mut |line| terminal.say(line))?, false)?
        }
    };
    if args.json {
        return terminal.print_json(&Report::of(&survey));
    }
    terminal.print(&shown::text(&survey))
}
