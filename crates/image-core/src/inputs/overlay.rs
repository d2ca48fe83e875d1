//! Files that the user adds: a directory of the host, laid over the image at some path.
//!
//! What the host says is taken where people mean it and dropped where it is the host's accident:
//!
//! | of a file | in the image |
//! |---|---|
//! | bytes, links, devices, pipes | as they are |
//! | mode | as it is, without set-user-ID, set-group-ID and what others may write (a umask of 002 and one of 022 give the same image; sshd refuses files that a group may write); sticky directories keep all |
//! | owner | root, whoever owns it on the host |
//! | times | the build's epoch |
//! | extended attributes | `security.capability` and `user.*`; labels and ACLs name things of the host |
//!
//! A [`Rule`] says otherwise: `/home/alice=1000:100` gives everything below to a user (the longest
//! path wins), `/usr/bin/tool=4755` sets the mode of one entry. Paths are those of the running
//! system. A rule that meets nothing is an error: it would be a typing mistake.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::etc_dir::{EtcDir, HiddenError};
use crate::epoch::Epoch;
use crate::tree::path::PathError;
use crate::tree::scan::{Found, ScanError, scan};
use crate::tree::{Entry, HostDir, Kind, Meta, Mode, Origin, TreeBuilder, TreePath, Xattrs};

/// What a group and others may write.
const OTHERS_WRITE: u16 = 0o022;
/// Only owners may remove what is theirs: `/tmp`.
const STICKY: u16 = 0o1000;
/// Reading, writing and executing, of everybody.
const PERMISSIONS: u16 = 0o777;

/// The only attribute of its name space that means the same in the image.
const CAPABILITY: &[u8] = b"security.capability";

/// Why an overlay could not be claimed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host refused, or something is a socket.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The extended attributes could not be read.
    #[error("cannot read the extended attributes of {}", path.display())]
    Xattrs {
        /// Of which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A name that is no name.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A file would never be seen.
    #[error(transparent)]
    Hidden(#[from] HiddenError),
    /// A rule is about nothing.
    #[error("the rule for {path} meets nothing: no overlay holds that path")]
    IdleRule {
        /// The path of the rule.
        path: TreePath,
    },
}

/// A text that is no overlay or no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The rule has another form.
    #[error("expected PATH=UID:GID or PATH=MODE (octal, up to 7777), found {found:?}")]
    Rule {
        /// The text as it was given.
        found: String,
    },
    /// The path is none.
    #[error(transparent)]
    Path(#[from] PathError),
    /// No directory is named.
    #[error("expected DIR or DIR:/target, found {found:?}")]
    NoDirectory {
        /// The text as it was given.
        found: String,
    },
}

/// A directory of the host and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlay {
    /// The directory.
    pub directory: PathBuf,
    /// Where its contents go; `/` unless said otherwise.
    pub target: TreePath,
}

impl FromStr for Overlay {
    type Err = ParseError;

    /// Reads `DIR` or `DIR:/target`; a colon that no slash follows belongs to the directory.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (directory, target) = match text.rfind(":/") {
            Some(colon) => (&text[..colon], TreePath::parse(&text[colon + 1..])?),
            None => (text, TreePath::root()),
        };
        if directory.is_empty() {
            return Err(ParseError::NoDirectory { found: text.to_owned() });
        }
        Ok(Self { directory: PathBuf::from(directory), target })
    }
}

/// Metadata that the host cannot or must not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which entry of the running system.
    pub path: TreePath,
    /// What about it.
    pub says: Says,
}

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// User and group of the entry and of everything below it.
    Owner(u32, u32),
    /// The mode of the entry alone, all twelve bits.
    Mode(Mode),
}

impl FromStr for Rule {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError::Rule { found: text.to_owned() };
        let (path, says) = text.rsplit_once('=').ok_or_else(error)?;
        let path = TreePath::parse(path)?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let says = match says.split_once(':') {
            Some((uid, gid)) if digits(uid) && digits(gid) => {
                let id = |text: &str| text.parse().map_err(|_| error());
                Says::Owner(id(uid)?, id(gid)?)
            }
            None if digits(says) => {
                let bits = u16::from_str_radix(says, 8).map_err(|_| error())?;
                if Mode::new(bits).bits() != bits {
                    return Err(error());
                }
                Says::Mode(Mode::new(bits))
            }
            Some(_) | None => return Err(error()),
        };
        Ok(Self { path, says })
    }
}

/// Overlays and the rules about what is in them.
#[derive(Clone, Copy, Debug)]
pub struct Overlays<'a> {
    /// The directories, in the order of their layers.
    pub overlays: &'a [Overlay],
    /// The rules, for all of them.
    pub rules: &'a [Rule],
    /// What `/etc` is when the system runs.
    pub etc: EtcDir,
    /// The date of every entry.
    pub epoch: Epoch,
}

