//! What is put into a disk's initrd that no store may hold, and the host key that unlocks it over SSH.
//!
//! Files are read once, before anything is planned: how long a secret is belongs to the plan, what it says
//! goes from here to the loop that writes and nowhere else. Which secrets a system wants, and under which
//! names, only the system says.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use calve_image_core::boot::initrd_secrets::Secret;
use calve_image_core::boot::remote_unlock::{self, Asked, Door, Identity};
use calve_image_core::formats::Input;
use calve_image_core::inputs::overlay::Overlay;
use calve_image_core::region::Keys;
use calve_image_core::tree::TreePath;
use calve_image_core::units::{Bytes, MIB};
use calve_installer::host_key::{Algorithm, PrivateKey, PublicKey};
use zeroize::Zeroizing;

use super::unlock_host::UnlockHost;
use crate::failure::Failure;
use crate::host_key;
use crate::terminal::Terminal;

/// No secret is larger: cryptsetup's own limit for key files.
const LARGEST: Bytes = Bytes::new(8 * MIB.get());

/// The arguments that put secrets into an initrd.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct SecretArgs {
    /// Put a secret into the initrd, at a place where the system wants one; may be given again
    #[arg(long, value_name = "DEST=FILE")]
    initrd_secret: Vec<Assigned>,

    /// Let the disk be unlocked over SSH: give the initrd a new host key, or that of FILE, and write
    /// known_hosts and unlock.toml for `calve unlock`, called after the image or the host
    #[arg(long, value_name = "generate|FILE", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = GENERATE)]
    unlock_ssh: Option<KeySource>,

    /// Where the machine is reached while it waits to be unlocked, for unlock.toml
    #[arg(long, value_name = "HOST[:PORT]", requires = "unlock_ssh")]
    unlock_host: Option<UnlockHost>,

    /// Give the initrd's Tailscale the state of a node that has joined
    #[arg(long, value_name = "FILE", conflicts_with = "unlock_tailscale_auth_key")]
    unlock_tailscale_state: Option<PathBuf>,

    /// Give the initrd's Tailscale a key that it joins with
    #[arg(long, value_name = "FILE")]
    unlock_tailscale_auth_key: Option<PathBuf>,
}

/// The word for a new key.
const GENERATE: &str = "generate";

/// `DEST=FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Assigned {
    dest: TreePath,
    file: PathBuf,
}

impl FromStr for Assigned {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (dest, file) = text.split_once('=').ok_or("expected DEST=FILE")?;
        let path = TreePath::parse(dest).map_err(|error| error.to_string())?;
        if path.is_root() || file.is_empty() {
            return Err("expected DEST=FILE, both of them paths of files".to_owned());
        }
        Ok(Self { dest: path, file: file.into() })
    }
}

/// Where a host key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum KeySource {
    Generate,
    File(PathBuf),
}

impl FromStr for KeySource {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text == GENERATE { Self::Generate } else { Self::File(text.into()) })
    }
}

/// Secrets at hand, and the door that one of them opens.
#[derive(Default)]
pub(crate) struct Given {
    /// Names and lengths.
    pub(crate) secrets: Vec<Secret>,
    bytes: Vec<Zeroizing<Vec<u8>>>,
    /// How it is unlocked over SSH, where that was asked for.
    pub(crate) unlock: Option<Unlock>,
}

/// How a disk is unlocked over SSH.
pub(crate) struct Unlock {
    pub(crate) door: Door,
    pub(crate) host_key: PublicKey,
    pub(crate) host: Option<UnlockHost>,
    /// The host key of the running system, where an overlay brings it.
    pub(crate) system: Option<PublicKey>,
}

impl SecretArgs {
    /// Whether files are written beside the image.
    pub(crate) fn needs_a_name(&self) -> bool {
        self.unlock_ssh.is_some()
    }

    /// Reads the files, and finds out where in the initrd they belong.
    pub(crate) fn read(
        &self,
        input: Input<'_>,
        overlays: &[Overlay],
        terminal: Terminal,
    ) -> Result<Given, Failure> {
        let mut given = Given::default();
        for Assigned { dest, file } in &self.initrd_secret {
            given.add(dest.clone(), secret(file, terminal)?)?;
        }
        let state = self.unlock_tailscale_state.as_deref().map(|file| (Identity::State, file));
        let key = self.unlock_tailscale_auth_key.as_deref().map(|file| (Identity::AuthKey, file));
        let tailscale = state.or(key);
        let asked = Asked {
            ssh: self.unlock_ssh.is_some(),
            tailscale: tailscale.map(|(identity, _)| identity),
        };
        if asked == Asked::default() {
            return Ok(given);
        }
        let doors = remote_unlock::find(input.store, input.system, asked)?;
        if let (Some(dest), Some((_, file))) = (doors.tailscale, tailscale) {
            given.add(dest, secret(file, terminal)?)?;
        }
        if let (Some(door), Some(source)) = (doors.ssh, &self.unlock_ssh) {
            let key = match source {
                KeySource::Generate => generated(input.system.main.toplevel.name())?,
                KeySource::File(path) => host_key::read_private(path)?,
            };
            given.add(door.dest.clone(), key.text())?;
            let (host_key, host) = (key.public().clone(), self.unlock_host.clone());
            let system = of_system(overlays);
            if system.as_ref().is_some_and(|system| system.is_same(&host_key)) {
                terminal.say(
                    "warning: the initrd's host key is the running system's own: whoever has the disk \
                     can pose as the system",
                );
            }
            given.unlock = Some(Unlock { door, host_key, host, system });
        }
        Ok(given)
    }
}

