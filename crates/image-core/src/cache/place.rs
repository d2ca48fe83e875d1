//! The cache's directory: what is made in it, and the lock on its names.
//!
//! The lock is held for moments only: to look an entry up and record its use, to give a finished
//! one its name, to trim. Each time the file is opened anew, so threads exclude each other as
//! processes do. Entries lie side by side in one directory: today's file systems index them.

use std::fs::{DirBuilder, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{self, AtFlags, FlockOperation, Mode, OFlags, Stat, Timespec, Timestamps};
use rustix::io::{Errno, retry_on_intr};

use super::{Error, Key};
use crate::tree::{HostDir, HostFile, scan};

pub(super) const ENTRIES: &str = "entries";
pub(super) const USES: &str = "uses";
pub(super) const LEASES: &str = "leases";
pub(super) const DRAFTS: &str = "drafts";
const LOCK: &str = "lock";

/// The name and first line are those of <https://bford.info/cachedir/>.
const TAG: &str = "CACHEDIR.TAG";
const TAG_TEXT: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55
# Made by calve: compressed store paths. All of it can be made again.
";

/// Permissions of directories: nobody else may decide what images hold.
const DIRECTORY: u32 = 0o700;
/// Permissions of files.
const FILE: Mode = Mode::RUSR.union(Mode::WUSR);

/// The directory, kept open.
#[derive(Clone, Debug)]
pub(super) struct Place {
    dir: HostDir,
}

/// The lock on the directory's names; dropping it releases it.
#[derive(Debug)]
pub(super) struct Lock {
    _file: OwnedFd,
}

impl Place {
    /// Opens the directory, and makes what is missing.
    pub(super) fn make(directory: &Path) -> Result<Self, Error> {
        let made = DirBuilder::new().recursive(true).mode(DIRECTORY).create(directory);
        made.map_err(|source| {
            let path = directory.to_owned();
            Error::Io { action: "make the directory", path, source }
        })?;
        let place = Self { dir: HostDir::open(directory)? };
        place.check_ours()?;
        // The tag comes first: a directory with anything else and no tag is somebody else's.
        let tag = File::from(place.open(TAG, OFlags::RDWR | OFlags::CREATE)?);
        if place.size(&tag)? == 0 {
            let written = tag.write_all_at(TAG_TEXT, 0);
            written.map_err(|source| place.io("write", TAG, source))?;
        }
        for name in [ENTRIES, USES, LEASES, DRAFTS] {
            match fs::mkdirat(&place.dir, name, Mode::from_raw_mode(DIRECTORY)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(place.error("make the directory", name, errno)),
            }
        }
        Ok(place)
    }

    /// Opens the directory if it is there.
    pub(super) fn find(directory: &Path) -> Result<Option<Self>, Error> {
        match std::fs::metadata(directory) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Ok(_) | Err(_) => {}
        }
        let place = Self { dir: HostDir::open(directory)? };
        place.check_ours()?;
        Ok(Some(place))
    }

    fn check_ours(&self) -> Result<(), Error> {
        let is_used = !self.names(".")?.is_empty();
        if is_used && self.stat(TAG)?.is_none() {
            return Err(Error::Foreign { path: self.dir.path().to_owned() });
        }
        Ok(())
    }

    /// Returns the path by which it was opened.
    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Waits for the lock.
    pub(super) fn lock(&self) -> Result<Lock, Error> {
        // Network file systems lock only what is open for writing.
        let file = self.open(LOCK, OFlags::RDWR | OFlags::CREATE)?;
        retry_on_intr(|| fs::flock(&file, FlockOperation::LockExclusive))
            .map_err(|errno| self.error("lock", LOCK, errno))?;
        Ok(Lock { _file: file })
    }

    /// Describes the file of an entry, if there is one.
    pub(super) fn entry(&self, key: Key) -> Result<Option<Arc<HostFile>>, Error> {
        let path = entry_path(key);
        match self.stat(&path)? {
            Some(_) => Ok(Some(self.dir.host_file(path.as_bytes())?)),
            None => Ok(None),
        }
    }

    /// Gives a finished file its name.
    pub(super) fn name_entry(
        &self,
        from: &str,
        key: Key,
        _: &Lock,
    ) -> Result<Arc<HostFile>, Error> {
        let path = entry_path(key);
        fs::renameat(&self.dir, from, &self.dir, path.as_str())
            .map_err(|errno| self.error("rename a finished file to", &path, errno))?;
        Ok(self.dir.host_file(path.as_bytes())?)
    }

    /// Removes an entry, and then what is known of its use.
    pub(super) fn remove_entry(&self, key: Key, _: &Lock) -> Result<(), Error> {
        self.remove(&entry_path(key))?;
        self.remove(&use_path(key))
    }

    /// Sets the time of an entry's last use to now, by the kernel's clock.
    pub(super) fn touch(&self, key: Key) -> Result<(), Error> {
        let path = use_path(key);
        let file = self.open(&path, OFlags::WRONLY | OFlags::CREATE)?;
        let now = Timespec { tv_sec: 0, tv_nsec: fs::UTIME_NOW };
        let now = Timestamps { last_access: now, last_modification: now };
        fs::futimens(file, &now).map_err(|errno| self.error("set the time of", &path, errno))
    }

    /// Lists a directory; what has gone meanwhile is listed, too.
    pub(super) fn names(&self, below: &str) -> Result<Vec<String>, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let listed = match fs::openat(&self.dir, below, flags, Mode::empty()) {
            Ok(directory) => scan::names(directory),
            Err(Errno::NOENT) => Ok(Vec::new()),
            Err(errno) => Err(errno),
        };
        let listed = listed.map_err(|errno| self.error("list the directory", below, errno))?;
        // A name that is no text is none of ours.
        Ok(listed.into_iter().filter_map(|name| name.into_string().ok()).collect())
    }

    /// Opens or makes a file.
    pub(super) fn open(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Error> {
        fs::openat(&self.dir, path, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, FILE)
            .map_err(|errno| self.error("open", path, errno))
    }

    /// Describes a file, if it is there.
    pub(super) fn stat(&self, path: &str) -> Result<Option<Stat>, Error> {
        match fs::statat(&self.dir, path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.error("read the metadata of", path, errno)),
        }
    }

    /// Removes a file that may have gone already.
    pub(super) fn remove(&self, path: &str) -> Result<(), Error> {
        match fs::unlinkat(&self.dir, path, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.error("remove", path, errno)),
        }
    }

    fn size(&self, file: &File) -> Result<u64, Error> {
        let metadata = file.metadata();
        Ok(metadata.map_err(|source| self.io("read the metadata of", TAG, source))?.len())
    }

    pub(super) fn error(&self, action: &'static str, below: &str, errno: Errno) -> Error {
        self.io(action, below, errno.into())
    }

    pub(super) fn io(&self, action: &'static str, below: &str, source: std::io::Error) -> Error {
        Error::Io { action, path: self.dir.resolve(below.as_bytes()), source }
    }
}

pub(super) fn entry_path(key: Key) -> String {
    format!("{ENTRIES}/{}", key.name())
}

pub(super) fn use_path(key: Key) -> String {
    format!("{USES}/{}", key.name())
}
