//! What ssh's own words mean: which key the host has, and why there is no connection.
//!
//! They have been the same for many years, in every language, as ssh does not translate. What is not known is kept
//! for the error.

use std::path::PathBuf;

use crate::host_key::PublicKey;

/// Most lines that are kept for an error.
const KEPT: usize = 8;

/// Why there is no connection, or no longer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The host is there, its SSH server is not.
    #[error("connection refused")]
    Refused,
    /// The host is not there.
    #[error("{0}")]
    Unreachable(String),
    /// The connection ended before anything was said.
    #[error("connection closed")]
    Closed,
    /// The host has another key.
    #[error("the host has another key: expected {expected}, found {found}")]
    Changed {
        /// The fingerprint of the expected key.
        expected: String,
        /// The fingerprint of the key that it has.
        found: String,
    },
    /// Nobody vouches for the host's key.
    #[error("nobody vouches for the host key {found}")]
    Unknown {
        /// Its fingerprint.
        found: String,
    },
    /// The host is right, but lets nobody in.
    #[error("the host does not let us in: {0}")]
    Denied(String),
    /// Something else.
    #[error("ssh failed: {0}")]
    Other(String),
}

impl Trouble {
    /// Whether it passes by itself when a host starts.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Refused | Self::Unreachable(_) | Self::Closed => true,
            Self::Changed { .. } | Self::Unknown { .. } | Self::Denied(_) | Self::Other(_) => false,
        }
    }
}

/// Hears ssh's words, line by line.
#[derive(Debug, Default)]
pub(super) struct Words {
    found: Option<String>,
    is_vouched_for: bool,
    is_changed: bool,
    is_unverified: bool,
    offending: Option<(PathBuf, usize)>,
    kept: Vec<String>,
}

impl Words {
    /// Takes a line, and gives what the user should know at once.
    pub(super) fn hear(&mut self, line: &str) -> Option<String> {
        let line = line.trim_end();
        let Some(debug) = line.strip_prefix("debug1: ") else {
            return self.plain(line);
        };
        if let Some(rest) = debug.strip_prefix("Server host key: ") {
            self.found = rest.split(' ').nth(1).map(str::to_owned);
        } else if debug.contains("is known and matches the") {
            self.is_vouched_for = true;
        } else if debug.starts_with("Server accepts key:") && debug.contains("-SK ") {
            return Some("touch the security key if it blinks".to_owned());
        }
        None
    }

    fn plain(&mut self, line: &str) -> Option<String> {
        self.is_changed |= line.contains("REMOTE HOST IDENTIFICATION HAS CHANGED");
        self.is_unverified |= line.contains("Host key verification failed");
        if let Some(place) =
            line.split_once("Offending ").and_then(|(_, rest)| rest.split_once(" key in "))
        {
            self.offending = place.1.rsplit_once(':').and_then(|(file, number)| {
                Some((PathBuf::from(file), number.trim().parse().ok()?))
            });
        }
        if line.starts_with("Warning: Permanently added") {
            return Some(line.to_owned());
        }
        if !line.trim().is_empty() {
            if self.kept.len() == KEPT {
                self.kept.remove(0);
            }
            self.kept.push(line.to_owned());
        }
        None
    }

    /// The fingerprint of the host's key, once it was seen.
    pub(super) fn found(&self) -> Option<&str> {
        self.found.as_deref()
    }

    /// Whether the host's key is one that was expected.
    pub(super) fn is_vouched_for(&self) -> bool {
        self.is_vouched_for
    }

    /// What the words say when ssh failed; `pinned` is the fingerprint that was expected, if it was one.
    pub(super) fn trouble(&self, pinned: Option<&str>) -> Trouble {
        if self.is_unverified {
            let Some(found) = self.found.clone() else {
                return Trouble::Other(
                    "nobody vouches for the key of a host on the way".to_owned(),
                );
            };
            let expected = pinned.map(str::to_owned).or_else(|| self.offended());
            return match expected {
                Some(expected) => Trouble::Changed { expected, found },
                None if self.is_changed => {
                    Trouble::Changed { expected: "the key in your known_hosts".to_owned(), found }
                }
                None => Trouble::Unknown { found },
            };
        }
        let find = |texts: &[&str]| {
            self.kept.iter().rev().find(|line| texts.iter().any(|text| line.contains(text)))
        };
        if let Some(line) = find(&["Permission denied", "Too many authentication failures"]) {
            return Trouble::Denied(line.clone());
        }
        if find(&["Connection refused"]).is_some() {
            return Trouble::Refused;
        }
        let unreachable = [
            "timed out",
            "No route to host",
            "is unreachable",
            "Host is down",
            "Could not resolve hostname",
        ];
        if let Some(line) = find(&unreachable) {
            let line = line.strip_prefix("ssh: ").unwrap_or(line);
            return Trouble::Unreachable(line.to_owned());
        }
        let closed = [
            "onnection closed",
            "onnection reset",
            "closed by remote host",
            "Broken pipe",
            "Connection to",
        ];
        match (self.kept.last(), find(&closed)) {
            (_, Some(_)) | (None, None) => Trouble::Closed,
            (Some(last), None) => Trouble::Other(last.clone()),
        }
    }

