//! Where a file's bytes come from.
//!
//! A tree never holds the data of host files, it holds *which* file: a directory kept open, a path
//! below it, and what identified the file when the tree was made. Whoever reads it later checks
//! that it still is that file, before the first byte and after the last, so an image never mixes
//! two versions of its input. Links are not followed on the way.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{self, Mode, OFlags};

use crate::plan::Plan;
use crate::units::Bytes;

/// The bytes of a file: on the host, in memory, or an image of their own.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file of the host.
    Host(Arc<HostFile>),
    /// Bytes that were made here.
    Bytes(Arc<[u8]>),
    /// Another image: a squashfs inside an ISO, an EFI partition inside an El Torito catalog.
    Plan(Arc<Plan>),
}

impl Source {
    /// Holds bytes that were made here.
    pub fn bytes(data: impl Into<Arc<[u8]>>) -> Self {
        Self::Bytes(data.into())
    }

    /// Returns the size of the file.
    pub fn size(&self) -> Bytes {
        match self {
            Self::Host(file) => file.identity.size,
            Self::Bytes(data) => Bytes::of(data),
            Self::Plan(plan) => plan.size(),
        }
    }
}

/// What must stay the same about a host file from planning until its last byte was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `st_dev` and `st_ino`.
    pub inode: (u64, u64),
    /// `st_size`.
    pub size: Bytes,
    /// `st_mtim`, seconds and nanoseconds.
    pub modified: (i64, i64),
    /// `st_ctim`, seconds and nanoseconds.
    pub changed: (i64, i64),
}

impl Identity {
    /// Takes the identifying fields of a `stat`, whose types differ between systems.
    pub(super) fn of(stat: &fs::Stat) -> Self {
        Self {
            inode: (field(stat.st_dev), field(stat.st_ino)),
            size: Bytes::new(field(stat.st_size)),
            modified: (field(stat.st_mtime), field(stat.st_mtime_nsec)),
            changed: (field(stat.st_ctime), field(stat.st_ctime_nsec)),
        }
    }
}

/// Converts a `stat` field; none is out of range on a system that calve builds on.
pub(super) fn field<From, To: TryFrom<From> + Default>(value: From) -> To {
    To::try_from(value).unwrap_or_default()
}

/// A host file that could not be read, or is not what it was.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried: "open", "read".
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The file changed between planning and reading.
    #[error(
        "{} changed while the image was being built: {what} was {before} and is now {after}",
        path.display()
    )]
    Changed {
        /// Which file.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// When the tree was made.
        before: String,
        /// When it was read.
        after: String,
    },
}

/// A directory of the host, kept open: what is below it is reached through it.
#[derive(Clone, Debug)]
pub struct HostDir(Arc<OpenDir>);

#[derive(Debug)]
struct OpenDir {
    path: PathBuf,
    fd: OwnedFd,
}

impl HostDir {
    /// Opens a directory; links in `path` itself are followed.
    ///
    /// # Errors
    /// The system's answer, with the path.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, SourceError> {
        let path = path.into();
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        match fs::open(&path, flags, Mode::empty()) {
            Ok(fd) => Ok(Self(Arc::new(OpenDir { path, fd }))),
            Err(errno) => {
                Err(SourceError::Io { action: "open directory", path, source: errno.into() })
            }
        }
    }

    /// Returns the path it was opened by.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Spells out the path of something below, for messages.
    pub fn resolve(&self, below: &[u8]) -> PathBuf {
        self.0.path.join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(below))
    }

    /// Describes the regular file at a path below, as it is now.
    ///
    /// # Errors
    /// The system's answer with the path; anything but a regular file is refused.
    pub fn file(&self, below: &[u8]) -> Result<Source, SourceError> {
        self.host_file(below).map(Source::Host)
    }

    /// Describes it as a file of the host, which is what it is.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn host_file(&self, below: &[u8]) -> Result<Arc<HostFile>, SourceError> {
        let error = |errno: rustix::io::Errno| self.io("read the metadata of", below, errno.into());
        let stat = fs::statat(&self.0.fd, below, fs::AtFlags::SYMLINK_NOFOLLOW).map_err(error)?;
        if fs::FileType::from_raw_mode(stat.st_mode) != fs::FileType::RegularFile {
            let found = format!("expected a regular file, found mode {:o}", stat.st_mode);
            return Err(self.io("use", below, io::Error::new(io::ErrorKind::InvalidInput, found)));
        }
        Ok(self.described(below, &stat))
    }

    pub(super) fn source(&self, below: &[u8], stat: &fs::Stat) -> Source {
        Source::Host(self.described(below, stat))
    }

    fn described(&self, below: &[u8], stat: &fs::Stat) -> Arc<HostFile> {
        let identity = Identity::of(stat);
        let place = Place::Below { dir: self.clone(), path: below.into() };
        Arc::new(HostFile { place, identity })
    }

    pub(super) fn io(&self, action: &'static str, below: &[u8], source: io::Error) -> SourceError {
        SourceError::Io { action, path: self.resolve(below), source }
    }

    /// Opens something below without following a single link.
    pub(super) fn open_below(&self, below: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::ResolveFlags;
            use rustix::io::Errno;
            let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
            match fs::openat2(&self.0.fd, below, flags, Mode::empty(), resolve) {
                // Kernels before 5.6 lack it and some container sandboxes refuse it: there only the
                // last component is guarded.
                Err(Errno::NOSYS | Errno::PERM) => {}
                other => return Ok(other?),
            }
        }
        Ok(fs::openat(&self.0.fd, below, flags, Mode::empty())?)
    }
}

