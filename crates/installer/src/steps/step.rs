//! One step of an installation.

use std::fmt;
use std::str::FromStr;

use calve_image_core::plan::KeyId;

use crate::target::Call;

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

/// A text that is no phase.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a phase ({}), found {found:?}", Phase::ALL.map(Phase::word).join(", "))]
pub struct ParsePhaseError {
    /// The text as it was given.
    pub found: String,
}

impl FromStr for Phase {
    type Err = ParsePhaseError;

    fn from_str(text: &str) -> Result<Self, ParsePhaseError> {
        let phase = Self::ALL.into_iter().find(|phase| phase.word() == text);
        phase.ok_or_else(|| ParsePhaseError { found: text.to_owned() })
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
    /// Whether what it does ends with the installer's system: it asks first whether it is needed, and is done
    /// again whenever an installation goes on.
    pub is_volatile: bool,
    /// What it does.
    pub action: Action,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Commands, in order.
    Run(Vec<Command>),
    /// The closure comes to the store below [`ROOT`](super::ROOT).
    Copy,
    /// Commands that end with the machine's restart: the connection may break, which is no error.
    Restart(Vec<Command>),
}

impl Step {
    /// A step of commands that destroys nothing.
    pub(super) fn run(name: String, phase: Phase, commands: Vec<Command>) -> Self {
        let action = Action::Run(commands);
        Self { name, phase, destroys: None, is_volatile: false, action }
    }

    /// The same, asking first whether it is needed.
    pub(super) fn volatile(self) -> Self {
        Self { is_volatile: true, ..self }
    }

    /// Returns its commands; copying is none.
    pub fn commands(&self) -> &[Command] {
        match &self.action {
            Action::Run(commands) | Action::Restart(commands) => commands,
            Action::Copy => &[],
        }
    }
}

/// Returns the step with which the closure comes.
pub fn copy() -> Step {
    let (name, phase, action) = ("copy".to_owned(), Phase::Copy, Action::Copy);
    Step { name, phase, destroys: None, is_volatile: false, action }
}

/// One command. All run as root.
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
    /// The passphrase of a keyslot of a volume, and nothing after it.
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
    /// A secret of the new system, by its name: [`HOST_KEY`], or where the first stage finds it.
    Secret(String),
    /// The nth directory of files for the new system, as a tar stream.
    Files(usize),
}

/// The name of the secret that is the new system's SSH host key.
pub const HOST_KEY: &str = "host key";

impl fmt::Display for Input {
    /// Says what it is, and never more.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Text(text) => write!(f, "{} lines of text", text.lines().count()),
            Self::Passphrase { volume, keyslot } => {
                write!(f, "passphrase {keyslot} of {}", volume.0)
            }
            Self::Both { volume, keyslot } => {
                write!(f, "passphrases 0 and {keyslot} of {}", volume.0)
            }
            Self::Secret(name) if name.starts_with('/') => write!(f, "initrd secret {name}"),
            Self::Secret(name) => f.write_str(name),
            Self::Files(number) => write!(f, "extra files {number}, as a tar stream"),
        }
    }
}

impl Command {
    /// A command that reads nothing.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let words = words.into_iter().map(str::to_owned).collect();
        Self { words, input: Input::Nothing, guards: None }
    }

    /// A script of a POSIX shell, under a name; its arguments are no part of it.
    pub(super) fn script<'a>(
        script: &'a str,
        name: &'a str,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self::new(["sh", "-c", script, name].into_iter().chain(arguments))
    }

    /// The same, reading something.
    #[must_use]
    pub fn reading(self, input: Input) -> Self {
        Self { input, ..self }
    }

    /// The command as a POSIX shell reads it, without its input.
    pub fn line(&self) -> String {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        Call::new(&words).line()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_read_as_they_are_written() {
        for phase in Phase::ALL {
            assert_eq!(phase.word().parse(), Ok(phase));
        }
        let said = "disko".parse::<Phase>().unwrap_err().to_string();
        let expected =
            "expected a phase (partition, format, mount, copy, install, reboot), found \"disko\"";
        assert_eq!(said, expected);
    }
}
