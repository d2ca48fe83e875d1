//! Where the kernel and udev say what devices there are: small files below one root.
//!
//! The root is `/`, and in tests a directory that was recorded elsewhere. What decides whether a device
//! may be written has to be readable; what only describes it may be missing.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::{DeviceNumber, Error};

/// The files of a running system.
#[derive(Debug, Clone)]
pub struct Host {
    root: PathBuf,
}

impl Host {
    /// This one.
    pub fn running() -> Self {
        Self::below("/")
    }

    /// One whose files lie below a directory.
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Returns where an absolute path lies.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Reads a file that decides; one that does not exist is empty.
    ///
    /// # Errors
    /// The system's answer.
    pub fn text(&self, path: &Path) -> Result<String, Error> {
        match fs::read(path) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(source) => Err(Error::Read { path: path.to_owned(), source }),
        }
    }

    /// Reads a number that decides.
    ///
    /// # Errors
    /// There is none.
    pub fn number(&self, path: &Path) -> Result<u64, Error> {
        let text = self.text(path)?;
        text.trim().parse().map_err(|_| Error::Nonsense {
            path: path.to_owned(),
            expected: "a number",
            found: text.trim().to_owned(),
        })
    }

    /// Reads a line that describes; none where it is empty or cannot be read.
    pub fn attribute(&self, path: &Path) -> Option<String> {
        let bytes = fs::read(path).ok()?;
        let text = String::from_utf8_lossy(&bytes).trim_matches(['\0', ' ', '\n']).to_owned();
        if text.is_empty() { None } else { Some(text) }
    }

    /// Lists a directory, sorted; one that does not exist is empty.
    ///
    /// # Errors
    /// The system's answer.
    pub fn names(&self, directory: &Path) -> Result<Vec<String>, Error> {
        let error = |source| Error::Read { path: directory.to_owned(), source };
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(error(source)),
        };
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let names: Result<Vec<String>, io::Error> = entries.map(|entry| entry.map(name)).collect();
        let mut names = names.map_err(error)?;
        names.sort();
        Ok(names)
    }

    /// Finds the directory in which the kernel describes a device.
    ///
    /// # Errors
    /// There is no such device.
    pub fn node(&self, number: DeviceNumber) -> Result<PathBuf, Error> {
        let link = self.path(format!("/sys/dev/block/{number}"));
        fs::canonicalize(&link).map_err(|source| Error::Read { path: link, source })
    }

    /// Finds the number of the block device that a path of the system leads to; none where it is none.
    pub fn number_of(&self, path: &Path) -> Option<DeviceNumber> {
        let metadata = fs::metadata(self.path(path)).ok();
        if let Some(metadata) = metadata.filter(|found| found.file_type().is_block_device()) {
            return Some(DeviceNumber::from_raw(metadata.rdev()));
        }
        // The name may be one of another time, as the initrd's, and still be the kernel's.
        let name = path.strip_prefix("/dev").ok()?.to_str()?;
        let name = name.strip_prefix("mapper/").unwrap_or(name).replace('/', "!");
        let class = self.path("/sys/class/block");
        let of = |node: &str| self.attribute(&class.join(node).join("dev"))?.parse().ok();
        of(&name).or_else(|| {
            let nodes = self.names(&class).ok()?;
            let is_named = |node: &&String| {
                self.attribute(&class.join(node).join("dm/name")).as_ref() == Some(&name)
            };
            of(nodes.iter().find(is_named)?)
        })
    }

    /// Reads what udev has noted about a device.
    pub fn udev(&self, number: DeviceNumber) -> BTreeMap<String, String> {
        let text = fs::read(self.path(format!("/run/udev/data/b{number}"))).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let pairs = text.lines().filter_map(|line| line.strip_prefix("E:")?.split_once('='));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }
}
