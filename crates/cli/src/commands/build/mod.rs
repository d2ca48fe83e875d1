//! `calve build`: one kind of image per file.

mod archive;
mod compression;
mod delivery;
mod disk;
mod iso;
mod lxc;
mod outlet;
mod packing;
mod wsl;

use crate::failure::Failure;
use crate::terminal::Terminal;

/// Make an image of a system
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Disk(Box<disk::Args>),
    Iso(Box<iso::Args>),
    Lxc(lxc::Args),
    Wsl(wsl::Args),
}

/// Makes the image.
pub(crate) fn run(command: Command, terminal: Terminal) -> Result<(), Failure> {
    match command {
        Command::Disk(args) => disk::run(*args, terminal),
        Command::Iso(args) => iso::run(*args, terminal),
        Command::Lxc(args) => lxc::run(args, terminal),
        Command::Wsl(args) => wsl::run(args, terminal),
    }
}
