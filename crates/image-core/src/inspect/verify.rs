//! Whether a live image is whole: all of its store read, every path held against its registered hash.
//!
//! An ISO carries what it takes to judge it: the registration beside the store's paths says what each
//! of them hashes to. So damage is found whoever made the image, and named as closely as can be told:
//! a file that does not unpack by its path, a path whose files unpack to something else by the path
//! and the files that no check sum guards. Kernels and initrds outside of the squashfs are held
//! against those in it.
//!
//! Not judged: copies within the EFI image, loaders, menus.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::iso9660::{Iso, Record};
use super::squashfs::{self, Inode, Kind, Squashfs};
use super::{Disk, Error, Medium};
use crate::inputs::nar::Nar;
use crate::inputs::nar_hash::NarHash;
use crate::inputs::registration;
use crate::region::Cancel;
use crate::units::Bytes;

/// Where the registration lies in the squashfs: beside the paths.
const REGISTRATION: &[u8] = b"nix-path-registration";
/// Where kernels and initrds lie on the ISO, as nixpkgs has them.
const BOOT: &str = "/boot/nix/store";
/// A registration of more than a million paths is none.
const LARGEST_REGISTRATION: Bytes = Bytes::new(512 << 20);
/// The permission that makes a file executable to Nix.
const OWNER_EXECUTES: u16 = 0o100;
/// Trees deeper than the kernel's longest path have no end.
const DEEPEST: usize = 2048;
/// How many files are named where one of them is damaged.
const NAMED: usize = 8;

/// What verifying found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Store paths whose files are what is registered.
    pub good: u64,
    /// Store paths that nothing is registered of; they were read.
    pub unregistered: u64,
    /// How many files were read.
    pub files: u64,
    /// How many bytes they hold.
    pub bytes: u64,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// With what: a file or a store path.
    pub path: String,
    /// What it is.
    pub found: String,
}

/// Why verifying stopped.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The image cannot be read, or is no ISO.
    #[error(transparent)]
    Read(#[from] Error),
    /// The store image as a whole cannot be read.
    #[error("the store image cannot be read")]
    Store(#[from] squashfs::Error),
    /// It is no image that can be verified.
    #[error("expected an ISO with a squashfs in its root directory, found {found}")]
    NoStore {
        /// What it is.
        found: &'static str,
    },
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
}

/// Verifies an ISO; `progress` learns how many bytes of files were read, and of how many of the
/// squashfs' own bytes in all.
///
/// # Errors
/// What keeps the store from being read at all; damage of single files is in the verdict.
pub fn verify(file: &File, progress: &dyn Fn(Bytes), cancel: &Cancel) -> Result<Verdict, Stop> {
    let disk = Disk::open(file)?;
    let iso = Iso::open(&disk)?.ok_or(Stop::NoStore { found: "no ISO 9660 file system" })?;
    let mut walk = Walk::new(progress, cancel);
    if iso.size > disk.size {
        let found = format!(
            "expected {} bytes, found {}: it is cut short",
            iso.size.get(),
            disk.size.get()
        );
        walk.fault("the image", found);
    }
    let store = super::store_image(&disk, &iso)?;
    let (record, squashfs) = store.ok_or(Stop::NoStore { found: "none" })?;
    tracing::debug!(squashfs = ?record.name, "verifying");
    walk.copies = copies(&disk, &iso)?;
    walk.store(&squashfs)?;
    walk.compare_copies();
    Ok(walk.verdict)
}

/// Hashes the kernels and initrds that lie beside the squashfs, by their path in the store.
fn copies(disk: &Disk<'_>, iso: &Iso) -> Result<BTreeMap<Vec<u8>, Copy>, Error> {
    let Some(boot) = iso.find(disk, BOOT)? else { return Ok(BTreeMap::new()) };
    let mut copies = BTreeMap::new();
    for (path, record) in iso.files(disk, &boot)? {
        let path = path.strip_prefix(b"/").unwrap_or(&path).to_vec();
        copies.insert(path, Copy { here: hash(disk, &record)?, store: None });
    }
    Ok(copies)
}

/// Hashes a file of the ISO.
fn hash(disk: &Disk<'_>, record: &Record) -> Result<[u8; 32], Error> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut at = Bytes::ZERO;
    while at < record.size {
        let len = (record.size - at).to_len().unwrap_or(usize::MAX).min(buffer.len());
        disk.read(record.start + at, &mut buffer[..len])?;
        digest.update(&buffer[..len]);
        at += Bytes::from_len(len);
    }
    Ok(digest.finalize().into())
}

/// A file outside of the squashfs that is one of the store's.
struct Copy {
    here: [u8; 32],
    /// Its hash in the store, once it is known.
    store: Option<[u8; 32]>,
}

/// What is known while the store is read.
struct Walk<'a> {
    progress: &'a dyn Fn(Bytes),
    cancel: &'a Cancel,
    verdict: Verdict,
    copies: BTreeMap<Vec<u8>, Copy>,
    /// Directories that were read: none is in two places.
    seen: BTreeSet<u32>,
    /// Files of the current path that no check sum guards.
    unguarded: Vec<String>,
}

impl<'a> Walk<'a> {
    fn new(progress: &'a dyn Fn(Bytes), cancel: &'a Cancel) -> Self {
        Self {
            progress,
            cancel,
            verdict: Verdict::default(),
            copies: BTreeMap::new(),
            seen: BTreeSet::new(),
            unguarded: Vec::new(),
        }
    }

    fn fault(&mut self, path: &str, found: String) {
        self.verdict.faults.push(Fault { path: path.to_owned(), found });
    }

