//! Whether QEMU runs the guest's code on the CPU (KVM) or translates it (TCG).
//!
//! KVM is several times faster, but a `/dev/kvm` that exists may still be of no use: nested
//! virtualisation in cloud sandboxes opens it, accepts a guest and then fails on the first
//! privileged instruction. So [`Accel::Auto`] tries: it starts the same QEMU with KVM and the same
//! firmware and no disk, and takes KVM only if the firmware speaks within ten seconds. That
//! costs about a second where KVM works, nothing where there is no `/dev/kvm`, and it cannot see
//! faults that come later than the firmware. Without UEFI firmware there is nothing to try, and
//! Auto means TCG. The answer is not remembered; callers that boot often choose once themselves.

use std::fs::OpenOptions;
use std::time::Duration;

use crate::architecture::Architecture;
use crate::machine::{Boot, Machine};

/// How the guest's code runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Accel {
    /// KVM if a trial start shows that it works, else TCG.
    #[default]
    Auto,
    /// Translated by QEMU: works everywhere, for every architecture.
    Tcg,
    /// On the CPU, through Linux' KVM.
    Kvm,
}

/// What Auto settles on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen {
    /// Translated by QEMU.
    Tcg,
    /// On the CPU.
    Kvm,
}

/// Firmware under working KVM speaks within two seconds even on a busy machine.
const TRIAL: Duration = Duration::from_secs(10);
/// What OVMF prints when it looks for something to boot.
const SIGN_OF_LIFE: &str = "BdsDxe";

impl Accel {
    /// Settles how `machine` runs; tries KVM if that is left open.
    pub fn choose(self, machine: &Machine) -> Chosen {
        match self {
            Self::Tcg => Chosen::Tcg,
            Self::Kvm => Chosen::Kvm,
            Self::Auto if kvm_works(machine) => Chosen::Kvm,
            Self::Auto => Chosen::Tcg,
        }
    }
}

impl Chosen {
    /// The value of `-accel`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcg => "tcg",
            Self::Kvm => "kvm",
        }
    }

    /// The value of `-cpu`: the most that the accelerator offers.
    pub(crate) fn cpu(self) -> &'static str {
        match self {
            Self::Tcg => "max",
            Self::Kvm => "host",
        }
    }
}

fn kvm_works(machine: &Machine) -> bool {
    let Boot::Uefi(firmware) = &machine.boot else {
        return false;
    };
    if Architecture::host() != Some(machine.architecture) {
        return false;
    }
    if OpenOptions::new().read(true).write(true).open("/dev/kvm").is_err() {
        return false;
    }
    let Ok(scratch) = tempfile::tempdir() else {
        return false;
    };
    let trial = Machine {
        accel: Accel::Kvm,
        memory_mib: 256,
        cpus: 1,
        qemu: machine.qemu.clone(),
        evidence: Some(scratch.path().to_owned()),
        fatal: Vec::new(),
        ..Machine::new(Boot::Uefi(firmware.clone()))
    };
    let Ok(mut running) = trial.boot() else {
        return false;
    };
    let spoke = running.console().expect(SIGN_OF_LIFE, TRIAL).is_ok();
    running.stop();
    tracing::debug!(works = spoke, "KVM tried");
    spoke
}
