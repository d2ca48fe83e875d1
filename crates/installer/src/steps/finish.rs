//! What follows when the closure is there: files and keys into place, then the system's own installation.
//!
//! Secrets of the initrd go where the closure's script reads them, because that is where every later rebuild reads
//! them, too. All paths are those of the running system; where its `/etc` is an overlay, files for it lie elsewhere.

use std::str::FromStr;

use calve_image_core::boot::initrd_secrets::{self, Place};
use calve_image_core::epoch::Epoch;
use calve_image_core::inputs::binds::Binds;
use calve_image_core::inputs::etc_dir::{EtcDir, HiddenError};
use calve_image_core::inputs::fstab::Fstab;
use calve_image_core::inputs::secret_appender::{Appended, Origin};
use calve_image_core::inputs::store_path::StorePath;
use calve_image_core::tree::TreePath;

use super::engine::Engine;
use super::host_key::{HostKeyWay, PLACE};
use super::step::{Command, Input, Phase, Step};
use super::{ROOT, below_root};

/// Unpacks a tar stream; directories that are there stay as they are.
const UNPACK: &str = r#"umask 022; exec tar --extract --file=- --directory="$1" --numeric-owner --same-owner --same-permissions --no-overwrite-dir"#;

/// Makes a directory for programs that need room for a moment.
const TEMPORARY: &str = r#"test -d "$1" || exec mkdir -m 1777 "$1""#;

/// What an installation ends with.
#[derive(Clone, Debug)]
pub struct Finish<'a> {
    /// The system.
    pub toplevel: &'a StorePath,
    /// What installs it.
    pub engine: Engine,
    /// What `/etc` is when it runs.
    pub etc: EtcDir,
    /// Where its volumes are mounted.
    pub mounts: &'a [TreePath],
    /// What it mounts.
    pub fstab: &'a Fstab,
    /// Where its host key comes from.
    pub host_key: HostKeyWay,
    /// How many directories of files somebody brings.
    pub extra_files: usize,
    /// Whose files are given to whom.
    pub chown: &'a [Chown],
    /// The secrets of its initrds that somebody brings.
    pub initrd_secrets: &'a [Appended],
}

/// A file or directory, with everything below, given to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chown {
    /// Which.
    pub path: TreePath,
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
}

/// A text that says no owner.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected PATH=UID:GID, found {found:?}")]
pub struct ParseChownError {
    /// The text as it was given.
    pub found: String,
}

impl FromStr for Chown {
    type Err = ParseChownError;

    fn from_str(text: &str) -> Result<Self, ParseChownError> {
        let parse = || {
            let (path, owner) = text.rsplit_once('=')?;
            let (uid, gid) = owner.split_once(':')?;
            let path = TreePath::parse(path).ok()?;
            Some(Self { path, uid: uid.parse().ok()?, gid: gid.parse().ok()? })
        };
        parse().ok_or_else(|| ParseChownError { found: text.to_owned() })
    }
}

/// Why a system cannot be installed as its closure is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `/etc` takes no files.
    #[error(transparent)]
    Hidden(#[from] HiddenError),
    /// A secret would be hidden when the boot loader is installed.
    #[error(
        "the initrd secret {dest} is read from {from}, which is made anew at every start: expected a path that the disk keeps"
    )]
    Volatile {
        /// Where the first stage finds it.
        dest: TreePath,
        /// Where the closure reads it.
        from: TreePath,
    },
    /// A file would be gone at the first start.
    #[error(
        "{path} lies on no volume of the layout; the system's root is made anew at every start"
    )]
    Lost {
        /// The file.
        path: TreePath,
    },
}

/// Tells whether a file is still there when the system has started: it lies on one of the volumes that are mounted
/// at `mounts`, or is shown from one.
pub fn is_kept(path: &TreePath, mounts: &[TreePath], fstab: &Fstab) -> bool {
    let place = Binds::of(fstab).place(path, mounts);
    mounts.iter().any(|mount| mount.contains(&place))
}

/// Lists the steps from a closure that is there to a system that starts.
///
/// # Errors
/// Files that the system would not see.
pub fn install(finish: &Finish<'_>) -> Result<Vec<Step>, Error> {
    let mut steps: Vec<Step> = (0..finish.extra_files).map(extra_files).collect();
    if !finish.chown.is_empty() {
        let chown = finish.chown.iter().map(|chown| finish.chown(chown));
        let commands = chown.collect::<Result<_, HiddenError>>()?;
        steps.push(Step::run("owners".to_owned(), Phase::Install, commands));
    }
    if let Some(path) = finish.host_key.path() {
        finish.kept(path)?;
    }
    let host_key = finish.host_key.commands(finish.etc)?;
    if !host_key.is_empty() {
        steps.push(Step::run("host key".to_owned(), Phase::Install, host_key));
    }
    steps.extend(finish.secrets()?);
    let temporary = Command::script(TEMPORARY, "temporary", [format!("{ROOT}/tmp").as_str()]);
    let name = "temporary directory".to_owned();
    steps.push(Step::run(name, Phase::Install, vec![temporary]).volatile());
    steps.extend(finish.engine.steps(finish.toplevel));
    Ok(steps)
}

fn extra_files(number: usize) -> Step {
    let unpack = Command::script(UNPACK, "unpack", [ROOT]).reading(Input::Files(number));
    Step::run(format!("extra files {number}"), Phase::Install, vec![unpack])
}

impl Finish<'_> {
    /// What is put into place by its own name has to stay there.
    fn kept(&self, path: &TreePath) -> Result<(), Error> {
        let place = self.etc.place(path)?;
        if is_kept(&place, self.mounts, self.fstab) {
            return Ok(());
        }
        Err(Error::Lost { path: path.clone() })
    }

    fn chown(&self, Chown { path, uid, gid }: &Chown) -> Result<Command, HiddenError> {
        let (owner, path) = (format!("{uid}:{gid}"), below_root(&self.etc.place(path)?));
        Ok(Command::new(["chown", "--recursive", "--no-dereference", &owner, "--", &path]))
    }

    /// A file that several configurations read is brought once.
    fn secrets(&self) -> Result<Vec<Step>, Error> {
        let mut steps: Vec<Step> = Vec::new();
        let mut known: Vec<&TreePath> = Vec::new();
        for Appended { dest, origin } in self.initrd_secrets {
            let Origin::File(from) = origin else { continue };
            if known.contains(&from) {
                continue;
            }
            known.push(from);
            if initrd_secrets::is_volatile(from) {
                return Err(Error::Volatile { dest: dest.clone(), from: from.clone() });
            }
            self.kept(from)?;
            let command = self.secret(dest, from)?;
            steps.push(Step::run(format!("initrd secret {from}"), Phase::Install, vec![command]));
        }
        Ok(steps)
    }

    fn secret(&self, dest: &TreePath, from: &TreePath) -> Result<Command, HiddenError> {
        let Self { etc, mounts: mount_points, .. } = *self;
        let place = Place { etc, mount_points, epoch: Epoch::STORE };
        // The first directory above that is there for others, too.
        let outermost = place.private(from).into_iter().last();
        let shared = outermost.as_ref().unwrap_or(from).parent().unwrap_or_else(TreePath::root);
        let paths = [etc.place(from)?, etc.place(&shared)?].map(|path| below_root(&path));
        let secret = Input::Secret(dest.to_string());
        Ok(Command::script(PLACE, "place", paths.iter().map(String::as_str)).reading(secret))
    }
}
