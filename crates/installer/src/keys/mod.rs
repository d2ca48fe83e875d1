//! Where a key or a passphrase comes from: `file:PATH`, `env:VAR`, `fd:N`, `prompt` or `command:CMD`.
//!
//! - [`read`]: how each of them is read
//! - [`typed`]: what somebody would have to type for a key
//!
//! A key itself is never an argument: every process of a machine may read those. Files and descriptors are
//! taken byte for byte, as `cryptsetup --key-file` takes them. Variables, answers and what a command
//! prints lose the line end at their end, which nobody means. Nothing here prompts: whoever has a terminal brings a
//! function that asks. No error and no `Debug` text holds a byte of a key.

mod read;
#[cfg(test)]
mod tests;
mod typed;

use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;

pub use read::Error;
pub use typed::{Untypable, typed};

/// Most bytes that a key may have: cryptsetup's own limit of key files.
pub const LARGEST: usize = 8 << 20;

/// Where a key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file, as it is.
    File(PathBuf),
    /// A variable of the environment.
    Env(String),
    /// An open file descriptor, as it is.
    Fd(u32),
    /// Somebody who is asked.
    Prompt,
    /// What a shell command prints.
    Command(String),
}

impl Source {
    /// Takes the variable out of a child's environment; to be called for every child.
    pub fn hide_from(&self, command: &mut Command) {
        match self {
            Self::Env(variable) => {
                command.env_remove(variable);
            }
            Self::File(_) | Self::Fd(_) | Self::Prompt | Self::Command(_) => {}
        }
    }
}

/// A text that names no source; what it was is not told, as it may be the key itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It begins with no kind of source.
    #[error("expected file:PATH, env:VAR, fd:N, prompt or command:CMD")]
    Kind,
    /// The kind is right, but nothing follows.
    #[error("expected {0}, found nothing after the colon")]
    Empty(&'static str),
    /// A descriptor has no number.
    #[error("expected fd:N, where N is the number of an open file descriptor")]
    Number,
    /// The name before the equals sign is empty.
    #[error("expected NAME=SOURCE, found nothing before the equals sign")]
    Name,
}

impl FromStr for Source {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text == "prompt" {
            return Ok(Self::Prompt);
        }
        let (kind, rest) = text.split_once(':').ok_or(Malformed::Kind)?;
        let rest_or = |form| if rest.is_empty() { Err(Malformed::Empty(form)) } else { Ok(rest) };
        match kind {
            "file" => Ok(Self::File(rest_or("file:PATH")?.into())),
            "env" => Ok(Self::Env(rest_or("env:VAR")?.to_owned())),
            "fd" => rest_or("fd:N")?.parse().map(Self::Fd).map_err(|_| Malformed::Number),
            "command" => Ok(Self::Command(rest_or("command:CMD")?.to_owned())),
            _ => Err(Malformed::Kind),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Env(variable) => write!(f, "env:{variable}"),
            Self::Fd(number) => write!(f, "fd:{number}"),
            Self::Prompt => f.write_str("prompt"),
            Self::Command(command) => write!(f, "command:{command}"),
        }
    }
}

/// `[NAME=]SOURCE`: a source for one volume, or for all that have none of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The volume, by its mapper name.
    pub name: Option<String>,
    /// Where its key comes from.
    pub source: Source,
}

impl FromStr for Named {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        // A path may hold an equals sign; a name holds no colon.
        match text.parse() {
            Err(Malformed::Kind) => {}
            source => return source.map(|source| Self { name: None, source }),
        }
        let (name, source) = text.split_once('=').ok_or(Malformed::Kind)?;
        if name.is_empty() {
            return Err(Malformed::Name);
        }
        Ok(Self { name: Some(name.to_owned()), source: source.parse()? })
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name}=")?;
        }
        self.source.fmt(f)
    }
}
