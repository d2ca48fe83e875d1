//! Errors of keys, machines and devices, with the kind and the hints that each deserves.

use std::io;

use calve_image_core::inspect;
use calve_installer::host_key::store;
use calve_installer::{keys, survey, target, write};

use super::{Failure, Kind};

impl From<keys::Error> for Failure {
    fn from(error: keys::Error) -> Self {
        let nobody = matches!(error, keys::Error::Unanswered { .. });
        let failure = Self::new(if nobody { Kind::GivenUp } else { Kind::Failed }, error);
        if nobody {
            failure.hint("without a terminal: file:PATH, env:VAR, fd:N or command:CMD")
        } else {
            failure
        }
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        match &error {
            store::Error::NotAFile { .. } => Self::new(Kind::Usage, error),
            store::Error::Io { source, .. } => {
                let is_read_only = source.kind() == std::io::ErrorKind::ReadOnlyFilesystem;
                let failure = Self::new(Kind::Failed, error);
                if is_read_only {
                    failure.hint(
                        "what keeps the key has to be mounted, for writing, before it is asked for",
                    )
                } else {
                    failure
                }
            }
        }
    }
}

impl From<survey::Error> for Failure {
    fn from(error: survey::Error) -> Self {
        Self::new(Kind::Failed, error)
    }
}

impl From<survey::snapshot::Error> for Failure {
    fn from(error: survey::snapshot::Error) -> Self {
        use survey::snapshot::Error;
        match error {
            Error::Target(error) => error.into(),
            Error::Refused { .. } => Self::new(Kind::Failed, error)
                .hint("the survey needs a POSIX shell, coreutils and tar there; a NixOS installer has them"),
            Error::Nonsense { .. } | Error::Unpack { .. } => Self::new(Kind::Failed, error),
        }
    }
}

impl From<target::Error> for Failure {
    fn from(error: target::Error) -> Self {
        use target::Error;
        match &error {
            Error::Interrupted => Self::new(Kind::Interrupted, error),
            Error::Name { .. } => Self::new(Kind::Usage, error),
            Error::Unreachable { host, said } if said.contains("Host key verification failed") => {
                let host = host.clone();
                Self::new(Kind::Refused, error).hint(format!(
                    "compare the key with what the host's console shows, then: ssh {host}, or --accept-new if \
                     no key of it was known before"
                ))
            }
            Error::Unreachable { host, .. } => {
                let host = host.clone();
                Self::new(Kind::Failed, error).hint(format!("try it by hand: ssh {host} true"))
            }
            Error::Start { .. }
            | Error::Talk { .. }
            | Error::Endless { .. }
            | Error::Silent { .. }
            | Error::Lost { .. } => Self::new(Kind::Failed, error),
        }
    }
}

impl From<write::Error> for Failure {
    fn from(error: write::Error) -> Self {
        match error {
            write::Error::Image(error) => error.into(),
            write::Error::Busy { ref path } => {
                let path = path.display().to_string();
                Self::new(Kind::Refused, error)
                    .hint(format!("who it is: fuser -v {path}, lsblk {path}"))
            }
            write::Error::Changed { .. } => Self::new(Kind::Refused, error)
                .hint("nothing was written; look again: calve write IMAGE DEVICE"),
            write::Error::Cancelled => Self::new(Kind::Interrupted, "interrupted"),
            write::Error::Open { ref source, .. }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                Self::new(Kind::Failed, error)
                    .hint("writing a device needs root: sudo calve write …")
            }
            write::Error::Survey(_)
            | write::Error::Open { .. }
            | write::Error::TooLarge { .. }
            | write::Error::Write { .. }
            | write::Error::Flush { .. }
            | write::Error::Read { .. }
            | write::Error::Differs { .. }
            | write::Error::Table(_)
            | write::Error::Move(_) => Self::new(Kind::Failed, error),
        }
    }
}

impl From<write::image::Error> for Failure {
    fn from(error: write::image::Error) -> Self {
        use write::image;
        match &error {
            image::Error::Read { .. } => Self::new(Kind::Failed, error),
            image::Error::NotAFile { .. } => Self::new(Kind::Usage, error),
            image::Error::Inspect { path, source: inspect::Error::Qcow2 { .. } } => {
                let path = path.display().to_string();
                Self::new(Kind::Refused, error)
                    .hint(format!("unpack it first: qemu-img convert -O raw {path} disk.raw"))
            }
            image::Error::Inspect { .. } => Self::new(Kind::Refused, error)
                .hint("the image is damaged: fetch or build it again"),
            image::Error::Unpack { .. } | image::Error::Truncated { .. } => {
                Self::new(Kind::Refused, error)
                    .hint("the image is damaged or not all of it is there: fetch it again")
            }
            image::Error::Unknown { .. } => Self::new(Kind::Refused, error)
                .hint("compressed images are read as zstd, xz and gzip; unpack others first"),
        }
    }
}
