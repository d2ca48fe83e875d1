//! The store's files on this machine: `/nix/store` itself, or a copy of it below some directory.
//!
//! Links inside a closure are absolute (`/nix/store/…`), so in a chroot store the system's own
//! resolution would leave the directory and read the builder's store. Paths are therefore resolved here,
//! one component at a time, within the store as the image will have it. A link that leads out of the
//! store is an error: nothing outside is part of the closure.
//!
//! Reading is bounded: these are the small files that decide how a system boots.
//!
//! A store may also have its paths elsewhere ([`Elsewhere`]): then each is brought when it is first looked at.

use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::store_path::{self, STORE_DIR, StoreFile, StorePath};
use crate::units::Bytes;

/// How many links are followed before it counts as a loop; the kernel's own number.
const LINKS_MAX: usize = 40;

/// Why a file of the store could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Which file of this machine.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Links lead in a circle.
    #[error("{file} leads through more than {LINKS_MAX} links")]
    Loop {
        /// Where it began.
        file: String,
    },
    /// A link leads out of the store.
    #[error("{file} leads to {target:?}, which is not in {STORE_DIR}")]
    Outside {
        /// Where it began.
        file: String,
        /// Where it led.
        target: String,
    },
    /// A file is larger than such a file can be.
    #[error("{file} is {found}, expected at most {limit}")]
    Size {
        /// Which file.
        file: StoreFile,
        /// Its size.
        found: Bytes,
        /// The limit.
        limit: Bytes,
    },
    /// A file that must be text is none.
    #[error("{file} is not UTF-8 text")]
    Text {
        /// Which file.
        file: StoreFile,
    },
    /// The argument names no system.
    #[error("{} is no path of the store and no link to one", path.display())]
    NotInStore {
        /// The path as given.
        path: PathBuf,
    },
    /// The argument leads into the store, but to a malformed path.
    #[error("{} leads to a malformed store path", path.display())]
    Malformed {
        /// The path as given.
        path: PathBuf,
        /// What is wrong with it.
        source: store_path::Error,
    },
}

impl Error {
    /// Whether the file is simply not there.
    pub fn is_not_found(&self) -> bool {
        use io::ErrorKind::{NotADirectory, NotFound};
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), NotFound | NotADirectory))
    }
}

/// Another store, from which paths are brought when they are looked at.
pub trait Elsewhere: std::fmt::Debug + Send + Sync {
    /// Puts a path with all its files where the store has it on this machine, unless it is there; called often, and by several
    /// workers at once.
    ///
    /// # Errors
    /// It could not be brought. A path that is not the other store's is no error: it is not there then.
    fn bring(&self, path: &StorePath) -> io::Result<()>;
}

/// Where a closure's files are on this machine.
#[derive(Debug, Clone)]
pub struct HostStore {
    prefix: PathBuf,
    workers: NonZeroUsize,
    elsewhere: Option<Arc<dyn Elsewhere>>,
}

impl HostStore {
    /// The machine's own `/nix/store`.
    pub fn host() -> Self {
        Self::at("/")
    }

    /// A chroot store: `prefix/nix/store/…` stands for `/nix/store/…`.
    pub fn at(prefix: impl Into<PathBuf>) -> Self {
        Self { prefix: prefix.into(), workers: NonZeroUsize::MIN, elsewhere: None }
    }

    /// Lets several workers look at a closure's files; what they find does not depend on it.
    #[must_use]
    pub fn with_workers(self, workers: NonZeroUsize) -> Self {
        Self { workers, ..self }
    }

    /// Lets paths that are not here be brought when they are looked at.
    #[must_use]
    pub fn with_elsewhere(self, elsewhere: Arc<dyn Elsewhere>) -> Self {
        Self { elsewhere: Some(elsewhere), ..self }
    }

    /// Whether most of its paths may not be here.
    pub fn is_elsewhere(&self) -> bool {
        self.elsewhere.is_some()
    }

    /// How many workers look at a closure's files: one, unless the caller says.
    pub fn workers(&self) -> NonZeroUsize {
        self.workers
    }

    /// The directory that stands for `/`.
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// The directory that stands for `/nix/store`.
    pub fn directory(&self) -> PathBuf {
        self.prefix.join("nix/store")
    }

    /// The directory of the store's database.
    pub fn database(&self) -> PathBuf {
        self.prefix.join("nix/var/nix/db")
    }

    /// Where a file is on this machine; its own links are not followed.
    pub fn locate(&self, file: &StoreFile) -> PathBuf {
        let mut path = self.directory();
        path.push(file.path().base_name());
        if !file.inner().is_empty() {
            path.push(file.inner());
        }
        path
    }

    /// Follows all links, within the store.
    pub fn resolve(&self, file: &StoreFile) -> Result<StoreFile, Error> {
        self.follow(&file.to_string())
    }

