//! Where a file for `/etc` must lie so that the booted system sees it.
//!
//! Follows nixpkgs' `nixos/modules/system/etc/etc.nix`: with `system.etc.overlay` the image's own
//! `/etc` is hidden by an overlay mount. A mutable one takes local files from its upper directory;
//! an immutable one has no place for any.

use crate::tree::TreePath;

/// The upper directory of a mutable overlay, as NixOS' first stage mounts it.
const UPPER: [&[u8]; 2] = [b".rw-etc", b"upper"];

/// What `/etc` is when the system runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EtcDir {
    /// The image's own directory.
    #[default]
    Plain,
    /// An overlay with an upper directory.
    MutableOverlay,
    /// An overlay that holds what the configuration says and nothing else.
    ImmutableOverlay,
}

/// A file that the running system would never see.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{path} would be hidden: this system's /etc is an immutable overlay; \
     set system.etc.overlay.mutable, or put the file into the configuration (environment.etc)"
)]
pub struct HiddenError {
    /// The file.
    pub path: TreePath,
}

impl EtcDir {
    /// Returns where a path of the running system lies in the image.
    ///
    /// # Errors
    /// The path, where it is below an `/etc` that takes no files.
    pub fn place(self, path: &TreePath) -> Result<TreePath, HiddenError> {
        let mut components = path.components();
        if components.next() != Some(b"etc") {
            return Ok(path.clone());
        }
        let is_etc = components.next().is_none();
        match self {
            Self::Plain => Ok(path.clone()),
            Self::ImmutableOverlay if is_etc => Ok(path.clone()),
            Self::ImmutableOverlay => Err(HiddenError { path: path.clone() }),
            Self::MutableOverlay => {
                let below = path.components().skip(1);
                Ok(TreePath::from_components(UPPER.into_iter().chain(below)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_etc_move() {
        let path = |text: &str| TreePath::parse(text).unwrap();
        for etc in [EtcDir::Plain, EtcDir::MutableOverlay, EtcDir::ImmutableOverlay] {
            assert_eq!(etc.place(&path("/root/x")), Ok(path("/root/x")));
            assert_eq!(etc.place(&path("/etcetera")), Ok(path("/etcetera")));
        }
        let key = path("/etc/ssh/key");
        assert_eq!(EtcDir::Plain.place(&key), Ok(key.clone()));
        assert_eq!(EtcDir::MutableOverlay.place(&key), Ok(path("/.rw-etc/upper/ssh/key")));
        assert_eq!(EtcDir::ImmutableOverlay.place(&key), Err(HiddenError { path: key }));
        assert!(EtcDir::ImmutableOverlay.place(&path("/etc")).is_ok());
    }
}
