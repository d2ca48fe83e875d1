//! Where compressed store paths are kept: from the arguments to an open cache.
//!
//! A cache is a convenience. Where nobody has named one and the usual directory cannot be used (no
//! home, a read-only one), a build says so and goes on without; a directory that somebody named
//! must work.

use std::error::Error;
use std::ffi::OsString;
use std::iter;
use std::path::PathBuf;

use calve_image_core::cache::Cache;
use calve_image_core::units::Bytes;

use crate::failure::Failure;
use crate::terminal::Terminal;

/// The arguments of builds that compress.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub(crate) struct CacheArgs {
    #[command(flatten)]
    dir: DirArgs,

    #[command(flatten)]
    size: SizeArgs,

    /// Compress everything anew, and keep nothing
    #[arg(long, help_heading = "Cache")]
    no_cache: bool,
}

/// The argument that says where it is.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(skip)]
pub(crate) struct DirArgs {
    /// The directory of the cache [default: $XDG_CACHE_HOME/calve or ~/.cache/calve]
    #[arg(long, value_name = "DIR", env = "CALVE_CACHE", help_heading = "Cache")]
    cache: Option<OsString>,
}

/// The argument that says how large it may become.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub(crate) struct SizeArgs {
    /// What is used least goes when the cache is larger than this
    #[arg(long, value_name = "SIZE", env = "CALVE_CACHE_SIZE", help_heading = "Cache")]
    #[arg(default_value = DEFAULT_SIZE)]
    pub(crate) cache_size: Bytes,
}

/// Room for some dozens of systems.
pub(crate) const DEFAULT_SIZE: &str = "10G";

impl CacheArgs {
    /// Opens the cache; none if the user wants none, or if the usual directory cannot be used.
    pub(crate) fn open(&self, terminal: Terminal) -> Result<Option<Cache>, Failure> {
        if self.no_cache {
            return Ok(None);
        }
        let opened = self.dir.path().and_then(|path| {
            let cache = Cache::open(&path, self.size.cache_size)?;
            Ok(cache)
        });
        match opened {
            Ok(cache) => Ok(Some(cache)),
            Err(failure) if self.dir.named().is_some() => Err(failure),
            Err(failure) => {
                terminal.say(format!("warning: there is no cache: {}", whole(&failure)));
                Ok(None)
            }
        }
    }
}

/// Trims the cache after a build. The image is made, so what goes wrong here is only told.
pub(crate) fn trim(cache: Option<Cache>, terminal: Terminal) {
    if let Some(Err(error)) = cache.map(Cache::trim) {
        terminal.say(format!("warning: the cache is not trimmed: {}", whole(&error.into())));
    }
}

impl DirArgs {
    /// The directory that the user named; an empty variable names none.
    fn named(&self) -> Option<&OsString> {
        self.cache.as_ref().filter(|directory| !directory.is_empty())
    }

    /// The directory.
    pub(crate) fn path(&self) -> Result<PathBuf, Failure> {
        let (xdg, home) = (std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME"));
        let path = self.named().map(PathBuf::from).or_else(|| usual(xdg, home));
        path.ok_or_else(|| {
            Failure::usage("neither XDG_CACHE_HOME nor HOME says where a cache would be")
                .hint("name a directory: --cache DIR")
        })
    }
}

/// Where programs keep what they can make again, by the XDG base directory specification.
fn usual(xdg: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: OsString| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    let home = || Some(home.and_then(absolute)?.join(".cache"));
    Some(xdg.and_then(absolute).or_else(home)?.join("calve"))
}

/// A failure and its reasons in one line.
fn whole(failure: &Failure) -> String {
    let first: &dyn Error = failure;
    let reasons = iter::successors(Some(first), |reason| (*reason).source());
    reasons.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{fs, io};

    use calve_image_core::cache;
    use miette::Diagnostic;

    use super::*;

    #[test]
    fn the_usual_place() {
        let usual = |xdg: &str, home: &str| {
            let set = |value: &str| Some(value).filter(|value| *value != "-").map(OsString::from);
            usual(set(xdg), set(home)).map(|path| path.display().to_string())
        };
        assert_eq!(usual("/x", "/home/a").as_deref(), Some("/x/calve"));
        for ignored in ["-", "", "relative"] {
            assert_eq!(usual(ignored, "/home/a").as_deref(), Some("/home/a/.cache/calve"));
            assert_eq!(usual(ignored, "-"), None);
            assert_eq!(usual("-", ignored), None);
        }
    }

    fn args(cache: Option<OsString>, no_cache: bool) -> CacheArgs {
        let size = SizeArgs { cache_size: Bytes::new(1 << 20) };
        CacheArgs { dir: DirArgs { cache }, size, no_cache }
    }

    #[test]
    fn a_named_directory_must_work() {
        let terminal = Terminal::new(true);
        let dir = tempfile::tempdir().unwrap();
        let (new, file) = (dir.path().join("new"), dir.path().join("file"));
        fs::write(&file, "").unwrap();
        assert!(args(Some(new.clone().into()), true).open(terminal).unwrap().is_none());
        assert!(!new.exists());
        assert!(args(Some(new.clone().into()), false).open(terminal).unwrap().is_some());
        assert!(new.join("CACHEDIR.TAG").exists());
        let failure = args(Some(file.clone().into()), false).open(terminal).unwrap_err();
        let expected = format!("cannot make the directory {}: File exists", file.display());
        assert!(whole(&failure).starts_with(&expected), "{failure}");
    }

    #[test]
    fn a_full_cache_has_a_way_out() {
        let error = |kind: io::ErrorKind| cache::Error::Io {
            action: "write",
            path: "/cache/drafts/1".into(),
            source: kind.into(),
        };
        let help = |error: cache::Error| Failure::from(error).help().unwrap().to_string();
        for full in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            assert!(help(error(full)).starts_with("calve cache trim --to SIZE makes room there"));
        }
        let other = error(io::ErrorKind::PermissionDenied);
        assert_eq!(help(other), "--cache DIR names another directory for it");
    }
}