    fn follow(&self, start: &str) -> Result<StoreFile, Error> {
        let mut left: Vec<String> = components(start);
        let mut real: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = left.pop() {
            if part == ".." {
                real.pop();
                continue;
            }
            real.push(part);
            // Links above the store's entries are the machine's own affair.
            if real.len() <= 2 {
                continue;
            }
            let path = self.prefix.join(real.join("/"));
            if let (Some(elsewhere), [_, _, name]) = (&self.elsewhere, real.as_slice())
                && let Ok(store_path) = StorePath::from_base_name(name)
            {
                elsewhere.bring(&store_path).map_err(io_error("bring", &path))?;
            }
            let metadata = fs::symlink_metadata(&path).map_err(io_error("look at", &path))?;
            if !metadata.is_symlink() {
                continue;
            }
            links += 1;
            if links > LINKS_MAX {
                return Err(Error::Loop { file: start.to_owned() });
            }
            let target = fs::read_link(&path).map_err(io_error("read the link", &path))?;
            let target = target.to_string_lossy().into_owned();
            real.pop();
            if target.starts_with('/') {
                real.clear();
            }
            left.extend(components(&target));
            let ahead = real.iter().chain(left.iter().rev()).take(2).map(String::as_str);
            if target.starts_with('/') && !ahead.eq(["nix", "store"]) {
                return Err(Error::Outside { file: start.to_owned(), target });
            }
        }
        let target = format!("/{}", real.join("/"));
        target.parse().map_err(|_| Error::Outside { file: start.to_owned(), target })
    }

    /// What a file is after following links; `None` where nothing is there.
    pub fn kind(&self, file: &StoreFile) -> Result<Option<FileType>, Error> {
        match self.resolve(file) {
            Ok(real) => {
                let path = self.locate(&real);
                let metadata = fs::symlink_metadata(&path).map_err(io_error("look at", &path))?;
                Ok(Some(metadata.file_type()))
            }
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens a file for reading, links followed.
    pub fn open(&self, file: &StoreFile) -> Result<File, Error> {
        let path = self.locate(&self.resolve(file)?);
        File::open(&path).map_err(io_error("open", &path))
    }

    /// Reads a small file, links followed.
    pub fn read(&self, file: &StoreFile, limit: Bytes) -> Result<Vec<u8>, Error> {
        let path = self.locate(&self.resolve(file)?);
        let opened = File::open(&path).map_err(io_error("open", &path))?;
        let mut bytes = Vec::new();
        let mut bounded = opened.take(limit.get().saturating_add(1));
        bounded.read_to_end(&mut bytes).map_err(io_error("read", &path))?;
        let found = Bytes::of(&bytes);
        if found > limit {
            let found = fs::metadata(&path).map_or(found, |metadata| Bytes::new(metadata.len()));
            return Err(Error::Size { file: file.clone(), found, limit });
        }
        Ok(bytes)
    }

    /// Reads a small text, links followed.
    pub fn read_text(&self, file: &StoreFile, limit: Bytes) -> Result<String, Error> {
        let bytes = self.read(file, limit)?;
        String::from_utf8(bytes).map_err(|_| Error::Text { file: file.clone() })
    }

    /// The names in a directory, sorted, links followed on the way to it.
    pub fn names(&self, directory: &StoreFile) -> Result<Vec<String>, Error> {
        let path = self.locate(&self.resolve(directory)?);
        let opened = File::open(&path).map_err(io_error("open", &path))?;
        let listed = rustix::fs::Dir::read_from(opened)
            .and_then(|entries| {
                entries
                    .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                    .collect::<Result<Vec<String>, rustix::io::Errno>>()
            })
            .map_err(|errno| io_error("list", &path)(errno.into()))?;
        let mut names = listed;
        names.retain(|name| name != "." && name != "..");
        names.sort_unstable();
        Ok(names)
    }

    /// Finds the store path that an argument means: a path of the store, one of its copy in the
    /// chroot store, or a link (`./result`, a profile) to one.
    pub fn find(&self, argument: &Path) -> Result<StorePath, Error> {
        let mut path = argument.to_owned();
        for _ in 0..=LINKS_MAX {
            if let Some(inside) = self.inside(&path) {
                return self.follow_to_top(argument, &inside);
            }
            let metadata = fs::symlink_metadata(&path).map_err(io_error("look at", &path))?;
            if !metadata.is_symlink() {
                return Err(Error::NotInStore { path: argument.to_owned() });
            }
            let target = fs::read_link(&path).map_err(io_error("read the link", &path))?;
            path = path.parent().map(|parent| parent.join(&target)).unwrap_or(target);
        }
        Err(Error::Loop { file: argument.display().to_string() })
    }

    /// A path as the image will have it, if it lies in the store.
    fn inside(&self, path: &Path) -> Option<String> {
        if path.starts_with(STORE_DIR) {
            return path.to_str().map(str::to_owned);
        }
        let store = fs::canonicalize(self.directory()).ok()?;
        // The last component may be a link of the store, which must be followed within it.
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            Some(_) | None => Path::new("."),
        };
        let real = fs::canonicalize(parent).ok()?.join(path.file_name()?);
        let inner = real.strip_prefix(store).ok()?;
        Some(format!("{STORE_DIR}/{}", inner.to_str()?))
    }

    fn follow_to_top(&self, argument: &Path, inside: &str) -> Result<StorePath, Error> {
        let malformed = |source| Error::Malformed { path: argument.to_owned(), source };
        inside.parse::<StoreFile>().map_err(malformed)?;
        let file = self.follow(inside)?;
        if file.inner().is_empty() {
            Ok(file.path().clone())
        } else {
            Err(Error::NotInStore { path: argument.to_owned() })
        }
    }
}

/// The components of a path from the last to the first, those that change nothing left out.
fn components(path: &str) -> Vec<String> {
    let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
    parts.rev().map(str::to_owned).collect()
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { action, path, source }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
