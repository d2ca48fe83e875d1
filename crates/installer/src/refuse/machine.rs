//! What kind of machine it is, and whether it has what the steps run.

use std::collections::BTreeSet;

use super::{Refusal, Wanted};
use crate::steps::{Action, Phase, Step, programs};
use crate::survey::Machine;
use crate::survey::machine::Firmware;
use crate::target::Login;

/// What every step runs behind.
const LOCK: &str = "flock";

/// What takes the closure in.
const STORE: &str = "nix-store";

/// Finds what of the machine does not do.
pub(super) fn refusals(machine: &Machine, wanted: &Wanted<'_>) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    refusals.extend(processor(machine, wanted.platform));
    if wanted.steps.iter().any(|step| step.phase == Phase::Install) {
        refusals.extend(firmware(machine.firmware, wanted.platform));
    }
    refusals.extend((wanted.login == Login::User).then_some(Refusal::Login));
    let mut known = BTreeSet::new();
    for step in wanted.steps {
        for name in needed(step) {
            if !machine.has(name) && known.insert(name) {
                let (name, step) = (name.to_owned(), step.name.clone());
                refusals.push(Refusal::Program { name, step });
            }
        }
    }
    refusals
}

/// The programs that a step needs.
pub(super) fn needed(step: &Step) -> BTreeSet<&str> {
    let mut programs = programs(std::slice::from_ref(step));
    programs.insert(LOCK);
    programs.extend((step.action == Action::Copy).then_some(STORE));
    programs
}

/// A machine runs programs of its own kind, and a PC with 64 bits those with 32.
fn processor(machine: &Machine, platform: &str) -> Option<Refusal> {
    let found = machine.processor.as_deref()?;
    let expected = platform.strip_suffix("-linux").unwrap_or(platform);
    let is_same = expected == found || (expected == "i686" && found == "x86_64");
    (!is_same)
        .then(|| Refusal::Processor { expected: platform.to_owned(), found: found.to_owned() })
}

/// Firmware starts programs of its own width.
fn firmware(firmware: Firmware, platform: &str) -> Option<Refusal> {
    let is_narrow = ["i686", "armv6l", "armv7l"].iter().any(|narrow| platform.starts_with(narrow));
    let expected = if is_narrow { 32 } else { 64 };
    let found = match firmware {
        Firmware::Uefi { bits } if bits == expected => return None,
        Firmware::Uefi { bits } => format!("UEFI of {bits} bits"),
        Firmware::Other => "a BIOS, or by something else than UEFI".to_owned(),
    };
    Some(Refusal::Firmware { expected: format!("UEFI of {expected} bits"), found })
}