impl AsFd for HostDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.fd.as_fd()
    }
}

/// A regular file of the host, as it was when the tree was made.
#[derive(Debug)]
pub struct HostFile {
    place: Place,
    identity: Identity,
}

/// How a file is reached.
#[derive(Debug)]
enum Place {
    /// By its path below a directory.
    Below { dir: HostDir, path: Box<[u8]> },
    /// It is held open, because it has no name: the name is what messages call it.
    Held { file: File, name: PathBuf },
}

impl HostFile {
    /// Describes a file that has no name, such as a spool, as it is now; messages call it `name`.
    ///
    /// # Errors
    /// The system's answer.
    pub fn held(file: File, name: PathBuf) -> Result<Self, SourceError> {
        match fs::fstat(&file) {
            Ok(stat) => {
                Ok(Self { identity: Identity::of(&stat), place: Place::Held { file, name } })
            }
            Err(errno) => {
                Err(SourceError::Io { action: "check", path: name, source: errno.into() })
            }
        }
    }

    /// Spells out the whole path, for messages.
    pub fn path(&self) -> PathBuf {
        match &self.place {
            Place::Below { dir, path } => dir.resolve(path),
            Place::Held { name, .. } => name.clone(),
        }
    }

    /// Returns the path below the directory it was found in: the same wherever that lies.
    pub fn relative(&self) -> &[u8] {
        match &self.place {
            Place::Below { path, .. } => path,
            Place::Held { name, .. } => name.as_os_str().as_encoded_bytes(),
        }
    }

    /// Returns what identified the file.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Opens the file and checks that it is the one that was planned.
    ///
    /// # Errors
    /// The system's answer, or what changed.
    pub fn open(&self) -> Result<File, SourceError> {
        let opened = match &self.place {
            Place::Below { dir, path } => dir.open_below(path, OFlags::RDONLY).map(File::from),
            Place::Held { file, .. } => file.try_clone(),
        };
        let file = opened.map_err(|error| self.io("open", error))?;
        self.check(&file)?;
        Ok(file)
    }

    /// Checks that an open file still is the one that was planned: call it after the last read.
    ///
    /// # Errors
    /// What changed, before and after.
    pub fn check(&self, file: &File) -> Result<(), SourceError> {
        let stat = fs::fstat(file).map_err(|errno| self.io("check", errno.into()))?;
        let (before, after) = (&self.identity, Identity::of(&stat));
        let what = if before.inode != after.inode {
            ("device and inode", format!("{:?}", before.inode), format!("{:?}", after.inode))
        } else if before.size != after.size {
            ("its size", before.size.get().to_string(), after.size.get().to_string())
        } else if before.modified != after.modified {
            ("its mtime", format!("{:?}", before.modified), format!("{:?}", after.modified))
        } else if before.changed != after.changed {
            ("its ctime", format!("{:?}", before.changed), format!("{:?}", after.changed))
        } else {
            return Ok(());
        };
        let (what, before, after) = what;
        Err(SourceError::Changed { path: self.path(), what, before, after })
    }

    fn io(&self, action: &'static str, source: io::Error) -> SourceError {
        SourceError::Io { action, path: self.path(), source }
    }
}
