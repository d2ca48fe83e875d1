//! Errors of tickets and of unlocking, with the kind and the hints that each deserves.

use calve_installer::unlock::{self, Trouble, ticket};

use super::{Failure, Kind};

impl From<ticket::Error> for Failure {
    fn from(error: ticket::Error) -> Self {
        match error {
            ticket::Error::Unreadable { .. } | ticket::Error::Unwritable(_) => {
                Self::new(Kind::Failed, error)
            }
            ticket::Error::Writable { .. } => Self::new(Kind::Refused, error)
                .hint("look whether it is still what was built, and then: chmod go-w FILE"),
            ticket::Error::Malformed { .. }
            | ticket::Error::Version { .. }
            | ticket::Error::Value { .. } => Self::new(Kind::Usage, error),
            ticket::Error::NoKey { .. } => Self::new(Kind::Refused, error)
                .hint("the ticket and its known_hosts belong together: take both from one build"),
        }
    }
}

impl From<unlock::Error> for Failure {
    fn from(error: unlock::Error) -> Self {
        let (kind, hint) = match &error {
            unlock::Error::Prepare(_) | unlock::Error::Start(_) => (Kind::Failed, ""),
            unlock::Error::Interrupted => (Kind::Interrupted, ""),
            unlock::Error::GivenUp(_) => (
                Kind::GivenUp,
                "the host still asks; without a terminal, name a source: --key file:PATH",
            ),
            unlock::Error::Untypable { .. } => (
                Kind::Usage,
                "such a keyslot opens from a key file only; add one with a passphrase",
            ),
            unlock::Error::Host { trouble, .. } => trouble_hint(trouble),
            unlock::Error::Unreached { .. } => (Kind::NotUp, "--timeout waits longer"),
            unlock::Error::AlreadyUp { .. } => {
                (Kind::Refused, "if it is about to restart, try again in a moment")
            }
            unlock::Error::NoWay { .. } => (
                Kind::NotUp,
                "is it in its initrd? If it reads a FIFO, a ticket must say where: [asks] kind = \"fifo\"",
            ),
            unlock::Error::NobodyAsks { .. }
            | unlock::Error::Stuck { .. }
            | unlock::Error::Stalled { .. }
            | unlock::Error::NotUp { .. } => (Kind::NotUp, "its console says more"),
        };
        let failure = Self::new(kind, error);
        if hint.is_empty() { failure } else { failure.hint(hint) }
    }
}

/// What to do about a host that is not what it should be.
fn trouble_hint(trouble: &Trouble) -> (Kind, &'static str) {
    match trouble {
        Trouble::Changed { .. } => (
            Kind::Refused,
            "nothing was sent to it. Another machine may answer in its place; if it was built anew, use the \
             ticket of that build",
        ),
        Trouble::Unknown { .. } => (
            Kind::Refused,
            "compare that with what the host itself says, and then: --accept-new, or add it to your known_hosts",
        ),
        Trouble::Denied(_) => {
            (Kind::Failed, "is your public key in boot.initrd.network.ssh.authorizedKeys?")
        }
        Trouble::Refused | Trouble::Unreachable(_) | Trouble::Closed | Trouble::Other(_) => {
            (Kind::Failed, "")
        }
    }
}
