//! The CPU architectures a machine can have, and what QEMU calls their parts.
//!
//! A closed list: the x86_64 machine is `q35`, the aarch64 machine is `virt`. The aarch64 half
//! follows <https://www.qemu.org/docs/master/system/arm/virt.html> and was never booted.

use std::fmt;

/// A guest's CPU architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// 64-bit x86 PC (`q35`).
    X86_64,
    /// 64-bit Arm (`virt`); untested.
    Aarch64,
}

impl Architecture {
    /// Every architecture, in the order they are listed to people.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    /// The architecture this program runs on, if it is one of ours.
    pub fn host() -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == std::env::consts::ARCH)
    }

    /// The name as Linux, Rust and QEMU's firmware descriptors write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// The QEMU program that emulates it.
    pub fn qemu(self) -> &'static str {
        match self {
            Self::X86_64 => "qemu-system-x86_64",
            Self::Aarch64 => "qemu-system-aarch64",
        }
    }

    /// The value of QEMU's `-machine`.
    pub(crate) fn machine(self) -> &'static str {
        match self {
            Self::X86_64 => "q35",
            Self::Aarch64 => "virt",
        }
    }

    /// A versioned machine name, which the patterns of firmware descriptors must match.
    pub(crate) fn versioned_machine(self) -> &'static str {
        match self {
            Self::X86_64 => "pc-q35-9.0",
            Self::Aarch64 => "virt-9.0",
        }
    }

    /// The directory name in an `ovmf-prebuilt` cache.
    pub(crate) fn prebuilt(self) -> &'static str {
        match self {
            Self::X86_64 => "x64",
            Self::Aarch64 => "aarch64",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