impl Given {
    fn add(&mut self, dest: TreePath, bytes: Zeroizing<Vec<u8>>) -> Result<(), Failure> {
        if self.secrets.iter().any(|secret| secret.dest == dest) {
            return Err(Failure::usage(format!("the initrd's secret {dest} is given twice")));
        }
        self.secrets.push(Secret { dest, len: Bytes::of(&bytes) });
        self.bytes.push(bytes);
        Ok(())
    }

    /// The bytes of a secret, by where the initrd has it.
    pub(crate) fn secret(&self, dest: &str) -> Option<&[u8]> {
        let mut pairs = self.secrets.iter().zip(&self.bytes);
        pairs.find(|(secret, _)| secret.dest.to_string() == dest).map(|(_, bytes)| bytes.as_slice())
    }

    /// Hands the bytes to whoever writes the image.
    pub(crate) fn lend(&self, keys: &mut Keys) {
        for (secret, bytes) in self.secrets.iter().zip(&self.bytes) {
            keys.insert_secret(secret.id(), bytes.clone());
        }
    }
}

/// The public host key of the running system, where an overlay brings one: by it the system is known
/// once it is up. A file that holds none says nothing.
fn of_system(overlays: &[Overlay]) -> Option<PublicKey> {
    let names = Algorithm::ALL.map(|algorithm| format!("/etc/ssh/{}.pub", algorithm.file_name()));
    let places = names.iter().filter_map(|name| TreePath::parse(name).ok());
    let mut files = places.flat_map(|place| {
        let below = move |overlay: &Overlay| {
            let below = place.below(&overlay.target)?;
            Some(overlay.directory.join(OsStr::from_bytes(below.relative())))
        };
        overlays.iter().filter_map(below).collect::<Vec<_>>()
    });
    files.find_map(|file| host_key::read_public(&file).ok())
}

/// Makes a host key.
fn generated(system: &str) -> Result<PrivateKey, Failure> {
    let mut seed = Zeroizing::new([0; 32]);
    let mut check = [0; 4];
    getrandom::fill(seed.as_mut_slice()).map_err(Failure::internal)?;
    getrandom::fill(&mut check).map_err(Failure::internal)?;
    Ok(PrivateKey::generate(&seed, u32::from_be_bytes(check), &format!("initrd of {system}")))
}

/// Reads the file of a secret, to its last byte.
fn secret(path: &Path, terminal: Terminal) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let unreadable = |source| Failure::unreadable(path, source);
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_file() && metadata.permissions().mode() & 0o077 != 0 {
        let path = path.display();
        terminal
            .say(format!("warning: {path} is a secret, but others may read it: chmod 600 {path}"));
    }
    let most = LARGEST.get() + 1;
    // A buffer that grows would leave copies behind; of a pipe nobody knows the length.
    let size = if metadata.is_file() { metadata.len().min(most) + 1 } else { most };
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or(0)));
    file.take(most).read_to_end(&mut bytes).map_err(unreadable)?;
    match Bytes::of(&bytes) {
        Bytes::ZERO => {
            Err(Failure::usage(format!("{} is empty: expected a secret", path.display())))
        }
        size if size > LARGEST => {
            let path = path.display();
            Err(Failure::usage(format!(
                "{path} is too large: expected a secret of at most {LARGEST}"
            )))
        }
        _ => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn places_and_files() {
        let read = |text: &str| text.parse::<Assigned>();
        let found = read("/etc/ssh/key=./a=b").unwrap();
        assert_eq!(
            (found.dest.to_string(), found.file),
            ("/etc/ssh/key".to_owned(), "./a=b".into())
        );
        for text in ["/etc/ssh/key", "=file", "/=file", "/etc/../x=file", "/etc/key="] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn keys_are_new_each_time() {
        let (one, other) = (generated("x").unwrap(), generated("x").unwrap());
        assert!(!one.public().is_same(other.public()));
        assert!(one.public().line().ends_with(" initrd of x"));
    }
}
