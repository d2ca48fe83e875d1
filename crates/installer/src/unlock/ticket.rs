//! `OUT.unlock.toml`: what a build tells whoever unlocks the machine later.
//!
//! Nothing in it is secret, and everything in it is trusted: whoever may change it, or the known_hosts beside it, may
//! make a passphrase go to another machine. So both are refused where others than their owner may write them.
//! Keys that this version does not know are refused too, as they might say what must not be missed.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::{getegid, geteuid};
use serde::{Deserialize, Serialize};

use crate::host_key::PublicKey;

/// Most bytes that are read of a ticket or a known_hosts.
const LARGEST: u64 = 1 << 20;

/// The bit of a mode that lets everybody write.
const ALL_WRITE: u32 = 0o002;

/// The bit of a mode that lets a group write.
const GROUP_WRITES: u32 = 0o020;

/// How the host that is to be unlocked is reached, known and answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ticket {
    /// The version of this form.
    pub version: u32,
    /// Where the host is, as `ssh` takes it; nothing if nobody knew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The port of the SSH server in the initrd.
    #[serde(default = "default_port")]
    pub port: u16,
    /// Who logs in.
    #[serde(default = "default_user")]
    pub user: String,
    /// The fingerprint of the initrd's host key, `SHA256:…`.
    pub fingerprint: String,
    /// The name of a file beside the ticket that holds the key with that fingerprint.
    pub known_hosts: String,
    /// The mapper names of the volumes.
    #[serde(default)]
    pub volumes: Vec<String>,
    /// The public host key of the system that starts then, if it was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_host_key: Option<String>,
    /// How the initrd asks.
    pub asks: Asks,
}

/// How an initrd asks for a passphrase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Words", into = "Words")]
pub enum Asks {
    /// As systemd does: files below `/run/systemd/ask-password`, answered by its agent.
    Systemd,
    /// As NixOS' scripted stage 1 does: files below `/crypt-ramfs`, answered by `cryptsetup-askpass`.
    CryptsetupAskpass,
    /// A FIFO that somebody reads.
    Fifo {
        /// Where it is, in the initrd.
        path: String,
    },
}

/// [`Asks`] as it is written down: serde's tagged enums let unknown keys pass.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Systemd,
    CryptsetupAskpass,
    Fifo,
}

impl TryFrom<Words> for Asks {
    type Error = &'static str;

    fn try_from(words: Words) -> Result<Self, &'static str> {
        match (words.kind, words.path) {
            (Kind::Systemd, None) => Ok(Self::Systemd),
            (Kind::CryptsetupAskpass, None) => Ok(Self::CryptsetupAskpass),
            (Kind::Fifo, Some(path)) => Ok(Self::Fifo { path }),
            (Kind::Fifo, None) => Err("expected the path of the FIFO, found none"),
            (Kind::Systemd | Kind::CryptsetupAskpass, Some(_)) => {
                Err("unknown field `path`, which only a FIFO has")
            }
        }
    }
}

impl From<Asks> for Words {
    fn from(asks: Asks) -> Self {
        match asks {
            Asks::Systemd => Self { kind: Kind::Systemd, path: None },
            Asks::CryptsetupAskpass => Self { kind: Kind::CryptsetupAskpass, path: None },
            Asks::Fifo { path } => Self { kind: Kind::Fifo, path: Some(path) },
        }
    }
}

