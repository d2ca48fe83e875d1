//! The lines of a journal: one JSON object each.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Error, Header, Holder, Known};

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Line {
    /// The first: what is installed where.
    Install {
        version: u32,
        #[serde(flatten)]
        header: Header,
    },
    /// Somebody works on it from here on.
    Held(Holder),
    /// What nobody else's journal has; stays here.
    Token(String),
    /// The machine was restarted.
    Boot(String),
    /// A disk has other names now.
    Disk { name: String, disk: Known },
    /// A step begins.
    Begun(String),
    /// It is done.
    Done(String),
}

/// What every version has in its first line.
#[derive(Deserialize)]
struct First {
    install: Version,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

impl Line {
    pub(super) fn first(header: &Header) -> Self {
        Self::Install { version: VERSION, header: header.clone() }
    }

    /// The line as it is written, with its end.
    pub(super) fn text(&self) -> String {
        // Strings, numbers and maps of strings: there is nothing in it that JSON cannot say.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    pub(super) fn holder(&self) -> Option<&Holder> {
        if let Self::Held(holder) = self { Some(holder) } else { None }
    }

    pub(super) fn token(&self) -> Option<&str> {
        if let Self::Token(token) = self { Some(token) } else { None }
    }
}

/// Reads the lines, and tells how many bytes are whole lines; no lines at all are no error.
pub(super) fn read(bytes: &[u8], path: &Path) -> Result<(Vec<Line>, u64), Error> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let mut lines = Vec::new();
    let texts = bytes.get(..whole).unwrap_or_default().split_inclusive(|byte| *byte == b'\n');
    for (index, text) in texts.enumerate() {
        let nonsense = || Error::Nonsense { path: path.to_owned(), line: index + 1 };
        if index == 0 {
            let first: First = serde_json::from_slice(text).map_err(|_| nonsense())?;
            let found = first.install.version;
            if found != VERSION {
                return Err(Error::Version { path: path.to_owned(), found, known: VERSION });
            }
        }
        lines.push(serde_json::from_slice(text).map_err(|_| nonsense())?);
    }
    Ok((lines, u64::try_from(whole).unwrap_or(u64::MAX)))
}
