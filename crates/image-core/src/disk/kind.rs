//! What partitions are for, as type GUIDs say it.
//!
//! Follows the Discoverable Partitions Specification of the UAPI group: a system whose partitions
//! carry these types can be started without an fstab. Its verity partitions are left out.

use std::fmt;
use std::str::FromStr;

use uuid::{Uuid, uuid};

/// What a partition is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionKind {
    /// The EFI system partition, from which firmware boots.
    Esp,
    /// `/boot` beside the ESP: kernels for a boot loader that finds them.
    Xbootldr,
    /// The root file system of the system's architecture.
    Root,
    /// `/usr` of the system's architecture.
    Usr,
    /// `/home`.
    Home,
    /// `/srv`.
    Srv,
    /// `/var`.
    Var,
    /// `/var/tmp`.
    Tmp,
    /// Swap space.
    Swap,
    /// Any other Linux file system.
    Linux,
    /// A type of its own.
    Custom(Uuid),
}

/// The words for kinds, without [`PartitionKind::Custom`].
const WORDS: [(&str, PartitionKind); 10] = [
    ("esp", PartitionKind::Esp),
    ("xbootldr", PartitionKind::Xbootldr),
    ("root", PartitionKind::Root),
    ("usr", PartitionKind::Usr),
    ("home", PartitionKind::Home),
    ("srv", PartitionKind::Srv),
    ("var", PartitionKind::Var),
    ("tmp", PartitionKind::Tmp),
    ("swap", PartitionKind::Swap),
    ("linux", PartitionKind::Linux),
];

impl PartitionKind {
    /// Returns the type GUID that says so on a disk for this architecture.
    pub const fn type_guid(self, architecture: Architecture) -> Uuid {
        match self {
            Self::Esp => uuid!("c12a7328-f81f-11d2-ba4b-00a0c93ec93b"),
            Self::Xbootldr => uuid!("bc13c2ff-59e6-4262-a352-b275fd6f7172"),
            Self::Root => architecture.root(),
            Self::Usr => architecture.usr(),
            Self::Home => uuid!("933ac7e1-2eb4-4f13-b844-0e14e2aef915"),
            Self::Srv => uuid!("3b8f8425-20e0-4f3b-907f-1a25a76f98e8"),
            Self::Var => uuid!("4d21b016-b534-45c2-a9fb-5c16e091fd2d"),
            Self::Tmp => uuid!("7ec6f557-3bc5-4aca-b293-16ef5df639d1"),
            Self::Swap => uuid!("0657fd6d-a4ab-43c4-84e5-0933c84b4f4f"),
            Self::Linux => uuid!("0fc63daf-8483-4772-8e79-3d69d8477de4"),
            Self::Custom(guid) => guid,
        }
    }
}

impl fmt::Display for PartitionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, WORDS.iter().find(|(_, kind)| kind == self)) {
            (_, Some((word, _))) => f.write_str(word),
            (Self::Custom(guid), None) => guid.fmt(f),
            (kind, None) => write!(f, "{kind:?}"),
        }
    }
}

/// A text that is no partition type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a partition type ({}) or a GUID, found {found:?}", words())]
pub struct ParseKindError {
    /// The text as it was given.
    pub found: String,
}

fn words() -> String {
    WORDS.map(|(word, _)| word).join(", ")
}

impl FromStr for PartitionKind {
    type Err = ParseKindError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = WORDS.iter().find(|(word, _)| *word == text).map(|(_, kind)| *kind);
        word.or_else(|| Uuid::parse_str(text).ok().map(Self::Custom))
            .ok_or_else(|| ParseKindError { found: text.to_owned() })
    }
}

/// A processor architecture that root partitions have a type for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// 64-bit PCs.
    X86_64,
    /// 32-bit PCs.
    X86,
    /// 64-bit ARM.
    Arm64,
    /// 32-bit ARM.
    Arm,
    /// 64-bit RISC-V.
    Riscv64,
    /// 64-bit LoongArch.
    LoongArch64,
}

impl Architecture {
    /// Reads Nix's name of a platform, such as `x86_64-linux`.
    pub fn of_platform(platform: &str) -> Option<Self> {
        match platform.strip_suffix("-linux")? {
            "x86_64" => Some(Self::X86_64),
            "i686" => Some(Self::X86),
            "aarch64" => Some(Self::Arm64),
            "armv6l" | "armv7l" => Some(Self::Arm),
            "riscv64" => Some(Self::Riscv64),
            "loongarch64" => Some(Self::LoongArch64),
            _ => None,
        }
    }

    const fn root(self) -> Uuid {
        match self {
            Self::X86_64 => uuid!("4f68bce3-e8cd-4db1-96e7-fbcaf984b709"),
            Self::X86 => uuid!("44479540-f297-41b2-9af7-d131d5f0458a"),
            Self::Arm64 => uuid!("b921b045-1df0-41c3-af44-4c6f280d3fae"),
            Self::Arm => uuid!("69dad710-2ce4-4e3c-b16c-21a1d49abed3"),
            Self::Riscv64 => uuid!("72ec70a6-cf74-40e6-bd49-4bda08e8f224"),
            Self::LoongArch64 => uuid!("77055800-792c-4f94-b39a-98c91b762bb6"),
        }
    }

    const fn usr(self) -> Uuid {
        match self {
            Self::X86_64 => uuid!("8484680c-9521-48c6-9c11-b0720656f69e"),
            Self::X86 => uuid!("75250d76-8cc6-458e-bd66-bd47cc81a812"),
            Self::Arm64 => uuid!("b0e01050-ee5f-4390-949a-9101b17104e9"),
            Self::Arm => uuid!("7d0359a3-02b3-4f0a-865c-654403e70625"),
            Self::Riscv64 => uuid!("beaec34b-8442-439b-a40b-984381ed097d"),
            Self::LoongArch64 => uuid!("e611c702-575c-4cbe-9a46-434fa0bf7e3f"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The `gpt` crate keeps a table of its own, as text in upper case.
    #[test]
    fn guids_are_those_that_others_know() {
        use gpt::partition_types as theirs;
        let (x64, arm64) = (Architecture::X86_64, Architecture::Arm64);
        for (kind, architecture, type_) in [
            (PartitionKind::Esp, x64, theirs::EFI),
            (PartitionKind::Root, x64, theirs::LINUX_ROOT_X64),
            (PartitionKind::Root, Architecture::X86, theirs::LINUX_ROOT_X86),
            (PartitionKind::Root, arm64, theirs::LINUX_ROOT_ARM_64),
            (PartitionKind::Root, Architecture::Arm, theirs::LINUX_ROOT_ARM_32),
            (PartitionKind::Home, x64, theirs::LINUX_HOME),
            (PartitionKind::Srv, x64, theirs::LINUX_SRV),
            (PartitionKind::Swap, x64, theirs::LINUX_SWAP),
            (PartitionKind::Linux, x64, theirs::LINUX_FS),
        ] {
            let ours = kind.type_guid(architecture).to_string();
            assert_eq!(ours, type_.guid.to_string().to_lowercase(), "{kind}");
        }
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for (word, kind) in WORDS {
            assert_eq!((word.parse(), kind.to_string().as_str()), (Ok(kind), word));
        }
        let guid = "deadbeef-0000-4000-8000-000000000001";
        let kind: PartitionKind = guid.parse().unwrap();
        assert_eq!(kind.to_string(), guid);
        let said = "rot".parse::<PartitionKind>().unwrap_err().to_string();
        assert!(said.starts_with("expected a partition type (esp, xbootldr, root,"), "{said}");
    }
}
