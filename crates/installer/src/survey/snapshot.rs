//! What a machine says of itself, brought here: so that one survey reads this machine and others alike.
//!
//! One script (`snapshot.sh`) runs there, changes nothing, and answers with the small files of `/sys`, `/proc` and
//! `/run/udev` that a survey reads. They go below a directory of ours, and [`Host`] reads them there. The
//! other machine is not trusted with ours: only small files and links inside the directory are taken.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use tempfile::TempDir;

use super::Host;
use crate::target::{self, Call, Target};

/// What runs on the machine.
const SCRIPT: &[u8] = include_bytes!("snapshot.sh");

/// The most that one of its files may hold.
const MOST: u64 = 1 << 20;

/// The files of a machine, as they were at one time.
#[derive(Debug)]
pub struct Snapshot {
    directory: TempDir,
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine could not be asked.
    #[error(transparent)]
    Target(#[from] target::Error),
    /// It could not answer.
    #[error("{name} cannot be surveyed: {said}")]
    Refused {
        /// Which machine.
        name: String,
        /// Its last words.
        said: String,
    },
    /// Its answer is none.
    #[error(
        "the survey of {name} cannot be read: {path} is {found}, expected small files and links below it"
    )]
    Nonsense {
        /// Which machine.
        name: String,
        /// Which file.
        path: String,
        /// What is wrong with it.
        found: &'static str,
    },
    /// There is no place for it here, or it is cut off.
    #[error("the survey of {name} cannot be unpacked")]
    Unpack {
        /// Which machine.
        name: String,
        /// The system's answer.
        source: io::Error,
    },
}

impl Snapshot {
    /// Asks a machine.
    ///
    /// # Errors
    /// It cannot be asked, or what it says is no answer.
    pub fn take(target: &dyn Target) -> Result<Self, Error> {
        let call = Call { input: SCRIPT, as_root: true, ..Call::new(&["sh", "-s"]) };
        let answer = target.call(&call)?;
        if !answer.is_good() {
            let said = answer.last_words().to_owned();
            return Err(Error::Refused { name: target.name().to_owned(), said });
        }
        Self::unpack(&answer.out, target.name())
    }

    /// The machine, as [`Host`] reads it.
    pub fn host(&self) -> Host {
        Host::below(self.directory.path())
    }

    fn unpack(archive: &[u8], name: &str) -> Result<Self, Error> {
        let failed = |source| Error::Unpack { name: name.to_owned(), source };
        let directory =
            tempfile::Builder::new().prefix("calve-survey-").tempdir().map_err(failed)?;
        let mut archive = tar::Archive::new(archive);
        // It is two archives, one after the other.
        archive.set_ignore_zeros(true);
        for entry in archive.entries().map_err(failed)? {
            let mut entry = entry.map_err(failed)?;
            let path = entry.path().map_err(failed)?.into_owned();
            let nonsense = |found| {
                let path = path.display().to_string();
                Error::Nonsense { name: name.to_owned(), path, found }
            };
            let place = inside(Path::new(""), &path).ok_or_else(|| nonsense("not below it"))?;
            let to = directory.path().join(&place);
            if fs::symlink_metadata(&to).is_ok_and(|there| !there.is_dir()) {
                return Err(nonsense("there twice"));
            }
            let kind = entry.header().entry_type();
            let above = if kind.is_dir() { Some(to.as_path()) } else { to.parent() };
            above.map_or(Ok(()), fs::create_dir_all).map_err(failed)?;
            if kind.is_file() {
                if entry.size() > MOST {
                    return Err(nonsense("large"));
                }
                let mut content = Vec::new();
                entry.read_to_end(&mut content).map_err(failed)?;
                fs::write(&to, content).map_err(failed)?;
            } else if kind.is_symlink() {
                let link = entry.link_name().map_err(failed)?.unwrap_or_default();
                let above = place.parent().unwrap_or(Path::new(""));
                inside(above, &link).ok_or_else(|| nonsense("a link to elsewhere"))?;
                symlink(&link, &to).map_err(failed)?;
            } else if !kind.is_dir() {
                return Err(nonsense("of another kind"));
            }
        }
        Ok(Self { directory })
    }
}

/// Where a relative path leads from a directory below the root; nothing where that is not below it.
fn inside(from: &Path, path: &Path) -> Option<PathBuf> {
    let mut place = from.to_owned();
    for component in path.components() {
        match component {
            Component::Normal(name) => place.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !place.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::Device;
    use crate::target::Local;

    fn archive(add: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        add(&mut builder);
        builder.into_inner().unwrap()
    }

    fn file(builder: &mut tar::Builder<Vec<u8>>, path: &str, size: u64) {
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o600);
        builder.append_data(&mut header, path, io::repeat(b'x').take(size)).unwrap();
    }

    fn link(builder: &mut tar::Builder<Vec<u8>>, path: &str, to: &str) {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, path, to).unwrap();
    }

    /// A machine that would have our files, or fill our disk, is refused.
    #[test]
    fn another_machine_is_not_trusted_with_this_one() {
        let said = |archive: Vec<u8>| Snapshot::unpack(&archive, "web").unwrap_err().to_string();
        for (path, to) in
            [("a", "/etc/shadow"), ("a", ".."), ("a/b", "../../etc"), ("a", "b/../../c")]
        {
            let found = said(archive(|tar| link(tar, path, to)));
            assert!(found.contains("a link to elsewhere") && found.contains("web"), "{found}");
        }
        // A link may not take the place of a directory that a file goes to.
        let through = archive(|tar| {
            link(tar, "a", "b");
            file(tar, "a", 1);
        });
        assert!(said(through).contains("there twice"));
        assert!(said(archive(|tar| file(tar, "a", MOST + 1))).contains("large"));
        let mut cut = archive(|tar| file(tar, "a", 4096));
        cut.truncate(1024);
        assert!(said(cut).contains("cannot be unpacked"));
        assert_eq!(inside(Path::new(""), Path::new("/etc")), None);
        assert_eq!(inside(Path::new("sys/dev/block"), Path::new("../../x")), Some("sys/x".into()));
    }

    /// The script runs here, and what it brings is what the kernel says.
    #[test]
    fn this_machine_says_the_same_through_a_snapshot() {
        let snapshot = Snapshot::take(&Local::new()).unwrap();
        let described = |host: &Host| {
            let disks = Device::disks(host).unwrap().into_iter();
            disks
                .map(|disk| {
                    let Device {
                        name, number, size, sector, model, bus, identity, partitions, ..
                    } = disk;
                    (name, number, size, sector, model, bus, identity, partitions)
                })
                .collect::<Vec<_>>()
        };
        let (here, brought) = (Host::running(), snapshot.host());
        assert_eq!(described(&here), described(&brought));
    }
}
