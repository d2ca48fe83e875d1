//! What may be wrong with a journal.

use std::io;
use std::path::PathBuf;

use super::Holder;

/// Why an installation cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody works on it.
    #[error("{} is in use by {}", path.display(), who(holder.as_deref()))]
    Held {
        /// Which journal.
        path: PathBuf,
        /// Who has it, if that can be read.
        holder: Option<Box<Holder>>,
    },
    /// There is nothing to go on with.
    #[error("there is no journal of an installation at {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// It is another version's.
    #[error("{}: expected a journal of version {known}, found version {found}", path.display())]
    Version {
        /// Which journal.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The one that is known.
        known: u32,
    },
    /// It is none.
    #[error("{}, line {line}: expected a line of an installation's journal, found something else", path.display())]
    Nonsense {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1 on.
        line: usize,
    },
    /// It is another installation's.
    #[error("{what} of the installation that was begun is {expected}, found {found}")]
    Differs {
        /// What differs.
        what: &'static str,
        /// What the journal has.
        expected: String,
        /// What there is now.
        found: String,
    },
    /// A disk is another.
    #[error("disk {disk} of the installation that was begun is {expected}, found {found}")]
    Disk {
        /// What the layout calls it.
        disk: String,
        /// What the journal has.
        expected: String,
        /// What there is now.
        found: String,
    },
    /// A disk says nothing of itself, and the machine was restarted.
    #[error(
        "whether {found} is disk {disk} of the installation that was begun cannot be told: it has neither serial number nor WWN, and the machine was restarted"
    )]
    Unsure {
        /// What the layout calls it.
        disk: String,
        /// What there is now.
        found: String,
    },
    /// It cannot be read or written.
    #[error("{} cannot be used", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

fn who(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "somebody who has not said who".to_owned(), Holder::to_string)
}
