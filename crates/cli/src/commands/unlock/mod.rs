//! `calve unlock`: opens the encrypted disks of a host that starts, over SSH.
//!
//! - `target`: which host, by a ticket or by name
//! - `keeper`: the passphrases, and the words while it goes on
//! - `report`: what was done, in words and as JSON

mod keeper;
mod report;
mod target;

use std::time::Duration;

use calve_installer::keys::Named;
use calve_installer::unlock::{self, Order};

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::key_arg::{self, KeyArg};
use crate::terminal::Terminal;

use keeper::Desk;
use report::Report;
use target::Target;

/// Unlock the encrypted disks of a host that starts, over SSH
///
/// Connects with your own ssh, whose configuration, agent, security keys and jump hosts work, waits until the
/// host is there, and answers what it asks: systemd's password agent, NixOS' cryptsetup-askpass, or a
/// FIFO. FILE.unlock.toml, which `calve build disk --unlock-ssh` leaves beside the image, pins the host's key;
/// a host without one must be in your known_hosts. A passphrase is never on a command line, in the
/// environment or in a log.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A SOURCE is one of
  file:PATH      a file, as it is but for a line end at its end
  env:VAR        a variable of the environment; no program that calve starts sees it
  fd:N           an open file descriptor, read like a file
  prompt         you are asked, up to three times; so it is where there is no --key
  command:CMD    what a shell command prints

Examples:
  calve unlock web.raw.unlock.toml --wait
  calve unlock web.raw.unlock.toml --host web.example --key 'command:pass show web'
  calve unlock web --key root=file:root.key --key data=prompt")]
pub(crate) struct Args {
    /// The host, as ssh takes it, or the ticket that was made with its image
    #[arg(value_name = "HOST|FILE.unlock.toml")]
    target: String,

    /// Where the passphrase comes from, for one volume or for all [default: prompt]
    #[arg(long, value_name = "[NAME=]SOURCE")]
    key: Vec<KeyArg<Named>>,

    /// Wait until the system's own SSH server answers
    #[arg(long)]
    wait: bool,

    /// Where the host is, when the ticket does not tell or it has moved
    #[arg(long, value_name = "HOST")]
    host: Option<String>,

    /// The port of the initrd's SSH server [default: the ticket's, else ssh's own choice]
    #[arg(long)]
    port: Option<u16>,

    /// Who logs in to the initrd [default: the ticket's, else root]
    #[arg(long)]
    user: Option<String>,

    /// The port of the system's SSH server, for --wait [default: ssh's own choice]
    #[arg(long, value_name = "PORT", requires = "wait")]
    system_port: Option<u16>,

    /// Take the key of a host that is not in your known_hosts yet; one that changed is refused all the same
    #[arg(long)]
    accept_new: bool,

    /// Give up when nothing happened for so many seconds
    #[arg(long, default_value_t = 300, value_name = "S")]
    timeout: u64,

    /// Print a report as JSON
    #[arg(long)]
    json: bool,
}

/// Unlocks.
pub(crate) fn run(args: Args, terminal: Terminal) -> Result<(), Failure> {
    let keys = key_arg::read("--key", &args.key)?;
    let mut target = Target::find(&args)?;
    target.hide(&keys);
    let patience = Duration::from_secs(args.timeout);
    let interrupt = Interrupt::catch()?;
    let mut desk = Desk::new(&keys, target.host.name.clone(), terminal, interrupt)?;
    let order = Order {
        host: &target.host,
        asks: target.asks.as_ref(),
        volumes: &target.volumes,
        system_key: target.system_key.as_ref(),
        patience,
    };
    let unlocked = unlock::unlock(&order, &mut desk).map_err(|error| desk.failure(error))?;
    let mut report = Report::new(&target, &unlocked);
    terminal.say(report.unlocked());
    if args.wait {
        let up = unlock::wait(&target.system, &unlocked, patience, &mut desk)
            .map_err(|error| desk.failure(error))?;
        report.add(&up);
        terminal.say(report.up());
    }
    if args.json { terminal.print_json(&report) } else { Ok(()) }
}