/// Why a ticket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It, or the known_hosts, cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Others may change what is trusted.
    #[error(
        "{} may be written by others (mode {mode:o}, owner {owner}): a passphrase would go wherever they want",
        path.display()
    )]
    Writable {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// The number of its owner.
        owner: u32,
    },
    /// It is no ticket.
    #[error("{name}:{line}: {message}")]
    Malformed {
        /// The file.
        name: String,
        /// The line, from 1.
        line: usize,
        /// What was expected there.
        message: String,
    },
    /// It is of another version.
    #[error("{name}:{line}: expected version {}, found {found}", Ticket::VERSION)]
    Version {
        /// The file.
        name: String,
        /// The line, from 1.
        line: usize,
        /// The version.
        found: u32,
    },
    /// A value makes no sense.
    #[error("{name}:{line}: {key} is expected to be {expected}, found {found:?}")]
    Value {
        /// The file.
        name: String,
        /// The line, from 1.
        line: usize,
        /// The key in the ticket.
        key: &'static str,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// The known_hosts does not hold the key.
    #[error("{} holds no key with the ticket's fingerprint {fingerprint}{}", path.display(), but(.found))]
    NoKey {
        /// The known_hosts.
        path: PathBuf,
        /// The expected fingerprint.
        fingerprint: String,
        /// Those that it holds.
        found: Vec<String>,
    },
    /// It cannot be put into words.
    #[error("the ticket cannot be written")]
    Unwritable(#[from] toml::ser::Error),
}

fn but(found: &[String]) -> String {
    if found.is_empty() { String::new() } else { format!(", but {}", found.join(" and ")) }
}

fn default_port() -> u16 {
    22
}

fn default_user() -> String {
    "root".to_owned()
}

/// A ticket as it was read, and the key that it pins.
#[derive(Clone, Debug)]
pub struct Trusted {
    /// The ticket.
    pub ticket: Ticket,
    /// The host key of the initrd.
    pub key: PublicKey,
    /// The host key of the system, if the ticket tells.
    pub system_key: Option<PublicKey>,
}

impl Ticket {
    /// The version that is written and read.
    pub const VERSION: u32 = 1;

    /// The port where none is given.
    pub const PORT: u16 = 22;

    /// Returns the text of the file.
    ///
    /// # Errors
    /// A value that TOML cannot hold, which none of ours is.
    pub fn text(&self) -> Result<String, Error> {
        let words = "# For `calve unlock THIS-FILE`. Nothing in here is secret, but all of it is trusted: keep it, and\n\
                     # the known_hosts beside it, where nobody else can change them.\n";
        Ok(format!("{words}{}", toml::to_string(self)?))
    }

    /// Reads the text of a file; `name` is for errors.
    ///
    /// # Errors
    /// What is wrong, with its line.
    pub fn parse(text: &str, name: &str) -> Result<Self, Error> {
        let name = || name.to_owned();
        let line = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        let ticket: Self = toml::from_str(text).map_err(|error| Error::Malformed {
            name: name(),
            line: line(error.span().map_or(0, |span| span.start)),
            message: error.message().lines().next().unwrap_or_default().to_owned(),
        })?;
        let key_line = |key: &str| {
            let is_it = |line: &str| {
                line.trim_start()
                    .strip_prefix(key)
                    .is_some_and(|rest| rest.trim_start().starts_with('='))
            };
            text.lines().position(is_it).map_or(1, |line| line + 1)
        };
        if ticket.version != Self::VERSION {
            return Err(Error::Version {
                name: name(),
                line: key_line("version"),
                found: ticket.version,
            });
        }
        match ticket.wrong() {
            None => Ok(ticket),
            Some((key, expected, found)) => {
                Err(Error::Value { name: name(), line: key_line(key), key, expected, found })
            }
        }
    }

    /// Finds a value that makes no sense: its key, what is expected, and what it is.
    fn wrong(&self) -> Option<(&'static str, &'static str, String)> {
        let is_word = |text: &str| {
            !text.is_empty()
                && !text.starts_with('-')
                && !text.contains(|char: char| char.is_whitespace() || char.is_control())
        };
        let host = self.host.as_deref().unwrap_or("host");
        let fifo = match &self.asks {
            Asks::Fifo { path } => path.as_str(),
            Asks::Systemd | Asks::CryptsetupAskpass => "/",
        };
        let checks = [
            (is_word(host), "host", "a host as ssh takes it", host),
            (is_word(&self.user), "user", "a user's name", &self.user),
            (
                self.fingerprint.strip_prefix("SHA256:").is_some_and(|hash| hash.len() == 43),
                "fingerprint",
                "SHA256:… as ssh-keygen -l prints it",
                &self.fingerprint,
            ),
            (
                Path::new(&self.known_hosts).file_name() == Some(self.known_hosts.as_ref()),
                "known-hosts",
                "the name of a file beside the ticket",
                &self.known_hosts,
            ),
            (
                fifo.starts_with('/') && !fifo.contains(char::is_control),
                "path",
                "an absolute path",
                fifo,
            ),
        ];
        let wrong = checks.into_iter().find(|(is_right, ..)| !is_right);
        let wrong = wrong.map(|(_, key, expected, found)| (key, expected, found.to_owned()));
        wrong.or_else(|| match self.system_key() {
            Ok(_) => None,
            Err(found) => Some(("system-host-key", "a public host key, as in a .pub file", found)),
        })
    }

    /// The system's key, or the text that is none.
    fn system_key(&self) -> Result<Option<PublicKey>, String> {
        let Some(line) = &self.system_host_key else { return Ok(None) };
        PublicKey::read(line.as_bytes()).map(Some).map_err(|_| line.clone())
    }

    /// Reads a ticket and the known_hosts beside it.
    ///
    /// # Errors
    /// What is wrong with either.
    pub fn read(path: &Path) -> Result<Trusted, Error> {
        let text = trusted(path)?;
        let ticket = Self::parse(&text, &path.display().to_string())?;
        let path = path.with_file_name(&ticket.known_hosts);
        let keys: Vec<_> = trusted(&path)?.lines().filter_map(known_key).collect();
        let fingerprints = || keys.iter().map(PublicKey::to_string);
        let Some(key) = keys.iter().find(|key| key.to_string() == ticket.fingerprint) else {
            let (fingerprint, found) = (ticket.fingerprint, fingerprints().collect());
            return Err(Error::NoKey { path, fingerprint, found });
        };
        let (key, system_key) = (key.clone(), ticket.system_key().unwrap_or_default());
        Ok(Trusted { ticket, key, system_key })
    }
}

/// The key of a known_hosts line, whatever hosts stand before it; none of an authority's or a revoked one.
fn known_key(line: &str) -> Option<PublicKey> {
    let line = line.trim();
    if line.starts_with(['#', '@']) {
        return None;
    }
    let (_, key) = line.split_once([' ', '\t'])?;
    PublicKey::read(key.as_bytes()).ok()
}

/// Reads a file that nobody else may write.
fn trusted(path: &Path) -> Result<String, Error> {
    let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let meta = file.metadata().map_err(unreadable)?;
    let (mode, owner) = (meta.mode() & 0o7777, meta.uid());
    let is_ours = owner == geteuid().as_raw() || owner == 0;
    // Where everybody has a group of their own, umask 002 is usual.
    let is_group_ours = mode & GROUP_WRITES == 0 || meta.gid() == getegid().as_raw();
    let is_safe = mode & ALL_WRITE == 0 && is_group_ours && is_ours;
    if meta.is_file() && !is_safe {
        return Err(Error::Writable { path: path.to_owned(), mode, owner });
    }
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}
