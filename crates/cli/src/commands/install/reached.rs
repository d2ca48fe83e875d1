//! The machine: connected to, and surveyed.

use calve_installer::copy::To;
use calve_installer::survey::{Disk, Host, Machine, Snapshot};
use calve_installer::target::{Local, Login, Ssh, Target};

use super::Session;
use crate::failure::Failure;
use crate::machine;

/// A machine that answers.
#[derive(Debug)]
pub(super) struct Reached {
    way: Way,
    snapshot: Snapshot,
    pub(super) machine: Machine,
    pub(super) disks: Vec<Disk>,
}

/// How it is reached.
#[derive(Debug)]
enum Way {
    Ssh(Ssh),
    Local(Local),
}

impl Reached {
    /// Connects to the machine and surveys it.
    pub(super) fn connect(session: &Session<'_>) -> Result<Self, Failure> {
        let Session { wanted, interrupt, terminal } = *session;
        let (way, is_this) = match &wanted.address {
            None => {
                let local = Local::new().hiding(wanted.hidden.clone());
                (Way::Local(local.stopped_by(interrupt.flag())), true)
            }
            Some(address) => {
                let ssh = Ssh::connect(address, &mut |line| terminal.say(line));
                let ssh = ssh.map_err(|error| interrupt.or(error))?;
                (Way::Ssh(ssh.stopped_by(interrupt.flag())), false)
            }
        };
        let snapshot = Snapshot::take(way.target()).map_err(|error| interrupt.or(error))?;
        let host = snapshot.host();
        let (machine, disks) = (Machine::of(&host)?, Disk::all(&host, is_this)?);
        Ok(Self { way, snapshot, machine, disks })
    }

    /// Where commands run.
    pub(super) fn target(&self) -> &dyn Target {
        self.way.target()
    }

    /// Where the closure goes.
    pub(super) fn to(&self) -> To<'_> {
        match &self.way {
            Way::Ssh(ssh) => To::Ssh(ssh),
            Way::Local(local) => To::Here(local),
        }
    }

    /// What the machine said of itself.
    pub(super) fn host(&self) -> Host {
        self.snapshot.host()
    }

    /// To follow the name of one of its disks; nothing for this machine's.
    pub(super) fn whose(&self) -> String {
        match &self.way {
            Way::Ssh(ssh) => format!(" of {}", ssh.name()),
            Way::Local(_) => String::new(),
        }
    }

    /// One line on it.
    pub(super) fn words(&self) -> String {
        let target = self.target();
        let login = match target.login() {
            Login::Root => "as root",
            Login::Sudo => "as root through sudo",
            Login::User => "not as root",
        };
        let running = machine::running(&self.machine.system);
        format!("reached   {} {login}: {running}", target.name())
    }
}

impl Way {
    fn target(&self) -> &dyn Target {
        match self {
            Self::Ssh(ssh) => ssh,
            Self::Local(local) => local,
        }
    }
}