    /// Reads all of the store, path by path.
    fn store(&mut self, squashfs: &Squashfs<'_>) -> Result<(), Stop> {
        let root = squashfs.root()?;
        let Kind::Directory(listing) = root.kind else {
            return Err(Stop::NoStore { found: "a squashfs without a root directory" });
        };
        let entries = squashfs.list(listing)?;
        let mut registered = self.registration(squashfs, &entries);
        for (name, inode) in &entries {
            if name == REGISTRATION {
                continue;
            }
            let path = String::from_utf8_lossy(name).into_owned();
            self.path(squashfs, &path, name, inode, registered.remove(&path))?;
        }
        for path in registered.into_keys() {
            self.fault(&path, "it is registered and not there".to_owned());
        }
        Ok(())
    }

    /// Reads the registration: what each path must hash to, by its base name.
    fn registration(
        &mut self,
        squashfs: &Squashfs<'_>,
        entries: &[(Vec<u8>, Inode)],
    ) -> BTreeMap<String, NarHash> {
        let found = entries.iter().find(|(name, _)| name == REGISTRATION);
        let Some((_, Inode { kind: Kind::File(file), .. })) = found else {
            return BTreeMap::new();
        };
        let name = String::from_utf8_lossy(REGISTRATION);
        let mut text = Vec::new();
        let read = if file.size > LARGEST_REGISTRATION {
            Err(format!("{} bytes", file.size.get()))
        } else {
            let read = squashfs.read(file, &mut |bytes| text.extend_from_slice(bytes));
            read.map(drop).map_err(|error| error.to_string())
        };
        let text = read.and_then(|()| String::from_utf8(text).map_err(|error| error.to_string()));
        let infos =
            text.and_then(|text| registration::parse(&text).map_err(|error| error.to_string()));
        match infos {
            Ok(infos) => infos
                .into_iter()
                .map(|info| (info.path.base_name().to_owned(), info.nar_hash))
                .collect(),
            Err(found) => {
                self.fault(&name, found);
                BTreeMap::new()
            }
        }
    }

    /// Reads one path of the store and compares its hash.
    fn path(
        &mut self,
        squashfs: &Squashfs<'_>,
        path: &str,
        name: &[u8],
        inode: &Inode,
        registered: Option<NarHash>,
    ) -> Result<(), Stop> {
        self.unguarded.clear();
        let before = self.verdict.faults.len();
        let mut nar = Nar::default();
        self.node(squashfs, name, inode, &mut nar, 0)?;
        if self.verdict.faults.len() > before {
            return Ok(());
        }
        let found = nar.finish();
        match registered {
            Some(registered) if registered == found => self.verdict.good += 1,
            Some(registered) => {
                let which = match self.unguarded.len() {
                    0 => String::new(),
                    1..=NAMED => format!("; no check sum guards {}", self.unguarded.join(", ")),
                    more => format!("; no check sum guards {more} of its files"),
                };
                let found = format!(
                    "its files hash to sha256:{}, registered is sha256:{}{which}",
                    found.base16(),
                    registered.base16()
                );
                self.fault(path, found);
            }
            None => self.verdict.unregistered += 1,
        }
        Ok(())
    }

    /// Reads an entry and all below it.
    fn node(
        &mut self,
        squashfs: &Squashfs<'_>,
        path: &[u8],
        inode: &Inode,
        nar: &mut Nar,
        depth: usize,
    ) -> Result<(), Stop> {
        if self.cancel.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        match &inode.kind {
            Kind::Directory(listing) => {
                if depth > DEEPEST || !self.seen.insert(inode.number) {
                    self.fault(&text(path), "the directory is in itself".to_owned());
                    return Ok(());
                }
                nar.open_directory();
                match squashfs.list(*listing) {
                    Ok(entries) => {
                        for (name, inode) in entries {
                            nar.entry(&name);
                            let path = [path, b"/", &name].concat();
                            self.node(squashfs, &path, &inode, nar, depth + 1)?;
                        }
                    }
                    Err(error) => self.fault(&text(path), error.to_string()),
                }
                nar.close_directory();
            }
            Kind::File(file) => {
                nar.open_file(file.size.get(), inode.mode & OWNER_EXECUTES != 0);
                self.file(squashfs, path, file, nar);
                nar.close_file();
            }
            Kind::Symlink(target) => nar.symlink(target),
            Kind::Special => self.fault(&text(path), "no store holds devices or pipes".to_owned()),
        }
        Ok(())
    }

    fn file(&mut self, squashfs: &Squashfs<'_>, path: &[u8], file: &squashfs::File, nar: &mut Nar) {
        let progress = self.progress;
        let mut copy = self.copies.contains_key(path).then(Sha256::new);
        let read = squashfs.read(file, &mut |bytes| {
            nar.data(bytes);
            copy.iter_mut().for_each(|digest| digest.update(bytes));
            progress(Bytes::of(bytes));
        });
        self.verdict.files += 1;
        self.verdict.bytes += file.size.get();
        match read {
            Ok(true) => {}
            Ok(false) => self.unguarded.push(text(path)),
            Err(error) => self.fault(&text(path), error.to_string()),
        }
        if let Some((copy, digest)) = self.copies.get_mut(path).zip(copy) {
            copy.store = Some(digest.finalize().into());
        }
    }

    /// Compares what lies beside the squashfs with what is in it.
    fn compare_copies(&mut self) {
        for (path, copy) in std::mem::take(&mut self.copies) {
            let found = match copy.store {
                Some(store) if store == copy.here => continue,
                Some(_) => "it differs from the store's",
                None => "the store does not have it",
            };
            self.fault(&format!("{BOOT}/{}", text(&path)), found.to_owned());
        }
    }
}

fn text(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
