//! Pre-flight: would this closure boot from what this layout makes?
//!
//! Everything that decides it is in the closure's own files, so it is asked before a byte is written. A
//! [`Finding`] says what the closure wants, what the layout gives and what mends it; one refusal is
//! enough to stop a build. Labels and ids that the closure names and the layout leaves open are
//! *adopted*: the image is made so that the closure finds what it looks for. Each specialisation is
//! checked like the system itself; what it shares with the system is said once.
//!
//! - [`offer`]: the layout's side, in words that do not depend on how disks are made
//! - [`adopt`]: ids, and what a file system or partition can be called
//! - [`mounts`]: fstab against the layout
//! - [`unlocking`]: what the system unlocks against the encrypted volumes
//! - [`swap`]: what it swaps to
//! - [`unique`]: no two volumes under one name
//! - [`modules`]: what stage 1 can drive
//! - [`startup`]: boot loader, kernel, `init=`, the ESP
//! - [`secrets`]: what the initrd needs that no closure holds
//! - `login`: whether anybody gets in when it runs
//!
//! Not checked: whether the kernel supports the target's hardware beyond QEMU's disks.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::inputs::closure::Closure;
use crate::inputs::stage1::{self, Stage1};
use crate::inputs::store::HostStore;
use crate::inputs::store_path::StoreFile;
use crate::inputs::system::{Configuration, System};

pub mod adopt;
mod login;
pub mod modules;
pub mod mounts;
pub mod offer;
pub mod secrets;
pub mod startup;
mod swap;
pub mod unique;
pub mod unlocking;

pub use adopt::Adopted;
pub use offer::{Offer, Target, Volume};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// It would not boot, or not as the closure says: nothing is built.
    Refusal,
    /// It boots, but something may be missing.
    Warning,
}

/// One way in which closure and layout do not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is about: a mount point, `boot loader`, `init=`.
    pub about: String,
    /// What the closure wants.
    pub wants: String,
    /// What the layout gives.
    pub gives: String,
    /// What to change.
    pub mend: String,
    /// The specialisation it was found in; `None` for the system itself.
    pub specialisation: Option<String>,
}

/// What pre-flight found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Refusals first, then in the order in which they were found.
    pub findings: Vec<Finding>,
    /// Ids that the image must have, by the volume's index in the offer.
    pub adopted: BTreeMap<usize, Adopted>,
}

impl Report {
    /// Whether nothing may be built.
    pub fn is_refused(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Refusal)
    }
}

/// Holds a system against an offer. Errors are files that cannot be read, not bad findings.
pub fn check(
    store: &HostStore,
    system: &System,
    closure: &Closure,
    offer: &Offer,
) -> Result<Report, stage1::Error> {
    let mut findings = Findings::default();
    let mut adopted = BTreeMap::new();
    let mut initrds: BTreeMap<StoreFile, Stage1> = BTreeMap::new();
    for (name, configuration) in system.all() {
        findings.specialisation = name.map(str::to_owned);
        let initrd = configuration.bootspec.as_ref().and_then(|spec| spec.initrd.as_ref());
        if let Some(file) = initrd
            && closure.contains(file.path())
            && !initrds.contains_key(file)
            && store.kind(file)?.is_some_and(|kind| kind.is_file())
        {
            initrds.insert(file.clone(), Stage1::read(store, file)?);
        }
        let stage1 = initrd.and_then(|file| initrds.get(file));
        let subject = Subject { configuration, stage1, closure, offer };
        startup::check(store, &subject, &mut findings);
        // Without a kernel nothing is mounted either.
        if configuration.bootspec.is_some() {
            secrets::check(store, &subject, &mut findings);
            unlocking::check(&subject, &mut adopted, &mut findings);
            mounts::check(&subject, &mut adopted, &mut findings);
            modules::check(&subject, &mut findings);
            login::check(store, configuration, &mut findings);
        }
    }
    findings.specialisation = None;
    secrets::unknown(store, system, offer.secrets.iter().cloned(), &mut findings);
    unique::check(offer, &adopted, &mut findings);
    Ok(Report { findings: findings.sorted(), adopted })
}

/// One configuration, and what it is held against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    configuration: &'a Configuration,
    /// `None` where there is no initrd.
    stage1: Option<&'a Stage1>,
    closure: &'a Closure,
    offer: &'a Offer,
}

/// Collects findings; what a specialisation shares with the system is kept once.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) found: Vec<Finding>,
    /// What is found now is about this specialisation.
    pub(crate) specialisation: Option<String>,
}

/// The texts of a finding.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) about: String,
    pub(crate) wants: String,
    pub(crate) gives: String,
    pub(crate) mend: String,
}

impl Findings {
    pub(crate) fn refuse(&mut self, told: Told) {
        self.add(Severity::Refusal, told);
    }

    pub(crate) fn warn(&mut self, told: Told) {
        self.add(Severity::Warning, told);
    }

    fn add(&mut self, severity: Severity, told: Told) {
        let Told { about, wants, gives, mend } = told;
        let mut finding = Finding { severity, about, wants, gives, mend, specialisation: None };
        if self.found.contains(&finding) {
            return;
        }
        finding.specialisation.clone_from(&self.specialisation);
        if !self.found.contains(&finding) {
            self.found.push(finding);
        }
    }

    /// All that was found, refusals first.
    pub(crate) fn sorted(mut self) -> Vec<Finding> {
        self.found.sort_by_key(|finding| finding.severity);
        self.found
    }
}

#[cfg(test)]
mod encrypted_tests;
#[cfg(test)]
mod real_tests;
#[cfg(test)]
mod tests;
