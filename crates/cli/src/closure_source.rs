//! How the closure of a system is obtained: the first source that is there.
//!
//! 1. the registration that `--registration` names
//! 2. the registration of the `closureInfo` that was named as the system
//! 3. `nix path-info --recursive --json`, where Nix is installed
//! 4. the store's own database, read without Nix
//!
//! Nix that is there but fails does not end the search: its daemon may be down, or the store may not
//! be its own. When nothing is left, the error tells of every source that was tried.

use std::fs;
use std::path::{Path, PathBuf};

use calve_image_core::inputs::closure::{Closure, PathInfo};
use calve_image_core::inputs::store_path::StorePath;
use calve_image_core::inputs::{path_info, registration, store_db};

use crate::failure::{Failure, Kind};
use crate::nix::{self, How};

/// Where a store keeps its database, below its root.
const DATABASE: &str = "nix/var/nix/db";

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The toplevel.
    pub(crate) toplevel: &'a StorePath,
    /// How `nix` is run, if it is; where the store is.
    pub(crate) how: How<'a>,
    /// The registration to read, whatever else is there.
    pub(crate) registration: Option<&'a Path>,
}

/// Where a closure came from, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A registration file.
    Registration(PathBuf),
    /// `nix path-info`.
    Nix,
    /// A store's database.
    Database(PathBuf),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Registration(path) => write!(f, "the registration {}", path.display()),
            Self::Nix => f.write_str("`nix path-info`"),
            Self::Database(path) => write!(f, "the database {}", path.display()),
        }
    }
}

/// Reads the closure from the first source that is there.
pub(crate) fn read(wanted: Wanted<'_>) -> Result<(Closure, Origin), Failure> {
    let (infos, origin) = match wanted.registration {
        Some(path) => (read_registration(path)?, Origin::Registration(path.to_owned())),
        None => ask_nix(wanted).or_else(|nix| read_database(wanted, &nix))?,
    };
    tracing::debug!(paths = infos.len(), %origin, "closure");
    let closure = Closure::of(infos, std::slice::from_ref(wanted.toplevel)).map_err(|error| {
        Failure::new(Kind::Failed, error)
            .hint(format!("the closure was read from {origin}; is it that of this system?"))
    })?;
    Ok((closure, origin))
}

/// Reads a registration file.
pub(crate) fn read_registration(path: &Path) -> Result<Vec<PathInfo>, Failure> {
    let text = fs::read_to_string(path).map_err(|source| Failure::unreadable(path, source))?;
    registration::parse(&text).map_err(|source| {
        let path = path.to_owned();
        Failure::new(Kind::Failed, Malformed { what: path.display().to_string(), source }).hint(
            "expected what `nix-store --dump-db` prints, or the registration of a closureInfo",
        )
    })
}

fn ask_nix(wanted: Wanted<'_>) -> Result<(Vec<PathInfo>, Origin), nix::Error> {
    let text = nix::path_info(wanted.toplevel, wanted.how)?;
    match path_info::parse(&text) {
        Ok(infos) => Ok((infos, Origin::Nix)),
        Err(error) => Err(nix::Error::Unexpected(Box::new(error))),
    }
}

fn read_database(wanted: Wanted<'_>, nix: &nix::Error) -> Result<(Vec<PathInfo>, Origin), Failure> {
    let directory = wanted.how.store.unwrap_or(Path::new("/")).join(DATABASE);
    tracing::debug!(%nix, directory = %directory.display(), "falling back to the database");
    let scratch = std::env::temp_dir();
    match store_db::read(&directory, std::slice::from_ref(wanted.toplevel), &scratch) {
        Ok(infos) => Ok((infos, Origin::Database(directory))),
        Err(source) => {
            let toplevel = wanted.toplevel.to_string();
            let error = NoSource { toplevel: toplevel.clone(), nix: nix.to_string(), source };
            Err(Failure::new(Kind::Failed, error)
                .hint("name the store that holds the system with --store DIR")
                .hint(format!(
                    "or, where Nix is: nix-store --dump-db $(nix-store -qR {toplevel}) > FILE, \
                     and here --registration FILE"
                )))
        }
    }
}

/// No source knows the closure.
#[derive(Debug, thiserror::Error)]
#[error("nothing tells the closure of {toplevel}: no --registration, {nix}, no database")]
struct NoSource {
    toplevel: String,
    nix: String,
    source: store_db::Error,
}

/// A file is not what it should be.
#[derive(Debug, thiserror::Error)]
#[error("{what} is no registration")]
struct Malformed {
    what: String,
    source: registration::Error,
}
