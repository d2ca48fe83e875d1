//! Reads a key from its source.
//!
//! What a key passes through is wiped: buffers grow by copies, and each copy goes with its owner. A descriptor is
//! opened anew by its name below `/proc/self/fd`, as taking one over by its number is unsafe: so a
//! pipe is emptied, and a file is read from its beginning.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use zeroize::Zeroizing;

use super::typed::without_line_end;
use super::{LARGEST, Source};

/// How many bytes are read at once.
const CHUNK: usize = 4 << 10;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or a descriptor cannot be read.
    #[error("the key {from} cannot be read")]
    Unreadable {
        /// Where it should come from.
        from: Source,
        /// What the system says.
        source: io::Error,
    },
    /// A variable is not set.
    #[error("the key {from} is not there: the variable is not set")]
    Unset {
        /// Where it should come from.
        from: Source,
    },
    /// Nobody gave an answer.
    #[error("nobody gave the key")]
    Unanswered {
        /// Why.
        source: io::Error,
    },
    /// A command failed, whatever it printed.
    #[error("the key {from} is not there: the command ended with {status}")]
    Failed {
        /// Where it should come from.
        from: Source,
        /// How it ended.
        status: ExitStatus,
    },
    /// There is nothing in it.
    #[error("the key {from} is empty")]
    Empty {
        /// Where it comes from.
        from: Source,
    },
    /// It is longer than any key.
    #[error("the key {from} is longer than {} MiB", LARGEST >> 20)]
    Long {
        /// Where it comes from.
        from: Source,
    },
}

impl Source {
    /// Reads the key; `ask` is called for [`Source::Prompt`] only.
    ///
    /// # Errors
    /// Why there is none; an empty key is none.
    pub fn read(
        &self,
        ask: &mut dyn FnMut() -> io::Result<Zeroizing<Vec<u8>>>,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let from = || self.clone();
        let unreadable = |source| Error::Unreadable { from: from(), source };
        let key = match self {
            Self::File(path) => File::open(path).and_then(all).map_err(unreadable)?,
            Self::Fd(0) => all(io::stdin().lock()).map_err(unreadable)?,
            Self::Fd(number) => {
                let path = PathBuf::from(format!("/proc/self/fd/{number}"));
                File::open(path).and_then(all).map_err(unreadable)?
            }
            Self::Env(variable) => {
                let value =
                    std::env::var_os(variable).ok_or_else(|| Error::Unset { from: from() })?;
                trimmed(&Zeroizing::new(value.into_vec()))
            }
            Self::Prompt => trimmed(&ask().map_err(|source| Error::Unanswered { source })?),
            Self::Command(command) => trimmed(&self.run(command)?),
        };
        if key.is_empty() {
            return Err(Error::Empty { from: from() });
        }
        if key.len() > LARGEST {
            return Err(Error::Long { from: from() });
        }
        Ok(key)
    }

    /// What a command prints; its words go where ours go, and it may ask on the terminal.
    fn run(&self, command: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
        let unreadable = |source| Error::Unreadable { from: self.clone(), source };
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(command).stdout(Stdio::piped());
        let mut child = shell.spawn().map_err(unreadable)?;
        let printed = match child.stdout.take() {
            Some(stdout) => all(stdout),
            None => Ok(Zeroizing::default()),
        };
        // Waited for in any case, so that nothing is left behind.
        let status = child.wait().map_err(unreadable)?;
        let printed = printed.map_err(unreadable)?;
        if status.success() {
            Ok(printed)
        } else {
            Err(Error::Failed { from: self.clone(), status })
        }
    }
}

/// Reads everything, a little more than a key may have at most.
fn all(reader: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let most = u64::try_from(LARGEST).unwrap_or(u64::MAX).saturating_add(1);
    let mut reader = reader.take(most);
    let mut key = Zeroizing::new(Vec::with_capacity(CHUNK));
    let mut chunk = Zeroizing::new([0; CHUNK]);
    loop {
        let count = match reader.read(chunk.as_mut_slice()) {
            Ok(0) => return Ok(key),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if key.capacity() - key.len() < count {
            // A vector that grows by itself leaves its old bytes behind.
            let mut larger = Zeroizing::new(Vec::with_capacity(2 * key.capacity() + count));
            larger.extend_from_slice(&key);
            key = larger;
        }
        key.extend_from_slice(chunk.get(..count).unwrap_or_default());
    }
}

fn trimmed(key: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(without_line_end(key).to_vec())
}
