//! Boot scenarios: what a file in `tests/` needs so that it tells a story and nothing else.
//!
//! ```no_run
//! use calve_qemu_tests::{Error, Sample, Scenario};
//!
//! #[test]
//! fn a_raw_disk_boots() -> Result<(), Error> {
//!     let Some(scenario) = Scenario::new("raw-disk", Sample::Mini)? else { return Ok(()) };
//!     let disk = scenario.build(&["--format", "raw"])?;
//!     let mut guest = scenario.boot(&disk)?;
//!     assert_eq!(guest.run("cat /proc/sys/kernel/ostype")?, "Linux");
//!     guest.power_off()
//! }
//! ```
//!
//! A scenario builds an image of a sample system with the `calve` binary that `CALVE_BIN` names,
//! boots it, and talks to the root shell on its serial console. [`Images`] are the part without a
//! machine, for what the built program promises on its own: bytes, privileges, signals;
//! [`container`] starts what is no disk, [`encrypted`] what has to be unlocked, [`installing`] what an
//! installer makes. Where
//! something it needs is missing a test says so and passes, except when `CI=true`. Evidence of a
//! failed boot stays in `target/evidence/<scenario>/<number of the boot>`. `CALVE_TEST_PATIENCE=3`
//! makes every deadline three times longer.

mod cable;
pub mod container;
pub mod encrypted;
mod guest;
mod images;
pub mod installing;
mod medium;
pub mod oracle;
mod packing;
mod scenario;
mod stopping;
mod terminal;
mod variations;

pub use cable::Cable;
pub use encrypted::Encrypted;
pub use guest::{Guest, Menu, Output};
pub use images::{Images, Sample, is_root};
pub use installing::{Installing, Said};
pub use medium::{cd, stick};
pub use packing::Packing;
pub use scenario::Scenario;
pub use stopping::{INTERRUPTED, Stopping, names};
pub use terminal::Terminal;
pub use variations::{VARIATIONS, Variation};

use std::fmt;
use std::io;
use std::path::PathBuf;

use calve_machine as machine;

/// Why a scenario failed.
#[derive(thiserror::Error)]
pub enum Error {
    /// Something that the scenario needs is missing, and `CI=true`.
    #[error("cannot run here: {0}")]
    Missing(String),
    /// A program cannot be run.
    #[error("{} cannot be run", program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// `calve` failed.
    #[error("calve {} failed: {stderr}", arguments.join(" "))]
    Calve {
        /// Its arguments.
        arguments: Vec<String>,
        /// What it said.
        stderr: String,
    },
    /// Somebody else's program failed.
    #[error("{} {} failed: {said}", program.display(), arguments.join(" "))]
    Tool {
        /// The program.
        program: PathBuf,
        /// Its arguments.
        arguments: Vec<String>,
        /// What it said.
        said: String,
    },
    /// The disk has no partition of the root's name.
    #[error("no partition \"nixos\" in {table}")]
    NoRoot {
        /// What `sfdisk` says of the disk.
        table: String,
    },
    /// A file system is not as a system should leave it.
    #[error("e2fsck -fn complains: {said}")]
    Unclean {
        /// What it said.
        said: String,
    },
    /// A file of the scenario cannot be made.
    #[error("no temporary directory")]
    Scratch(#[from] io::Error),
    /// The image is no disk.
    #[error(transparent)]
    Disk(#[from] machine::disk::Error),
    /// The machine did not start.
    #[error(transparent)]
    Start(#[from] machine::machine::Error),
    /// The machine did not do what was expected.
    #[error(transparent)]
    Machine(#[from] machine::Failure),
    /// A program at a terminal did not show what was expected.
    #[error("the program at the terminal showed: {shown}")]
    Terminal {
        /// What was waited for.
        source: machine::console::Error,
        /// All that it showed.
        shown: String,
    },
    /// A command in the guest failed.
    #[error("in the guest, {command:?} ended with status {}: {}", output.status, output.text)]
    Command {
        /// The command.
        command: String,
        /// What came of it.
        output: Output,
    },
    /// A container did not come up, or did not go down.
    #[error("the container is not as it should be: {said}\nthe end of its console:\n{console}")]
    NotUp {
        /// What is known.
        said: String,
        /// The end of what it wrote.
        console: String,
    },
    /// A command is too long for the guest's terminal.
    #[error("the command has {size} bytes, the guest's shell takes {most}: {command:?}")]
    TooLong {
        /// The command.
        command: String,
        /// Its size.
        size: usize,
        /// The most that fits.
        most: usize,
    },
    /// A program or the guest's shell answered with something that is no number.
    #[error("no number in the answer to {command:?}: {answer:?}")]
    Garbled {
        /// The command.
        command: String,
        /// The answer.
        answer: String,
    },
}

/// Shows what a person needs, since this is what a failed test prints.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine(failure) | Self::Start(machine::machine::Error::Early(failure)) => {
                write!(f, "{failure:?}")
            }
            Self::Missing(_)
            | Self::Run { .. }
            | Self::Calve { .. }
            | Self::Tool { .. }
            | Self::NoRoot { .. }
            | Self::Unclean { .. }
            | Self::Scratch(_)
            | Self::Disk(_)
            | Self::Start(_)
            | Self::Command { .. }
            | Self::NotUp { .. }
            | Self::Terminal { .. }
            | Self::TooLong { .. }
            | Self::Garbled { .. } => {
                write!(f, "{self}")?;
                let mut source = std::error::Error::source(self);
                while let Some(error) = source {
                    write!(f, "\n  because: {error}")?;
                    source = error.source();
                }
                Ok(())
            }
        }
    }
}