    /// The fingerprint of the key that ssh took offence for.
    fn offended(&self) -> Option<String> {
        let (file, number) = self.offending.as_ref()?;
        let text = std::fs::read_to_string(file).ok()?;
        let line = text.lines().nth(number.checked_sub(1)?)?;
        let line = line
            .strip_prefix("@")
            .map_or(line, |rest| rest.split_once(' ').map_or(rest, |(_, rest)| rest));
        let (_, key) = line.trim().split_once([' ', '\t'])?;
        PublicKey::read(key.as_bytes()).ok().map(|key| key.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Words {
        let mut words = Words::default();
        for line in text.lines() {
            words.hear(line);
        }
        words
    }

    const SERVER: &str = "debug1: Server host key: ssh-ed25519 SHA256:found\r\n";

    #[test]
    fn why_there_is_no_connection() {
        let no = |text: &str| words(text).trouble(None);
        assert_eq!(
            no("ssh: connect to host web port 22: Connection refused\r\n"),
            Trouble::Refused
        );
        for text in [
            "connect to host web port 22: No route to host",
            "Could not resolve hostname web: Name or service not known",
        ] {
            assert_eq!(no(&format!("ssh: {text}")), Trouble::Unreachable(text.to_owned()));
        }
        for text in [
            "",
            "kex_exchange_identification: read: Connection reset by peer\nConnection reset by 127.0.0.1 port 2",
            "Connection closed by 127.0.0.1 port 22",
            "Connection to web closed by remote host.",
        ] {
            assert_eq!(no(text), Trouble::Closed, "{text}");
            assert!(no(text).may_pass());
        }
        let denied = "root@web: Permission denied (publickey).";
        assert_eq!(no(denied), Trouble::Denied(denied.to_owned()));
        let other = "Bad configuration option: foo";
        assert_eq!(no(other), Trouble::Other(other.to_owned()));
        assert!(!no(other).may_pass());
    }

    #[test]
    fn keys_that_nobody_expected() {
        let unknown = format!(
            "{SERVER}No ED25519 host key is known for web and you have requested strict checking.\n\
             Host key verification failed.\n"
        );
        let found = || "SHA256:found".to_owned();
        assert_eq!(words(&unknown).trouble(None), Trouble::Unknown { found: found() });
        let expected = || "SHA256:pinned".to_owned();
        let changed = Trouble::Changed { expected: expected(), found: found() };
        assert_eq!(words(&unknown).trouble(Some("SHA256:pinned")), changed);
        // A jump host's key is not this host's.
        let jump =
            words("Host key verification failed.\nConnection closed by UNKNOWN port 65535\n");
        assert!(!jump.trouble(Some("SHA256:pinned")).may_pass());
        assert_eq!(words(&unknown).found(), Some("SHA256:found"));
        assert!(!words(&unknown).is_vouched_for());
        assert!(
            words("debug1: Host 'web' is known and matches the ED25519 host key.").is_vouched_for()
        );
    }

    #[test]
    fn the_offending_key_is_looked_up() {
        let key =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF2L5pouZVhwl3YAYSc7OEQQseM5fVFYD2/zzVqHzzzA";
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("# x\nweb {key}\n")).unwrap();
        let text = format!(
            "{SERVER}@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n\
             Offending ED25519 key in {}:2\nHost key verification failed.\n",
            file.path().display()
        );
        let expected = PublicKey::read(key.as_bytes()).unwrap().to_string();
        let found = "SHA256:found".to_owned();
        assert_eq!(words(&text).trouble(None), Trouble::Changed { expected, found });
    }

    #[test]
    fn what_the_user_is_told() {
        let mut words = Words::default();
        let accepted = "debug1: Server accepts key: /k ED25519-SK SHA256:x authenticator";
        assert!(words.hear(accepted).is_some_and(|said| said.contains("touch")));
        assert_eq!(words.hear("debug1: Server accepts key: /k ED25519 SHA256:x agent"), None);
        assert!(
            words
                .hear("Warning: Permanently added 'web' (ED25519) to the list of known hosts.")
                .is_some()
        );
    }
}
