//! Host keys as they are named on the command line: files of their halves.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use calve_image_core::inputs::host_key::HostKey;
use calve_installer::host_key::{self, LARGEST, PublicKey, public};
use zeroize::Zeroizing;

use crate::failure::{Failure, Kind};
use crate::terminal::Terminal;

/// The arguments that put a host key into an image.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct HostKeyArgs {
    /// Add the public half of an SSH host key, /etc/ssh/ssh_host_TYPE_key.pub, for which `calve
    /// first-boot host-key` will ask
    #[arg(long, value_name = "FILE.pub", conflicts_with = "host_key")]
    host_key_pub: Option<PathBuf>,

    /// Add an SSH host key, both halves: whoever can read the image can then pose as the machine
    #[arg(long, value_name = "FILE")]
    host_key: Option<PathBuf>,
}

impl HostKeyArgs {
    /// Reads the files; warns of a private half.
    pub(crate) fn read(&self, terminal: Terminal) -> Result<Option<HostKey>, Failure> {
        let (public, private) = match (&self.host_key, &self.host_key_pub) {
            (Some(path), _) => {
                let key = read_private(path)?;
                terminal.say(
                    "warning: the image will hold a private SSH host key: whoever can read the image, \
                     or a storage that it is copied to, can pose as the machine",
                );
                (key.public().clone(), Some(key.text()))
            }
            (None, Some(path)) => (read_public(path)?, None),
            (None, None) => return Ok(None),
        };
        let name = public.algorithm().file_name().to_owned();
        Ok(Some(HostKey { name, public: public.line(), private }))
    }
}

/// A file that holds no key of the sort that is wanted.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{} is no public host key", path.display())]
    NotPublic { path: PathBuf, source: public::Error },
    #[error("{} is no private host key", path.display())]
    NotPrivate { path: PathBuf, source: host_key::Error },
}

/// Reads the public half.
pub(crate) fn read_public(path: &Path) -> Result<PublicKey, Failure> {
    let error = |source| Error::NotPublic { path: path.to_owned(), source };
    PublicKey::read(&read(path)?).map_err(|source| Failure::new(Kind::Usage, error(source)))
}

/// Reads the private half.
pub(crate) fn read_private(path: &Path) -> Result<host_key::PrivateKey, Failure> {
    let error = |source| Error::NotPrivate { path: path.to_owned(), source };
    host_key::find(&read(path)?, None).map_err(|source| {
        let hint = hint(&source);
        let failure = Failure::new(Kind::Usage, error(source));
        if hint.is_empty() { failure } else { failure.hint(hint) }
    })
}

/// Reads a file that may hold a private half.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut text = Zeroizing::new(Vec::with_capacity(LARGEST));
    let most = u64::try_from(LARGEST).unwrap_or(u64::MAX);
    File::open(path)
        .and_then(|file| file.take(most).read_to_end(&mut text))
        .map_err(|source| Failure::unreadable(path, source))?;
    Ok(text)
}

/// What to do about a key that is none.
pub(crate) fn hint(error: &host_key::Error) -> &'static str {
    use host_key::private::Error as Unusable;
    match error {
        host_key::Error::Unusable(Unusable::Encrypted) => {
            "ssh-keygen -p -f FILE takes the passphrase off a copy of it"
        }
        host_key::Error::Pem { .. } => "ssh-keygen -p -f FILE turns it into that form",
        host_key::Error::Unusable(
            Unusable::Cut | Unusable::NotBase64 { .. } | Unusable::Broken { .. },
        ) => "something was lost on the way: copy it again",
        host_key::Error::Nothing
        | host_key::Error::Surrounded
        | host_key::Error::Other { .. }
        | host_key::Error::Wrong { .. }
        | host_key::Error::Unusable(Unusable::Algorithm { .. }) => "",
    }
}
