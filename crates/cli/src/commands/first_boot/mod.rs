//! `calve first-boot`: what a machine asks for when it starts for the first time.

mod console;
mod host_key;

use crate::failure::Failure;
use crate::terminal::Terminal;

/// Ask, on a machine's own console, for what its image must not hold
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    HostKey(host_key::Args),
}

/// Asks.
pub(crate) fn run(command: Command, terminal: Terminal) -> Result<(), Failure> {
    match command {
        Command::HostKey(args) => host_key::run(args, terminal),
    }
}
