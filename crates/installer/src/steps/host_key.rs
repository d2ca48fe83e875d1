//! Who the installed system says that it is: its SSH host key, known before its first start.

use calve_image_core::inputs::etc_dir::{EtcDir, HiddenError};
use calve_image_core::inputs::store::{self, HostStore};
use calve_image_core::inputs::store_path::StorePath;
use calve_image_core::tree::TreePath;
use calve_image_core::units::MIB;

use super::below_root;
use super::step::{Command, HOST_KEY, Input};

/// Writes the public half of a key.
const PUBLIC: &str = r#"umask 022; cat >"$1""#;

/// Puts a secret where only root may read it.
pub(super) const PLACE: &str = include_str!("place.sh");

/// Makes a key.
const MAKE: &str = include_str!("make_key.sh");

/// Takes over the keys of the system that runs: where it has them, to where the new one looks for them.
const COPY: &str = r#"umask 022; mkdir -p "$1"; exec cp -L -p /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub "$1""#;

/// Where sshd looks unless its configuration says otherwise.
const USUAL: &str = "/etc/ssh/ssh_host_ed25519_key";

/// Where the new system's host key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostKeyWay {
    /// Nothing is done about it: the system may make one when it starts.
    Leave,
    /// Somebody brings it.
    Given {
        /// Where the system looks for the private half.
        path: TreePath,
        /// The line of the public half.
        public: String,
    },
    /// It has those of the installer.
    Installers {
        /// The directory where it looks for them.
        directory: TreePath,
    },
    /// It is made there, if there is none.
    Made {
        /// Where the system looks for the private half.
        path: TreePath,
    },
}

impl HostKeyWay {
    /// Where it goes.
    pub(super) fn path(&self) -> Option<&TreePath> {
        match self {
            Self::Leave => None,
            Self::Given { path, .. } | Self::Made { path } => Some(path),
            Self::Installers { directory } => Some(directory),
        }
    }

    /// Lists what brings it there.
    ///
    /// # Errors
    /// A path below an `/etc` that takes no files.
    pub(super) fn commands(&self, etc: EtcDir) -> Result<Vec<Command>, HiddenError> {
        Ok(match self {
            Self::Leave => Vec::new(),
            Self::Given { path, public } => {
                let path = etc.place(path)?;
                let place = below_root(&path);
                let directory = path.parent().map(|directory| below_root(&directory));
                let secret = Input::Secret(HOST_KEY.to_owned());
                let public = Input::Text(format!("{public}\n"));
                vec![
                    Command::script(PLACE, "place", [&*place, &directory.unwrap_or_default()])
                        .reading(secret),
                    Command::script(PUBLIC, "public", [format!("{place}.pub").as_str()])
                        .reading(public),
                ]
            }
            Self::Installers { directory } => {
                let directory = below_root(&etc.place(directory)?);
                vec![Command::script(COPY, "copy-keys", [directory.as_str()])]
            }
            Self::Made { path } => {
                let name = String::from_utf8_lossy(path.name().unwrap_or_default()).into_owned();
                let kinds = ["rsa", "ecdsa"].into_iter();
                let kind = kinds.fold("ed25519", |kind, other| {
                    if name.contains(&format!("_{other}_")) { other } else { kind }
                });
                let place = below_root(&etc.place(path)?);
                vec![Command::script(MAKE, "make-key", [place.as_str(), kind])]
            }
        })
    }
}

/// Finds out where a system looks for its host key: the one of the kind that everybody has, if it has several.
///
/// # Errors
/// The system's configuration of sshd cannot be read; none is none.
pub fn host_key_path(store: &HostStore, toplevel: &StorePath) -> Result<TreePath, store::Error> {
    let text = match toplevel.join("etc/ssh/sshd_config") {
        Ok(file) => match store.read_text(&file, MIB) {
            Ok(text) => text,
            Err(error) if error.is_not_found() => String::new(),
            Err(error) => return Err(error),
        },
        Err(_) => String::new(),
    };
    Ok(configured(&text))
}

/// Reads `HostKey` of sshd_config(5); keys of blocks are none.
fn configured(text: &str) -> TreePath {
    let usual = TreePath::parse(USUAL).unwrap_or_else(|_| TreePath::root());
    let keys = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let is_key = words.next().is_some_and(|word| word.eq_ignore_ascii_case("HostKey"));
        let path = words.next().filter(|_| is_key)?.trim_matches('"');
        let path = Some(path).filter(|path| path.starts_with('/'))?;
        TreePath::parse(path).ok().filter(|path| path.name().is_some())
    });
    let keys: Vec<TreePath> = keys.collect();
    let is_usual = |key: &&TreePath| {
        key.name().is_some_and(|name| String::from_utf8_lossy(name).contains("ed25519"))
    };
    keys.iter().find(is_usual).or(keys.first()).cloned().unwrap_or(usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_sshd_looks() {
        for (text, expected) in [
            ("", USUAL),
            (
                "Port 22\nHostKey /etc/ssh/ssh_host_rsa_key\nHostKey /etc/ssh/ssh_host_ed25519_key\n",
                USUAL,
            ),
            ("HostKey /persist/ssh/ssh_host_rsa_key\n", "/persist/ssh/ssh_host_rsa_key"),
            (
                "  hostkey \"/persist/etc/ssh/ssh_host_ed25519_key\"\n",
                "/persist/etc/ssh/ssh_host_ed25519_key",
            ),
            ("#HostKey /x/y\nHostKey relative\n", USUAL),
        ] {
            assert_eq!(configured(text).to_string(), expected, "{text}");
        }
    }
}
