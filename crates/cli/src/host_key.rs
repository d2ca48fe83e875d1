//! Host keys as they are named on the command line: files of their halves.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use calve_installer::host_key::{LARGEST, PublicKey, public};
use zeroize::Zeroizing;

use crate::failure::{Failure, Kind};

/// A file that holds no public key.
#[derive(Debug, thiserror::Error)]
#[error("{} is no public host key", path.display())]
struct NotPublic {
    path: PathBuf,
    source: public::Error,
}

/// Reads the public half.
pub(crate) fn read_public(path: &Path) -> Result<PublicKey, Failure> {
    let text = read(path)?;
    PublicKey::read(&text)
        .map_err(|source| Failure::new(Kind::Usage, NotPublic { path: path.to_owned(), source }))
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
