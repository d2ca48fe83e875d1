//! Whether a system would start from an ISO, read off its own files.
//!
//! A live system finds its medium by the name of the volume and its store in a file on it; both are
//! decided when the system is built (nixpkgs' `installer/cd-dvd/iso-image.nix`), so here they are read
//! and the medium is made to match. What looks for its store elsewhere is refused, with the mend.
//!
//! - [`place`]: the volume and the file, out of fstab, stage 1 and the kernel's parameters
//! - `modules`: what stage 1 must be able to drive
//! - `database`: whether Nix in the running system will know its store paths
//!
//! Which compressions of squashfs the kernel reads is in no file of the closure; NixOS' own kernels read
//! all that are written here.

mod database;
mod modules;
mod place;

use std::collections::BTreeMap;

pub use place::Shape;

use super::Error;
use super::loaders::{Loaders, Wishes};
use crate::boot::preflight::{Finding, Findings, Severity, Told, startup};
use crate::formats::Input;
use crate::inputs::stage1::Stage1;
use crate::inputs::store_path::{StoreFile, StorePath};
use crate::inputs::system::Configuration;
use crate::units::{Bytes, KIB};

/// What mends most of what is refused.
const MODULE: &str = "import nixpkgs' installer/cd-dvd/iso-image.nix, and rebuild";

/// A platform's name is not longer.
const PLATFORM_MAX: Bytes = Bytes::new(KIB.get());

/// A system that starts from an ISO.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What the medium must be called, and where its store must lie.
    pub shape: Shape,
    /// What starts it.
    pub loaders: Loaders,
    /// Warnings.
    pub findings: Vec<Finding>,
}

/// One configuration, and its first stage where it has an initrd.
#[derive(Clone, Copy, Debug)]
struct Subject<'a> {
    configuration: &'a Configuration,
    stage1: Option<&'a Stage1>,
}

/// Holds a system and its specialisations against what a medium can be.
///
/// # Errors
/// [`Error::Refused`] with all findings, or what cannot be read.
pub fn check(input: Input<'_>, wishes: &Wishes, carried: &[StorePath]) -> Result<Checked, Error> {
    let mut findings = Findings::default();
    let mut initrds: BTreeMap<StoreFile, Stage1> = BTreeMap::new();
    let mut shape = None;
    for (name, configuration) in input.system.all() {
        findings.specialisation = name.map(str::to_owned);
        let Some(spec) = &configuration.bootspec else {
            refuse_container(configuration, &mut findings);
            continue;
        };
        startup::refuse_secrets(spec, &mut findings);
        startup::extras(spec, &mut findings);
        startup::files(input.store, configuration, input.closure, &mut findings);
        if let Some(file) = &spec.initrd
            && input.closure.contains(file.path())
            && !initrds.contains_key(file)
            && input.store.kind(file)?.is_some_and(|kind| kind.is_file())
        {
            initrds.insert(file.clone(), Stage1::read(input.store, file)?);
        }
        let stage1 = spec.initrd.as_ref().and_then(|file| initrds.get(file));
        let subject = Subject { configuration, stage1 };
        let Some(found) = place::read(subject, &mut findings) else { continue };
        modules::check(subject, found.is_overlay, &mut findings);
        database::check(input.store, configuration, &mut findings)?;
        match &shape {
            None => shape = Some(found),
            Some(shape) => refuse_other(shape, &found, &mut findings),
        }
    }
    findings.specialisation = None;
    let loaders = Loaders::choose(input, wishes, &mut findings)?;
    warn_of_platforms(input, carried, &mut findings)?;
    let findings = findings.sorted();
    let is_refused = findings.iter().any(|found| found.severity == Severity::Refusal);
    match (shape, loaders) {
        (Some(shape), Some(loaders)) if !is_refused => Ok(Checked { shape, loaders, findings }),
        (_, _) => Err(Error::Refused(findings)),
    }
}

fn refuse_container(configuration: &Configuration, findings: &mut Findings) {
    findings.refuse(Told {
        about: "kernel".to_owned(),
        wants: format!("to be run in a container: {} has no boot.json", configuration.toplevel),
        gives: "a medium that firmware starts".to_owned(),
        mend: "build a configuration without boot.isContainer, or make an LXC or WSL image of it"
            .to_owned(),
    });
}

/// Refuses a specialisation that looks for another medium than the system.
fn refuse_other(shape: &Shape, found: &Shape, findings: &mut Findings) {
    let told = |about: &str, wants: String, gives: String| Told {
        about: about.to_owned(),
        wants,
        gives,
        mend: "let the specialisation keep the system's isoImage settings".to_owned(),
    };
    if found.volume != shape.volume {
        let wants = format!("a volume called {:?}", found.volume.as_str());
        let gives = format!("{:?}, for which the system looks", shape.volume.as_str());
        findings.refuse(told("volume", wants, gives));
    }
    if found.squashfs != shape.squashfs {
        let wants = format!("its store in {}", found.squashfs);
        let gives = format!("{}, where the system looks", shape.squashfs);
        findings.refuse(told("store", wants, gives));
    }
}

/// Warns of systems that ride along but are for machines that the medium does not start.
fn warn_of_platforms(
    input: Input<'_>,
    carried: &[StorePath],
    findings: &mut Findings,
) -> Result<(), Error> {
    let own = &input.system.main.platform;
    for toplevel in carried {
        let platform = match input.store.read_text(&toplevel.join("system")?, PLATFORM_MAX) {
            Ok(platform) => platform,
            // What rides along need not be a system.
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(error.into()),
        };
        if platform.trim_end() != own {
            findings.warn(Told {
                about: toplevel.name().to_owned(),
                wants: format!("to be installed on {}", platform.trim_end()),
                gives: format!("a live system that starts on {own} only"),
                mend: "leave it out, or build the live system for that platform".to_owned(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod real_tests;
#[cfg(test)]
mod tests;
