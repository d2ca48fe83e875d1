//! A file that appears under its name only when it is finished.
//!
//! An image that was cut short looks like one that is whole, so bytes go to a file of another name
//! in the same directory (`.disk.img.x7Yk2q.partial`), which is flushed to the disk and renamed at
//! the end. Whatever goes wrong before that, dropping the [`Output`] removes it. Streams and devices
//! are not for this type: they have no name that could come late.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

/// Permissions before the umask, as for any file a program makes.
const MODE: u32 = 0o666;

/// Permissions of a file that holds secrets.
const PRIVATE: u32 = 0o600;

/// Why a finished file could not be made or named.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name is taken.
    #[error("{} exists already", path.display())]
    Exists {
        /// The name.
        path: PathBuf,
    },
    /// The name is that of something an image cannot replace.
    #[error("{} is a {found}: expected the name of a file to make", path.display())]
    NotAFile {
        /// The name.
        path: PathBuf,
        /// What it names: "directory", "block device".
        found: &'static str,
    },
    /// The name ends in nothing, such as `..`.
    #[error("{} names no file", path.display())]
    NoName {
        /// The name.
        path: PathBuf,
    },
    /// The directory that would hold it is not there.
    #[error("there is no directory {}", directory.display())]
    NoDirectory {
        /// The directory.
        directory: PathBuf,
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

/// What to do with a file that has the name already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Leave it and fail.
    #[default]
    Keep,
    /// Replace it, at the very end.
    Replace,
}

/// A file in the making.
#[derive(Debug)]
pub struct Output {
    partial: NamedTempFile,
    path: PathBuf,
    directory: PathBuf,
    existing: Existing,
}

impl Output {
    /// Starts a file that will be named `path`; nothing of that name is touched yet.
    ///
    /// # Errors
    /// A name that is taken or that is no file's, or the system's answer.
    pub fn create(path: impl Into<PathBuf>, existing: Existing) -> Result<Self, Error> {
        Self::with_mode(path.into(), existing, MODE)
    }

    /// Starts a file that only its owner may ever read.
    ///
    /// # Errors
    /// As [`Output::create`].
    pub fn create_private(path: impl Into<PathBuf>, existing: Existing) -> Result<Self, Error> {
        Self::with_mode(path.into(), existing, PRIVATE)
    }

    fn with_mode(path: PathBuf, existing: Existing, mode: u32) -> Result<Self, Error> {
        let Some(name) = path.file_name() else {
            return Err(Error::NoName { path });
        };
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            Some(_) | None => PathBuf::from("."),
        };
        check_free(&path, existing)?;
        if !directory.is_dir() {
            return Err(Error::NoDirectory { directory });
        }
        let mut prefix = OsString::from(".");
        prefix.push(name);
        prefix.push(".");
        let partial = Builder::new()
            .prefix(&prefix)
            .suffix(".partial")
            .permissions(std::fs::Permissions::from_mode(mode))
            .tempfile_in(&directory);
        let partial = partial.map_err(|source| Error::Io {
            action: "make a file in",
            path: directory.clone(),
            source,
        })?;
        Ok(Self { partial, path, directory, existing })
    }

    /// Returns the file to write to: empty at first, open for reading and writing.
    pub fn file(&self) -> &File {
        self.partial.as_file()
    }

    /// Returns the name that the file will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Flushes the file to the disk and gives it its name.
    ///
    /// # Errors
    /// The system's answer, or that somebody took the name meanwhile; nothing is left behind then.
    pub fn commit(self) -> Result<(), Error> {
        let error = |action| {
            let path = self.path.clone();
            move |source| Error::Io { action, path, source }
        };
        self.partial.as_file().sync_all().map_err(error("flush"))?;
        check_free(&self.path, self.existing)?;
        let rename = error("rename the finished file to");
        let named = match self.existing {
            Existing::Keep => self.partial.persist_noclobber(&self.path),
            Existing::Replace => self.partial.persist(&self.path),
        };
        named.map_err(|failed| {
            if failed.error.kind() == io::ErrorKind::AlreadyExists {
                return Error::Exists { path: self.path.clone() };
            }
            rename(failed.error)
        })?;
        // The name itself lies in the directory.
        let directory = File::open(&self.directory).and_then(|opened| opened.sync_all());
        directory.map_err(|source| Error::Io {
            action: "flush the directory",
            path: self.directory,
            source,
        })
    }
}

