//! Errors of images and of what they are made of, with the kind and the hints that each deserves.

use std::io;

use calve_image_core::boot::preflight::{Finding, Severity};
use calve_image_core::boot::remote_unlock;
use calve_image_core::disk::{LayoutError, luks2};
use calve_image_core::formats::fill::FillError;
use calve_image_core::formats::{disk, iso, lxc, wsl};
use calve_image_core::inputs::system;
use calve_image_core::tree::source::SourceError;
use calve_image_core::writers::tar;
use calve_image_core::{cache, output, pack, region};

use super::Failure;
use super::Kind;
use crate::findings::{self, Side};

impl From<system::Error> for Failure {
    fn from(error: system::Error) -> Self {
        let is_none = matches!(error, system::Error::NoSystem { .. });
        let failure = Self::new(Kind::Failed, error);
        if is_none {
            failure.hint(
                "build one with: nix build .#nixosConfigurations.HOST.config.system.build.toplevel",
            )
        } else {
            failure
        }
    }
}

impl From<disk::Error> for Failure {
    fn from(error: disk::Error) -> Self {
        match error {
            disk::Error::Refused(report) => {
                let note = refusals(&report.findings, Side::Layout);
                Self::new(Kind::Refused, disk::Error::Refused(report)).note(note)
            }
            disk::Error::Loader(_) | disk::Error::Platform { .. } | disk::Error::Name(_) => {
                Self::new(Kind::Refused, error)
            }
            disk::Error::NoEsp => Self::new(Kind::Usage, error),
            disk::Error::Layout(error) => error.into(),
            disk::Error::Homeless { .. } => Self::new(Kind::Usage, error)
                .hint("put it where a volume is mounted: --overlay DIR:/persist, say"),
            disk::Error::Secrets(_) => Self::new(Kind::Refused, error)
                .hint("let boot.initrd.secrets name a file outside of /etc, such as /var/lib/…"),
            disk::Error::Fill(error) => error.into(),
            disk::Error::Esp(_) | disk::Error::Stage1(_) => Self::new(Kind::Failed, error),
        }
    }
}

impl From<remote_unlock::Error> for Failure {
    fn from(error: remote_unlock::Error) -> Self {
        match error {
            remote_unlock::Error::Refused(findings) => {
                let note = refusals(&findings, Side::Initrd);
                Self::new(Kind::Refused, remote_unlock::Error::Refused(findings)).note(note)
            }
            remote_unlock::Error::Stage1(_) | remote_unlock::Error::Secrets(_) => {
                Self::new(Kind::Failed, error)
            }
        }
    }
}

impl From<lxc::Error> for Failure {
    fn from(error: lxc::Error) -> Self {
        match error {
            lxc::Error::Refused(findings) => {
                let note = refusals(&findings, Side::Container);
                Self::new(Kind::Refused, lxc::Error::Refused(findings)).note(note)
            }
            lxc::Error::Fill(error) => error.into(),
            lxc::Error::Store(_) | lxc::Error::HostKey(_) => Self::new(Kind::Failed, error),
            lxc::Error::Path(_) | lxc::Error::StorePath(_) => Self::internal(error),
        }
    }
}

impl From<wsl::Error> for Failure {
    fn from(error: wsl::Error) -> Self {
        match error {
            wsl::Error::Refused(findings) => {
                let note = refusals(&findings, Side::Wsl);
                Self::new(Kind::Refused, wsl::Error::Refused(findings)).note(note)
            }
            wsl::Error::NoUser { .. } => Self::new(Kind::Usage, error),
            wsl::Error::Fill(error) => error.into(),
            wsl::Error::Users(_) | wsl::Error::Store(_) | wsl::Error::Source(_) => {
                Self::new(Kind::Failed, error)
            }
            wsl::Error::Path(_) | wsl::Error::StorePath(_) => Self::internal(error),
        }
    }
}

impl From<iso::Error> for Failure {
    fn from(error: iso::Error) -> Self {
        match error {
            iso::Error::Refused(findings) => {
                let note = refusals(&findings, Side::Medium);
                Self::new(Kind::Refused, iso::Error::Refused(findings)).note(note)
            }
            iso::Error::Conflict(_) => Self::new(Kind::Usage, error)
                .hint("an overlay may add files to the medium, but not replace what starts it"),
            iso::Error::Menu(_) | iso::Error::Fat(_) | iso::Error::Grub(_) => {
                Self::new(Kind::Refused, error)
            }
            iso::Error::Store(_)
            | iso::Error::Stage1(_)
            | iso::Error::StoreTree(_)
            | iso::Error::Esp(_)
            | iso::Error::Source(_)
            | iso::Error::Overlay(_)
            | iso::Error::Squashfs(_)
            | iso::Error::Volume(_) => Self::new(Kind::Failed, error),
            iso::Error::StorePath(_)
            | iso::Error::Path(_)
            | iso::Error::Place(_)
            | iso::Error::Hybrid(_) => Self::internal(error),
        }
    }
}

