//! `calve luks`: encrypted volumes of images that exist.

mod check;

use crate::failure::Failure;
use crate::terminal::Terminal;

/// Look into the encrypted volumes of an image
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Check(check::Args),
}

/// Looks.
pub(crate) fn run(command: Command, terminal: Terminal) -> Result<(), Failure> {
    match command {
        Command::Check(args) => check::run(&args, terminal),
    }
}
