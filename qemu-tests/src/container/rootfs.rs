//! An archive unpacked the way its reader does it.
//!
//! Proxmox unpacks with GNU tar and these options (`PVE::LXC::Create`), under the map of the
//! container's users; WSL unpacks with libarchive's tar. Both without names of users.

use std::cell::Cell;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use super::Place;
use crate::Error;
use crate::images::Images;

/// Proxmox' options to `tar`.
const PROXMOX: [&str; 13] = [
    "--totals",
    "--one-file-system",
    "-p",
    "--sparse",
    "--numeric-owner",
    "--acls",
    "--xattrs",
    "--xattrs-include=user.*",
    "--xattrs-include=security.capability",
    "--warning=no-file-ignored",
    "--warning=no-xattr-write",
    "--skip-old-files",
    "--anchored",
];
/// The first user of the host that a shifted container's root is, and how many follow.
pub(super) const FIRST: u32 = 100_000;
pub(super) const COUNT: u32 = 65_536;
/// Gives root these users to hand out, as Proxmox' installation does, but to one program only.
const WITH_SUBORDINATES: &str =
    "for file in /etc/subuid /etc/subgid; do mount --bind \"$0\" $file; done; exec \"$@\"";

/// Whose users a container's users are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Users {
    /// The host's: a privileged container.
    Host,
    /// Users of the host that nobody else is, as Proxmox maps them: an unprivileged container.
    Shifted,
}

/// A root file system on this machine.
#[derive(Debug)]
pub struct Rootfs {
    root: PathBuf,
    users: Users,
    starts: Cell<u32>,
}

impl Rootfs {
    /// Unpacks a template as Proxmox does.
    pub fn of_template(images: &Images, archive: &Path, users: Users) -> Result<Self, Error> {
        let rootfs = Self::empty(images, users)?;
        let compression = match archive.extension().and_then(|extension| extension.to_str()) {
            Some("xz") => "--xz",
            Some("zst") => "--zstd",
            _ => "--no-auto-compress",
        };
        let mut words: Vec<String> = Vec::new();
        if users == Users::Shifted {
            words.extend(rootfs.with_subordinates()?);
            let map = format!(":0:{FIRST}:{COUNT}");
            words.extend(["lxc-usernsexec".to_owned(), "-m".to_owned(), format!("u{map}")]);
            words.extend(["-m".to_owned(), format!("g{map}"), "--".to_owned()]);
        }
        words.extend(["tar", "xf", "-", compression].map(str::to_owned));
        words.extend(PROXMOX.map(str::to_owned));
        words.extend(["--exclude".to_owned(), "./dev/*".to_owned(), "-C".to_owned()]);
        let mut unpack = Command::new(&words[0]);
        unpack.args(&words[1..]).arg(&rootfs.root).stdin(File::open(archive)?);
        images.expect(&mut unpack)?;
        Ok(rootfs)
    }

    /// Unpacks a distribution as WSL does.
    pub fn of_distribution(images: &Images, archive: &Path) -> Result<Self, Error> {
        let rootfs = Self::empty(images, Users::Host)?;
        let mut unpack = Command::new("bsdtar");
        unpack.args(["-x", "-p", "--xattrs", "--numeric-owner", "-f", "-", "-C"]).arg(&rootfs.root);
        images.expect(unpack.stdin(File::open(archive)?))?;
        Ok(rootfs)
    }

    fn empty(images: &Images, users: Users) -> Result<Self, Error> {
        let root = tempfile::Builder::new().prefix("rootfs").tempdir_in(images.scratch())?.keep();
        // Users of the container that are nobody here pass through.
        fs::set_permissions(images.scratch(), fs::Permissions::from_mode(0o755))?;
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755))?;
        if users == Users::Shifted {
            chown(&root, Some(FIRST), Some(FIRST))?;
        }
        Ok(Self { root, users, starts: Cell::new(0) })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Whose its users are.
    pub(super) fn users(&self) -> Users {
        self.users
    }

    /// Adds the empty `/usr` that `systemd-nspawn` insists on, and NixOS does without.
    pub fn please_nspawn(&self) -> Result<(), Error> {
        let usr = self.root.join("usr");
        if usr.symlink_metadata().is_ok() {
            return Ok(());
        }
        fs::create_dir(&usr)?;
        match self.users {
            Users::Host => Ok(()),
            Users::Shifted => Ok(chown(&usr, Some(FIRST), Some(FIRST))?),
        }
    }

    /// The words before a command that hands out subordinate users.
    pub(super) fn with_subordinates(&self) -> Result<Vec<String>, Error> {
        let table = self.root.with_extension("subordinates");
        fs::write(&table, format!("root:{FIRST}:{COUNT}\n"))?;
        let words = ["unshare", "--mount", "--propagation", "slave", "sh", "-ec"];
        let mut words = words.map(str::to_owned).to_vec();
        words.extend([WITH_SUBORDINATES.to_owned(), table.display().to_string()]);
        Ok(words)
    }

    /// A name and a place for one start.
    pub(super) fn place(&self) -> Result<Place, Error> {
        let start = self.starts.get() + 1;
        self.starts.set(start);
        let directory = self.root.with_extension(start.to_string());
        fs::create_dir(&directory)?;
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755))?;
        let folder = self.root.file_name().map(|name| name.to_string_lossy().into_owned());
        // A host name too: letters, digits and dashes.
        let name = format!("calve-{}-{}-{start}", process::id(), folder.unwrap_or_default());
        let name = name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
        Ok(Place { name, console: directory.join("console"), directory })
    }
}
