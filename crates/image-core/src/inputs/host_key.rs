//! An SSH host key for the image: its public half, or both.
//!
//! The public half tells a first boot which private key to ask for (`calve first-boot host-key`). The
//! private half is for those who may ship it; its bytes are a secret of the plan and come to the loop
//! in [`Keys`], so that no listing, report, `Debug` text or cache ever holds them. Whether the two fit
//! together is the caller's business: nothing here knows SSH.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::etc_dir::{EtcDir, HiddenError};
use crate::epoch::Epoch;
use crate::plan::{Label, PlanBuilder, PlanError, SecretId};
use crate::region::Keys;
use crate::tree::path::PathError;
use crate::tree::{Entry, Meta, Mode, Origin, Source, TreeBuilder, TreePath};
use crate::units::Bytes;

/// Where sshd looks unless its configuration says otherwise.
pub const DIRECTORY: &str = "/etc/ssh";

/// Only root may read a private key; sshd refuses others.
const OWNER_ONLY: Mode = Mode::new(0o600);

/// What the secret is called in plans.
const SECRET: &str = "ssh host key";

/// Why a key has no place.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `/etc` takes no files.
    #[error(transparent)]
    Hidden(#[from] HiddenError),
    /// The name of the key's file is none.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The private half is larger than a plan can be.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// A host key on its way into an image.
pub struct HostKey {
    /// The name of the private key's file, such as `ssh_host_ed25519_key`.
    pub name: String,
    /// The line of the public key's file, without its end.
    pub public: String,
    /// The bytes of the private key's file.
    pub private: Option<Zeroizing<Vec<u8>>>,
}

impl std::fmt::Debug for HostKey {
    /// Prints what anybody may know.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostKey")
            .field("name", &self.name)
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

impl HostKey {
    /// Claims `/etc/ssh/NAME.pub`, 0644, and where there is a private half `/etc/ssh/NAME`, 0600.
    ///
    /// # Errors
    /// An immutable `/etc`, or a name that is none.
    pub fn add(&self, tree: &mut TreeBuilder, etc: EtcDir, epoch: Epoch) -> Result<Origin, Error> {
        let layer = tree.layer("the host key");
        let place = |name: &str| -> Result<TreePath, Error> {
            Ok(etc.place(&TreePath::parse(format!("{DIRECTORY}/{name}"))?)?)
        };
        let public = Source::bytes(format!("{}\n", self.public).into_bytes());
        let public = Entry::file(Meta::root(Mode::F644, epoch), public);
        tree.add(layer, place(&format!("{}.pub", self.name))?, public);
        if let Some(private) = &self.private {
            let mut plan = PlanBuilder::new();
            let size = Bytes::of(private);
            plan.secret(Bytes::ZERO, size, Label::new("host key"), SecretId(Arc::from(SECRET)));
            let private = Source::Plan(Arc::new(plan.finish(size)?));
            let private = Entry::file(Meta::root(OWNER_ONLY, epoch), private);
            tree.add(layer, place(&self.name)?, private);
        }
        Ok(layer)
    }

    /// Hands the private half, if there is one, to whoever reads or writes the image.
    pub fn lend(&self, keys: &mut Keys) {
        if let Some(private) = &self.private {
            keys.insert_secret(SecretId(Arc::from(SECRET)), private.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::Reader;
    use crate::tree::Kind;

    const PRIVATE: &[u8] = b"the private half, which nobody may see";

    fn key(private: bool) -> HostKey {
        HostKey {
            name: "ssh_host_ed25519_key".to_owned(),
            public: "ssh-ed25519 AAAA host".to_owned(),
            private: private.then(|| Zeroizing::new(PRIVATE.to_vec())),
        }
    }

    fn tree(key: &HostKey, etc: EtcDir) -> crate::tree::Tree {
        let mut tree = TreeBuilder::new(Epoch::STORE);
        key.add(&mut tree, etc, Epoch::STORE).unwrap();
        tree.build().unwrap()
    }

    #[test]
    fn the_public_half_alone() {
        let listing = tree(&key(false), EtcDir::Plain).listing();
        insta::assert_snapshot!(listing, @r"
        / d 0755 0:0 1
        /etc d 0755 0:0 1
        /etc/ssh d 0755 0:0 1
        /etc/ssh/ssh_host_ed25519_key.pub f 0644 0:0 1 22
        ");
        let listing = tree(&key(false), EtcDir::MutableOverlay).listing();
        assert!(listing.contains("/.rw-etc/upper/ssh/ssh_host_ed25519_key.pub"), "{listing}");
        let mut hidden = TreeBuilder::new(Epoch::STORE);
        let error = key(false).add(&mut hidden, EtcDir::ImmutableOverlay, Epoch::STORE);
        assert!(matches!(error, Err(Error::Hidden(_))));
    }

    #[test]
    fn the_private_half_is_a_secret() {
        let key = key(true);
        let tree = tree(&key, EtcDir::Plain);
        let texts = format!("{key:?} {tree:?} {}", tree.listing());
        assert!(texts.contains("ssh_host_ed25519_key") && !texts.contains("nobody may see"));
        let path = TreePath::parse("/etc/ssh/ssh_host_ed25519_key").unwrap();
        let entry = tree.find(&path).unwrap().entry();
        assert_eq!(entry.meta.mode, OWNER_ONLY);
        let Kind::File(Source::Plan(plan)) = &entry.kind else { panic!("{entry:?}") };
        assert!(Reader::new(plan, &Keys::none()).is_err());
        let mut keys = Keys::none();
        key.lend(&mut keys);
        let mut bytes = vec![0; PRIVATE.len()];
        Reader::new(plan, &keys).unwrap().read(Bytes::ZERO, &mut bytes).unwrap();
        assert_eq!(bytes, PRIVATE);
    }
}