impl Overlays<'_> {
    /// Claims the files of all overlays, each as a layer of its own.
    ///
    /// The root of an overlay, and directories that an earlier layer has, keep that layer's
    /// metadata: only what is new takes the overlay's.
    ///
    /// # Errors
    /// What the host refused by path, a file for an immutable `/etc`, or an idle rule.
    pub fn add(&self, tree: &mut TreeBuilder) -> Result<(), Error> {
        let mut met = vec![false; self.rules.len()];
        for overlay in self.overlays {
            let layer = tree.layer(format!("overlay {}", overlay.directory.display()));
            self.add_one(tree, layer, overlay, &mut met)?;
        }
        let idle = self.rules.iter().zip(met).find(|(_, met)| !met);
        match idle {
            Some((rule, _)) => Err(Error::IdleRule { path: rule.path.clone() }),
            None => Ok(()),
        }
    }

    fn add_one(
        &self,
        tree: &mut TreeBuilder,
        layer: Origin,
        overlay: &Overlay,
        met: &mut [bool],
    ) -> Result<(), Error> {
        let host = HostDir::open(&overlay.directory).map_err(ScanError::from)?;
        scan(&host, b"", &mut |found: Found<'_>| {
            // The directory itself stands for the target, which is not the user's to describe.
            if found.path.is_empty() {
                return Ok(());
            }
            let path = overlay.target.join(&TreePath::parse(found.path)?);
            let place = self.etc.place(&path)?;
            let xattrs = xattrs(&host.resolve(found.path), &found.kind)?;
            let meta = Meta { xattrs, ..self.meta(&path, &found, met) };
            tree.add(layer, place, Entry { meta, kind: found.kind });
            Ok(())
        })
    }

    fn meta(&self, path: &TreePath, found: &Found<'_>, met: &mut [bool]) -> Meta {
        let mode = match found.kind {
            Kind::Symlink(_) => Mode::new(PERMISSIONS),
            Kind::Directory if found.mode & STICKY != 0 => {
                Mode::new(found.mode & (PERMISSIONS | STICKY))
            }
            Kind::Directory | Kind::File(_) | Kind::Device(_) | Kind::Fifo => {
                Mode::new(found.mode & PERMISSIONS & !OTHERS_WRITE)
            }
        };
        let mut meta = Meta::root(mode, self.epoch);
        let mut nearest = None;
        for (rule, met) in self.rules.iter().zip(met) {
            match rule.says {
                Says::Owner(uid, gid) if rule.path.contains(path) => {
                    *met = true;
                    let depth = rule.path.components().count();
                    if nearest.is_none_or(|nearest| nearest <= depth) {
                        nearest = Some(depth);
                        (meta.uid, meta.gid) = (uid, gid);
                    }
                }
                Says::Mode(mode) if rule.path == *path => {
                    *met = true;
                    meta.mode = mode;
                }
                Says::Owner(..) | Says::Mode(_) => {}
            }
        }
        meta
    }
}

/// Reads the attributes that mean the same in the image; links have none.
fn xattrs(path: &Path, kind: &Kind) -> Result<Xattrs, Error> {
    match kind {
        Kind::Directory | Kind::File(_) => {}
        Kind::Symlink(_) | Kind::Device(_) | Kind::Fifo => return Ok(Xattrs::NONE),
    }
    match read_xattrs(path) {
        Ok(attributes) => Ok(Xattrs::new(attributes)),
        // A file system without attributes has none to keep.
        Err(rustix::io::Errno::OPNOTSUPP) => Ok(Xattrs::NONE),
        Err(errno) => Err(Error::Xattrs { path: path.to_owned(), source: errno.into() }),
    }
}

fn read_xattrs(path: &Path) -> rustix::io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    /// The kernel's limit for the list of names and for one value (`XATTR_LIST_MAX`).
    const MOST: usize = 1 << 16;
    let mut attributes = BTreeMap::new();
    // Nearly every file has none: ask for the size first.
    let size = rustix::fs::llistxattr_query(path)?;
    if size == 0 {
        return Ok(attributes);
    }
    let mut names = vec![0; MOST];
    let size = rustix::fs::llistxattr(path, names.as_mut_slice())?;
    for name in names[..size].split(|byte| *byte == 0) {
        if name != CAPABILITY && !name.starts_with(b"user.") {
            continue;
        }
        let mut value = vec![0; MOST];
        let size = rustix::fs::lgetxattr(path, name, value.as_mut_slice())?;
        value.truncate(size);
        attributes.insert(name.to_vec(), value);
    }
    Ok(attributes)
}

#[cfg(test)]
#[path = "overlay_tests.rs"]
mod tests;