/// The findings that are refusals, written down.
fn refusals(findings: &[Finding], side: Side) -> String {
    let is_refusal = |finding: &&Finding| finding.severity == Severity::Refusal;
    findings::text(findings.iter().filter(is_refusal), side)
}

impl From<FillError> for Failure {
    fn from(error: FillError) -> Self {
        match error {
            FillError::Conflict(_) => Self::new(Kind::Usage, error)
                .hint("an overlay may replace files of the image, but not what holds the system"),
            FillError::Store(_) | FillError::Generated(_) | FillError::Overlay(_) => {
                Self::new(Kind::Failed, error)
            }
        }
    }
}

impl From<tar::Error> for Failure {
    fn from(error: tar::Error) -> Self {
        Self::new(Kind::Failed, error)
    }
}

impl From<pack::Error> for Failure {
    fn from(error: pack::Error) -> Self {
        match error {
            pack::Error::Read(error) => error.into(),
            pack::Error::Path(_) => Self::internal(error),
            pack::Error::Cache(error) => error.into(),
            pack::Error::Codec(_) | pack::Error::Spool(_) => Self::new(Kind::Failed, error),
        }
    }
}

impl From<LayoutError> for Failure {
    fn from(error: LayoutError) -> Self {
        match &error {
            LayoutError::Room { .. } => Self::new(Kind::Usage, error)
                .hint("raise --size or the partition's size, or drop an overlay"),
            LayoutError::Luks { .. } => {
                Self::new(Kind::Usage, error).hint("mend content.luks in the profile, or its keys")
            }
            LayoutError::Foreign { .. } => Self::new(Kind::Usage, error).hint(
                "calve install makes it on a machine's disk; an image needs a profile with ext4",
            ),
            LayoutError::TwoRests { .. }
            | LayoutError::Choice(_)
            | LayoutError::Name { .. }
            | LayoutError::Disk { .. }
            | LayoutError::Table(_) => Self::new(Kind::Usage, error),
            LayoutError::Ext4 { .. } | LayoutError::Vfat { .. } | LayoutError::Swap { .. } => {
                Self::new(Kind::Failed, error)
            }
            LayoutError::TreeMissing | LayoutError::Plan(_) => Self::internal(error),
        }
    }
}

impl From<luks2::Error> for Failure {
    fn from(error: luks2::Error) -> Self {
        Self::new(Kind::Failed, error)
    }
}

impl From<output::Error> for Failure {
    fn from(error: output::Error) -> Self {
        match &error {
            output::Error::Exists { .. } => {
                Self::new(Kind::Usage, error).hint("--force replaces it")
            }
            output::Error::NotAFile { path, found: "block device" } => {
                let path = path.display().to_string();
                Self::new(Kind::Usage, error).hint(format!(
                    "to write a device: name a file here, then: calve write FILE {path}"
                ))
            }
            output::Error::NotAFile { .. }
            | output::Error::NoName { .. }
            | output::Error::NoDirectory { .. } => Self::new(Kind::Usage, error),
            output::Error::Io { .. } => Self::new(Kind::Failed, error),
        }
    }
}

impl From<region::Error> for Failure {
    fn from(error: region::Error) -> Self {
        if matches!(error, region::Error::Cancelled) {
            return Self::new(Kind::Interrupted, "interrupted");
        }
        let is_changed = matches!(error, region::Error::Source { .. });
        let failure = Self::new(Kind::Failed, error);
        if is_changed {
            failure.hint("nothing may change the store or an overlay during a build; try again")
        } else {
            failure
        }
    }
}

impl From<cache::Error> for Failure {
    fn from(error: cache::Error) -> Self {
        let answer = match &error {
            cache::Error::Foreign { .. } => {
                return Self::new(Kind::Usage, error).hint("name another directory: --cache DIR");
            }
            cache::Error::Block { .. } => return Self::internal(error),
            cache::Error::Source(SourceError::Changed { .. }) => None,
            cache::Error::Io { source, .. }
            | cache::Error::Source(SourceError::Io { source, .. }) => Some(source.kind()),
        };
        let is_full =
            matches!(answer, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded));
        let failure = Self::new(Kind::Failed, error);
        if is_full {
            failure.hint(
                "calve cache trim --to SIZE makes room there; --no-cache builds without a cache",
            )
        } else {
            failure.hint("--cache DIR names another directory for it")
        }
    }
}
