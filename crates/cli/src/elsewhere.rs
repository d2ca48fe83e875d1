//! A system that another store has, a builder's or a cache: what is looked at of it comes from there, and the rest never does.
//!
//! Nix tells the closure and hands over single paths (`nix store dump-path`), without what they refer to. They lie in a
//! directory of their own for as long as this program runs.

use std::collections::BTreeSet;
use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use calve_image_core::inputs::closure::Closure;
use calve_image_core::inputs::path_info;
use calve_image_core::inputs::store::{Elsewhere, HostStore};
use calve_image_core::inputs::store_path::StorePath;
use calve_installer::keys::Source;
use tempfile::TempDir;

use crate::failure::{Failure, Kind};
use crate::nix;
use crate::system::{Found, describe};
use crate::terminal::Terminal;

/// Finds a system in another store.
pub(crate) fn find(
    toplevel: StorePath,
    url: &str,
    hidden: &[Source],
    terminal: Terminal,
) -> Result<Found, Failure> {
    terminal.say(format!("system    {}", toplevel.base_name()));
    let failed = |error: nix::Error| {
        Failure::new(Kind::Failed, error)
            .hint(format!("{toplevel} is not on this machine, so {url} has to have it"))
    };
    let text = nix::path_info_of(url, &toplevel, hidden).map_err(failed)?;
    let infos =
        path_info::parse(&text).map_err(|error| failed(nix::Error::Unexpected(Box::new(error))))?;
    let closure = Closure::of(infos, std::slice::from_ref(&toplevel))
        .map_err(|error| Failure::new(Kind::Failed, error))?;
    terminal.say(describe(&closure, &url));
    let other =
        Other::new(url, hidden, &closure).map_err(|error| Failure::new(Kind::Failed, error))?;
    let workers = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let store = HostStore::at(other.directory.path()).with_workers(workers);
    Ok(Found { toplevel, store: store.with_elsewhere(Arc::new(other)), closure })
}

/// Another store.
#[derive(Debug)]
struct Other {
    url: String,
    hidden: Vec<Source>,
    /// What of it may be asked for.
    paths: BTreeSet<StorePath>,
    /// What came; gone with this value.
    directory: TempDir,
    /// One comes at a time.
    turn: Mutex<()>,
}

impl Other {
    fn new(url: &str, hidden: &[Source], closure: &Closure) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("calve-").tempdir()?;
        std::fs::create_dir_all(directory.path().join("nix/store"))?;
        let paths = closure.paths().iter().map(|info| info.path.clone()).collect();
        Ok(Self {
            url: url.to_owned(),
            hidden: hidden.to_vec(),
            paths,
            directory,
            turn: Mutex::default(),
        })
    }

    fn store(&self) -> PathBuf {
        self.directory.path().join("nix/store")
    }
}

impl Elsewhere for Other {
    fn bring(&self, path: &StorePath) -> io::Result<()> {
        let is_here = || self.store().join(path.base_name()).symlink_metadata().is_ok();
        if is_here() || !self.paths.contains(path) {
            return Ok(());
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if is_here() {
            return Ok(());
        }
        tracing::debug!(%path, url = self.url, "fetching");
        nix::fetch(&self.url, path, &self.store(), &self.hidden)
    }
}
