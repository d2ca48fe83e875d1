//! One step of an installation.

use calve_image_core::plan::KeyId;

/// What an installation does, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The disk gets its partition table.
    Partition,
    /// Partitions are encrypted and get file systems.
    Format,
    /// File systems are mounted.
    Mount,
    /// The closure comes.
    Copy,
    /// Files, the system profile and the boot loader.
    Install,
    /// The machine starts its new system.
    Reboot,
}

impl Phase {
    /// All of them, in order.
    pub const ALL: [Self; 6] =
        [Self::Partition, Self::Format, Self::Mount, Self::Copy, Self::Install, Self::Reboot];

    /// Returns its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Partition => "partition",
            Self::Format => "format",
            Self::Mount => "mount",
            Self::Copy => "copy",
            Self::Install => "install",
            Self::Reboot => "reboot",
        }
    }
}

/// One step; done wholly or not at all, as far as the journal knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its name, which no other step has: the journal's word for it.
    pub name: String,
    /// What it belongs to.
    pub phase: Phase,
    /// The disk of which it destroys something.
    pub destroys: Option<String>,
    /// What does it, in order.
    pub commands: Vec<Command>,
}

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments; anyone may see them.
    pub words: Vec<String>,
    /// What it reads.
    pub input: Input,
    /// The disk that must still be the one that was surveyed, or the command does not run.
    pub guards: Option<String>,
}

/// What a command reads on its standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Nothing.
    Nothing,
    /// A text that anyone may see.
    Text(String),
    /// The passphrase of a keyslot of a volume.
    Passphrase {
        /// Which volume.
        volume: KeyId,
        /// Which of its passphrases, in their order.
        keyslot: usize,
    },
    /// Two passphrases of a volume, each after its length in eight digits: the first one, and one that is added.
    Both {
        /// Which volume.
        volume: KeyId,
        /// The one that is added.
        keyslot: usize,
    },
}

impl Command {
    /// A command that reads nothing.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let words = words.into_iter().map(str::to_owned).collect();
        Self { words, input: Input::Nothing, guards: None }
    }

    /// The same, reading something.
    #[must_use]
    pub fn reading(self, input: Input) -> Self {
        Self { input, ..self }
    }
}
