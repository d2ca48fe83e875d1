//! The place of a host key on a machine.
//!
//! A key that is half written, or that others may read for a moment, is worse than none. So it goes
//! to a file of another name, which only its owner may read from the start, is flushed, and takes its name
//! at once. The public half lies beside it, as sshd has it.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};
use zeroize::Zeroizing;

use super::{LARGEST, PrivateKey, PublicKey};

/// Only its owner may read a private key; sshd refuses others.
const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o644;
const DIRECTORY: u32 = 0o755;

/// Why a key cannot be stored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name is that of something that is no file of a key.
    #[error("{} is a {found}: expected the name of a file", path.display())]
    NotAFile {
        /// The name.
        path: PathBuf,
        /// What it names.
        found: &'static str,
    },
    /// The system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// What is stored already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// Nothing.
    Nothing,
    /// The expected key.
    Expected,
    /// Another key, or a file that is none: why it is not the expected one.
    Other(super::Error),
}

/// Where a private key is stored.
#[derive(Clone, Debug)]
pub struct Store {
    path: PathBuf,
    directory: PathBuf,
}

impl Store {
    /// Names the private key's file; nothing is looked at yet.
    ///
    /// # Errors
    /// A name that is no file's.
    pub fn new(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let directory = match (path.file_name(), path.parent()) {
            (Some(_), Some(parent)) if parent.as_os_str().is_empty() => PathBuf::from("."),
            (Some(_), Some(parent)) => parent.to_owned(),
            (_, _) => return Err(Error::NotAFile { path, found: "directory" }),
        };
        Ok(Self { path, directory })
    }

    /// Returns the name of the private key's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the name that a key gets when another one takes its place.
    pub fn old(&self) -> PathBuf {
        self.beside(".old")
    }

    /// Looks at what is stored.
    ///
    /// # Errors
    /// A name that is no regular file's, or the system's answer.
    pub fn look(&self, expected: &PublicKey) -> Result<Stored, Error> {
        let metadata = match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Stored::Nothing),
            found => found.map_err(|source| self.io("look at", source))?,
        };
        if !metadata.is_file() {
            let is_link = metadata.is_symlink();
            let found = if is_link { "symbolic link" } else { "directory or device" };
            return Err(Error::NotAFile { path: self.path.clone(), found });
        }
        let mut text = Zeroizing::new(Vec::with_capacity(LARGEST));
        let file = File::open(&self.path).map_err(|source| self.io("open", source))?;
        let most = u64::try_from(LARGEST).unwrap_or(u64::MAX);
        file.take(most).read_to_end(&mut text).map_err(|source| self.io("read", source))?;
        Ok(match super::find(&text, Some(expected)) {
            Ok(_) if super::block::is_bare(&text) => Stored::Expected,
            Ok(_) => Stored::Other(super::Error::Surrounded),
            Err(error) => Stored::Other(error),
        })
    }

    /// Completes the expected key, which is stored: its mode and the public half beside it.
    ///
    /// # Errors
    /// The system's answer.
    pub fn complete(&self, expected: &PublicKey) -> Result<(), Error> {
        let metadata = fs::metadata(&self.path).map_err(|source| self.io("look at", source))?;
        if metadata.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(&self.path, Permissions::from_mode(PRIVATE))
                .map_err(|source| self.io("protect", source))?;
        }
        if fs::symlink_metadata(self.public()).is_ok() { Ok(()) } else { self.publish(expected) }
    }

    /// Makes the directory and proves that a file can be made in it: better now than after somebody
    /// went to fetch the key.
    ///
    /// # Errors
    /// The system's answer.
    pub fn prepare(&self) -> Result<(), Error> {
        self.make_directory(&self.directory)?;
        let mut probe = self.partial(&self.path, PRIVATE)?;
        // A full disk takes names, but no bytes.
        probe.write_all(&[0; 4096]).map_err(|source| self.io("write beside", source))
    }

    /// Stores a key; another one that has its place is kept as [`Store::old`].
    ///
    /// # Errors
    /// The system's answer; what was stored before is still there then.
    pub fn write(&self, key: &PrivateKey) -> Result<(), Error> {
        let private = self.filled(&self.path, PRIVATE, &key.text())?;
        if fs::symlink_metadata(&self.path).is_ok() {
            self.keep_old()?;
        }
        self.name(private, &self.path)?;
        self.publish(key.public())
    }

    /// Gives what is stored a second name, so that at no moment there is no key.
    fn keep_old(&self) -> Result<(), Error> {
        let old = self.old();
        match fs::remove_file(&old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::Io { action: "remove", path: old, source: error });
            }
            Ok(()) | Err(_) => {}
        }
        fs::hard_link(&self.path, &old).map_err(|source| Error::Io {
            action: "keep the key of before as",
            path: old,
            source,
        })
    }

    /// Stores the public half.
    fn publish(&self, key: &PublicKey) -> Result<(), Error> {
        let path = self.public();
        let public = self.filled(&path, PUBLIC, format!("{}\n", key.line()).as_bytes())?;
        self.name(public, &path)
    }

    fn public(&self) -> PathBuf {
        self.beside(".pub")
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(ending);
        PathBuf::from(name)
    }

    /// Makes a directory and those above it; the umask of whoever boots the machine counts for nothing.
    fn make_directory(&self, directory: &Path) -> Result<(), Error> {
        let error =
            |source| Error::Io { action: "make directory", path: directory.to_owned(), source };
        if directory.is_dir() {
            return Ok(());
        }
        let parent = match directory.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            Some(_) | None => Path::new("."),
        };
        self.make_directory(parent)?;
        DirBuilder::new().mode(DIRECTORY).create(directory).map_err(error)?;
        fs::set_permissions(directory, Permissions::from_mode(DIRECTORY)).map_err(error)?;
        // Its name lies in the directory above, and has to last as long as the key.
        File::open(parent).and_then(|opened| opened.sync_all()).map_err(error)
    }

    /// Starts a file beside the key.
    fn partial(&self, path: &Path, mode: u32) -> Result<NamedTempFile, Error> {
        let mut prefix = OsString::from(".");
        prefix.push(path.file_name().unwrap_or_default());
        prefix.push(".");
        let mut builder = Builder::new();
        builder.prefix(&prefix).suffix(".partial").permissions(Permissions::from_mode(PRIVATE));
        let file = builder.tempfile_in(&self.directory).and_then(|file| {
            file.as_file().set_permissions(Permissions::from_mode(mode))?;
            Ok(file)
        });
        let path = self.directory.clone();
        file.map_err(|source| Error::Io { action: "make a file in", path, source })
    }

    fn filled(&self, path: &Path, mode: u32, bytes: &[u8]) -> Result<NamedTempFile, Error> {
        let mut file = self.partial(path, mode)?;
        let written = file.write_all(bytes).and_then(|()| file.as_file().sync_all());
        let path = path.to_owned();
        written.map_err(|source| Error::Io { action: "write", path, source })?;
        Ok(file)
    }

    /// Gives a finished file its name, which lies in the directory and is flushed with it.
    fn name(&self, file: NamedTempFile, path: &Path) -> Result<(), Error> {
        let named = file.persist(path).map_err(|failed| failed.error);
        let flushed = named.and_then(|_| File::open(&self.directory)?.sync_all());
        let path = path.to_owned();
        flushed.map_err(|source| Error::Io { action: "give its name to", path, source })
    }

    fn io(&self, action: &'static str, source: io::Error) -> Error {
        Error::Io { action, path: self.path.clone(), source }
    }
}
