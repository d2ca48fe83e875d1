//! What can go wrong with a copy, read from Nix' own words: its programs end with 1, whatever it was.
//!
//! Messages are looked for by the parts that have stood since Nix 2.3; what none of them fits is passed on as it
//! was said. Follows Nix' `libstore` (`local-store.cc`, `store-api.cc`, `misc.cc`).

use calve_image_core::formats::nix_serve;
use calve_image_core::inputs::store_path::{STORE_DIR, StorePath};
use calve_image_core::inputs::store_tree;
use calve_image_core::region;
use calve_image_core::tree;

use crate::target;

/// Why a closure was not copied.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The target cannot be talked to, or not any more.
    #[error(transparent)]
    Target(target::Error),
    /// The caller ended it.
    #[error("the copy was interrupted")]
    Interrupted,
    /// Commands on the target do not run as root.
    #[error("{host} lets nobody in who is root or becomes root by `sudo -n`")]
    Login {
        /// Which host.
        host: String,
    },
    /// There is no Nix.
    #[error("{place} has no {program}")]
    NoNix {
        /// Which machine.
        place: String,
        /// What is missing.
        program: &'static str,
    },
    /// A store takes no path that nobody vouches for.
    #[error("{path} is not signed by a key that {place} trusts")]
    Unsigned {
        /// Which path.
        path: String,
        /// Which machine.
        place: String,
    },
    /// There is no room left.
    #[error("the disk of {place} is full: {said}")]
    Full {
        /// Which machine.
        place: String,
        /// Nix' own words.
        said: String,
    },
    /// The source does not have a path.
    #[error("{path} is not in {place}")]
    Missing {
        /// Which path.
        path: String,
        /// Which store.
        place: String,
    },
    /// A path is not what was registered of it.
    #[error("{path} is not what was registered where it comes from: {said}")]
    Corrupt {
        /// Which path.
        path: String,
        /// What differs.
        said: String,
    },
    /// Files of this machine could not be looked at.
    #[error(transparent)]
    Scan(#[from] store_tree::Error),
    /// They are no tree: a defect of the store.
    #[error(transparent)]
    Tree(#[from] tree::Conflict),
    /// They cannot be sent.
    #[error(transparent)]
    Stream(#[from] nix_serve::Error),
    /// A file of this machine could not be read, or changed meanwhile.
    #[error(transparent)]
    Read(#[from] region::Error),
    /// What the target answered is no answer.
    #[error(transparent)]
    Answer(#[from] nix_serve::AnswerError),
    /// Nix of some machine refused for another reason.
    #[error("{place} says: {said}")]
    Refused {
        /// Which machine.
        place: String,
        /// Nix' own words.
        said: String,
    },
}

impl From<target::Error> for Error {
    fn from(error: target::Error) -> Self {
        if matches!(error, target::Error::Interrupted) {
            Self::Interrupted
        } else {
            Self::Target(error)
        }
    }
}

impl Error {
    /// Reads what a Nix of `writer` said last; `source` is the store that it read from.
    pub(super) fn said(text: &str, writer: &str, source: &str) -> Self {
        let text = plain(text);
        let said = complaint(&text);
        let place = writer.to_owned();
        // The first message is the cause; later ones follow from it.
        for line in text.lines() {
            if line.contains("No space left on device") || line.contains("disk is full") {
                return Self::Full { place, said: line.trim().to_owned() };
            }
            let Some(path) = path_in(line) else { continue };
            let path = path.to_string();
            if line.contains("because it lacks a") {
                return Self::Unsigned { path, place };
            }
            if line.contains(" mismatch ") {
                return Self::Corrupt { path, said };
            }
            if ABSENT.iter().any(|absent| line.contains(absent)) {
                return Self::Missing { path, place: source.to_owned() };
            }
        }
        Self::Refused { place, said }
    }
}

/// How Nix says that a store lacks a path.
const ABSENT: [&str; 7] = [
    "is not valid",
    // Registered, but not there.
    "getting status of",
    "getting attributes of",
    "does not exist in",
    "no substituter that can build it",
    "don't know how to build",
    "cannot build missing",
];

/// The text without colours.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        if letter == '\u{1b}' {
            // `ESC [ 31;1 m`: up to the first letter.
            let _ = rest.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(letter);
        }
    }
    plain
}

/// The last complaint, in one line: from `error:` on, else the last line that says anything.
fn complaint(text: &str) -> String {
    let from = text.rfind("error: ").map(|at| at + "error: ".len());
    let lines = match from {
        Some(at) => &text[at..],
        None => text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default(),
    };
    lines.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first store path of a line; of a file in it, too.
pub(super) fn path_in(line: &str) -> Option<StorePath> {
    let start = line.find(STORE_DIR)?;
    let name = line[start + STORE_DIR.len()..].strip_prefix('/')?;
    let end = name.find(|c: char| c.is_whitespace() || "'\",;:/".contains(c)).unwrap_or(name.len());
    StorePath::from_base_name(&name[..end]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/nix/store/p1ghxi6s5ar9ga8i0wcsadlng4vqc25a-x";

    fn said(text: &str) -> String {
        Error::said(&text.replace("PATH", PATH), "root@web", "the cache").to_string()
    }

    #[test]
    fn nix_own_words_are_understood() {
        let unsigned = "\u{1b}[31;1merror:\u{1b}[0m cannot add path '\u{1b}[35;1mPATH\u{1b}[0m' because it lacks a valid signature";
        assert_eq!(said(unsigned), format!("{PATH} is not signed by a key that root@web trusts"));
        let newer = "error: cannot add path 'PATH' because it lacks a signature by a trusted key";
        assert_eq!(said(newer), said(unsigned));
        let full = "error: writing to file: No space left on device\nerror: unexpected end-of-file";
        assert!(said(full).starts_with("the disk of root@web is full: "), "{}", said(full));
        let absent = "error: path 'PATH' is not valid";
        assert_eq!(said(absent), format!("{PATH} is not in the cache"));
        let changed = "error: hash mismatch importing path 'PATH';\n         specified: sha256:1\n         got:       sha256:2";
        let expected = format!(
            "{PATH} is not what was registered where it comes from: hash mismatch importing path '{PATH}'; specified: sha256:1 got: sha256:2"
        );
        assert_eq!(said(changed), expected);
    }

    #[test]
    fn what_nobody_foresaw_is_passed_on() {
        assert_eq!(
            said("warning: a\nerror: opening lock file: Permission denied\n"),
            "root@web says: opening lock file: Permission denied"
        );
        assert_eq!(said("Killed\n\n"), "root@web says: Killed");
        assert_eq!(said(""), "root@web says: ");
    }
}
