//! Host keys that lie on the target, told by the target itself while its installer is still trusted.

use crate::host_key::{PublicKey, public};
use crate::target::{self, Target};

/// Why there is no key to pin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The target could not be asked.
    #[error(transparent)]
    Target(#[from] target::Error),
    /// There is none.
    #[error("{host} has no private host key at {path}: {said}")]
    Missing {
        /// Which host.
        host: String,
        /// Where it should be.
        path: String,
        /// What ssh-keygen said.
        said: String,
    },
    /// What ssh-keygen said is no key.
    #[error("the host key at {path} of {host} is none that is known")]
    Unknown {
        /// Which host.
        host: String,
        /// Where it is.
        path: String,
        /// Why.
        source: public::Error,
    },
}

/// Asks for the public half of a private host key on the target, such as
/// `/mnt/etc/ssh/ssh_host_ed25519_key`. The private half stays there.
///
/// # Errors
/// There is none, or it has a passphrase.
pub fn public_key(target: &dyn Target, path: &str) -> Result<PublicKey, Error> {
    // With an empty passphrase given, ssh-keygen asks for none.
    let answer = super::answer(target, &["ssh-keygen", "-y", "-P", "", "-f", path], true)?;
    let host = || target.name().to_owned();
    if !answer.is_good() {
        let said = answer.last_words().to_owned();
        return Err(Error::Missing { host: host(), path: path.to_owned(), said });
    }
    PublicKey::read(&answer.out).map_err(|source| Error::Unknown {
        host: host(),
        path: path.to_owned(),
        source,
    })
}
