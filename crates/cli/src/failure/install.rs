//! Errors of installations, with the kind and the hints that each deserves.

use calve_installer::copy;
use calve_installer::journal;
use calve_installer::run;
use calve_installer::verify::{self, key};

use super::{Failure, Kind};

impl From<journal::Error> for Failure {
    fn from(error: journal::Error) -> Self {
        use journal::Error;
        let (kind, hint) = match &error {
            Error::Held { .. } => (Kind::Refused, "wait for its end, or end it"),
            Error::Missing { .. } => {
                (Kind::Usage, "without --resume an installation begins; it asks before it wipes")
            }
            Error::Version { .. } => (Kind::Refused, "go on with the calve that began it"),
            Error::Nonsense { .. } => {
                (Kind::Failed, "move it away, and begin anew: without --resume")
            }
            Error::Differs { .. } => (
                Kind::Refused,
                "--resume takes the same command line and the same system; without it an installation begins \
                 anew",
            ),
            Error::Disk { .. } => (Kind::Refused, "nothing was done to it"),
            Error::Unsure { .. } => (Kind::Refused, "name the disk once more: --yes-wipe DISK"),
            Error::Io { .. } => (Kind::Failed, "XDG_STATE_HOME=DIR names another directory for it"),
        };
        Self::new(kind, error).hint(hint)
    }
}

impl From<run::Error> for Failure {
    fn from(error: run::Error) -> Self {
        use run::Error;
        match error {
            Error::Journal(error) => error.into(),
            Error::Reach(error) => error.into(),
            Error::Copy { step, source, state } => match source.downcast::<copy::Error>() {
                Ok(error) => (*error).into(),
                Err(source) => Self::new(Kind::Failed, Error::Copy { step, source, state }),
            },
            Error::Disk { .. } => Self::new(Kind::Refused, error)
                .hint("it was taken out, or its name is another's now: survey the machine"),
            Error::Interrupted { .. } => Self::new(Kind::Interrupted, error),
            Error::Locked { .. } => Self::new(Kind::Refused, error),
            Error::Step { .. }
            | Error::Target { .. }
            | Error::Input { .. }
            | Error::LockLost { .. }
            | Error::Busy { .. }
            | Error::Prepare { .. } => Self::new(Kind::Failed, error),
        }
    }
}

impl From<copy::Error> for Failure {
    fn from(error: copy::Error) -> Self {
        use copy::Error;
        let hint = match error {
            Error::Target(error) => return error.into(),
            Error::Read(error) => return error.into(),
            Error::Interrupted => return Self::new(Kind::Interrupted, "interrupted"),
            Error::Login { .. } => "log in as root, or let sudo ask that user nothing",
            Error::NoNix { .. } => {
                "--sender calve needs no Nix here; the machine needs one in any case, as NixOS installers have"
            }
            Error::Unsigned { .. } => {
                "sign the paths (nix store sign), name the key that signed them (--trusted-public-key \
                 NAME:KEY), or send them from here: without --from"
            }
            Error::Full { .. } => "take a larger disk, or a smaller system",
            Error::Missing { .. } => {
                "copy the whole closure there first: nix copy --to STORE SYSTEM"
            }
            Error::Corrupt { .. } => {
                "nix-store --verify-path tells; nix-store --repair-path mends it"
            }
            Error::Scan(_)
            | Error::Tree(_)
            | Error::Stream(_)
            | Error::Answer(_)
            | Error::Refused { .. } => "",
        };
        let failure = Self::new(Kind::Failed, error);
        if hint.is_empty() { failure } else { failure.hint(hint) }
    }
}

impl From<key::Error> for Failure {
    fn from(error: key::Error) -> Self {
        match error {
            key::Error::Target(error) => error.into(),
            key::Error::Missing { .. } | key::Error::Unknown { .. } => {
                Self::new(Kind::Failed, error)
            }
        }
    }
}

impl From<verify::Error> for Failure {
    fn from(error: verify::Error) -> Self {
        use verify::Error;
        let (note, hint) = match &error {
            Error::Interrupted => return Self::new(Kind::Interrupted, error),
            Error::State { report, .. } | Error::Health { report, .. } => {
                (told(report), "the system is installed and answers: ssh in and look")
            }
            Error::Target(_) | Error::Garbled { .. } => (String::new(), ""),
            Error::NotUp { .. } => (String::new(), "its console says more; --timeout waits longer"),
            Error::NotRestarted { .. } => {
                (String::new(), "its console says more; does its firmware start the disk first?")
            }
            Error::OtherSystem { .. } => (
                String::new(),
                "it may have fallen back to another entry of its boot menu: look there",
            ),
        };
        let failure = Self::new(Kind::NotUp, error).note(note);
        if hint.is_empty() { failure } else { failure.hint(hint) }
    }
}

/// What a system that is not well says.
fn told(report: &verify::Report) -> String {
    let units = report.units.iter().map(|unit| format!("  failed: {unit}\n"));
    let errors = report.errors.iter().map(|error| format!("  {error}\n"));
    units.chain(errors).collect()
}