/// Refuses names that are taken by something an image must not replace.
fn check_free(path: &Path, existing: Existing) -> Result<(), Error> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            return Err(Error::Io { action: "look at", path: path.to_owned(), source });
        }
    };
    // What a link leads to decides: a link to a disk is a disk to the person who typed it.
    let kind = std::fs::metadata(path).map_or(metadata.file_type(), |target| target.file_type());
    let found = if kind.is_dir() {
        "directory"
    } else if kind.is_block_device() {
        "block device"
    } else if kind.is_char_device() {
        "character device"
    } else if kind.is_fifo() {
        "named pipe"
    } else if kind.is_socket() {
        "socket"
    } else {
        return match existing {
            Existing::Keep => Err(Error::Exists { path: path.to_owned() }),
            Existing::Replace => Ok(()),
        };
    };
    Err(Error::NotAFile { path: path.to_owned(), found })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let host = crate::tree::HostDir::open(directory).unwrap();
        let mut names = Vec::new();
        crate::tree::scan::scan::<crate::tree::scan::ScanError>(&host, b"", &mut |found| {
            names.push(String::from_utf8_lossy(found.path).into_owned());
            Ok(())
        })
        .unwrap();
        names.retain(|name| !name.is_empty());
        names
    }

    #[test]
    fn a_file_appears_when_it_is_finished() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.img");
        let output = Output::create(&path, Existing::Keep).unwrap();
        output.file().write_all(b"whole").unwrap();
        let partial = names(dir.path());
        assert!(partial.len() == 1 && partial[0].ends_with(".partial"), "{partial:?}");
        output.commit().unwrap();
        assert_eq!(names(dir.path()), ["disk.img"]);
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");

        let error = Output::create(&path, Existing::Keep).unwrap_err();
        assert!(matches!(error, Error::Exists { .. }), "{error}");
        let output = Output::create(&path, Existing::Replace).unwrap();
        output.file().write_all(b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        output.commit().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_private_file_is_so_from_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.img");
        std::fs::write(&path, "anybody's").unwrap();
        let output = Output::create_private(&path, Existing::Replace).unwrap();
        let mode = |file: &File| file.metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(output.file()), 0o600);
        output.commit().unwrap();
        assert_eq!(mode(&File::open(&path).unwrap()), 0o600);
    }

    #[test]
    fn a_file_given_up_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        drop(Output::create(dir.path().join("disk.img"), Existing::Keep).unwrap());
        assert!(names(dir.path()).is_empty());
        // Somebody else took the name meanwhile.
        let output = Output::create(dir.path().join("disk.img"), Existing::Keep).unwrap();
        std::fs::write(dir.path().join("disk.img"), "theirs").unwrap();
        assert!(matches!(output.commit(), Err(Error::Exists { .. })));
        assert_eq!(names(dir.path()), ["disk.img"]);
    }

    #[test]
    fn names_that_are_no_files() {
        let dir = tempfile::tempdir().unwrap();
        let text = |path: &Path| Output::create(path, Existing::Replace).unwrap_err().to_string();
        assert!(text(dir.path()).contains("is a directory: expected the name of a file"));
        assert!(text(Path::new("/dev/null")).contains("is a character device"));
        assert!(text(Path::new("..")).contains("names no file"));
        assert!(text(&dir.path().join("no/disk.img")).contains("there is no directory"));
    }
}
