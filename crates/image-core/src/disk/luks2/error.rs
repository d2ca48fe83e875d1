//! What keeps a volume from being planned or made. None of it holds a byte of a key.

use crate::plan::PlanError;
use crate::units::Bytes;

/// Why there is no volume.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A label is too long for the header.
    #[error("a LUKS2 {what} of {found} bytes: expected at most {most}")]
    LongLabel {
        /// Which one.
        what: &'static str,
        /// How long it is.
        found: usize,
        /// What fits.
        most: usize,
    },
    /// A label holds what nobody can type.
    #[error("a LUKS2 {what} with the control character {found:?}: expected printed ones")]
    Label {
        /// Which one.
        what: &'static str,
        /// What it holds.
        found: char,
    },
    /// Too few or too many keyslots.
    #[error("a LUKS2 volume of {found} keyslots: expected 1 to {most}")]
    Keyslots {
        /// How many were asked for.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// Not the passphrases that the volume was planned for.
    #[error("{found} passphrases for a volume that was planned with {expected} keyslots")]
    Passphrases {
        /// How many keyslots were planned.
        expected: usize,
        /// How many passphrases were given.
        found: usize,
    },
    /// A passphrase of no bytes.
    #[error("an empty passphrase: expected at least one byte")]
    EmptyPassphrase,
    /// A passphrase that `cryptsetup` would read in part.
    #[error("a passphrase of {found}: expected at most {most}, which is all that cryptsetup reads")]
    LongPassphrase {
        /// How long it is.
        found: Bytes,
        /// `cryptsetup`'s limit of a key file.
        most: Bytes,
    },
    /// A cost of the key derivation that `cryptsetup` does not take.
    #[error("{what} of {kdf}: expected {least} to {most}, found {found}")]
    Cost {
        /// Which cost.
        what: &'static str,
        /// Of which function.
        kdf: &'static str,
        /// The least.
        least: u64,
        /// The most.
        most: u64,
        /// What was asked for.
        found: u64,
    },
    /// Memory that is no whole number of KiB.
    #[error("argon2id memory of {} bytes: expected a multiple of 1024", found.get())]
    OddMemory {
        /// What was asked for.
        found: Bytes,
    },
    /// What is inside could not be mounted from a device of such sectors.
    #[error(
        "{format} with blocks of {block} bytes in a volume of {sector} byte sectors: the kernel would not mount it"
    )]
    SmallBlocks {
        /// What is inside.
        format: &'static str,
        /// Its unit.
        block: u64,
        /// The volume's unit.
        sector: u64,
    },
    /// The pieces make no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The header does not hold what describes the keyslots.
    #[error("{found} bytes of LUKS2 metadata: expected at most {most}")]
    Metadata {
        /// How much there is.
        found: usize,
        /// What fits.
        most: usize,
    },
    /// The metadata cannot be written as JSON: a defect.
    #[error("LUKS2 metadata that are no JSON: {reason}")]
    Unwritten {
        /// What the serialiser says.
        reason: String,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gives no random bytes")]
    Random(#[from] getrandom::Error),
    /// A keyslot cannot be derived.
    #[error(transparent)]
    Derive(#[from] super::kdf::DeriveError),
}
