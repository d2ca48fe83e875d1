//! `loader.conf`: what the menu does, and which entry it starts by itself.
//!
//! Follows loader.conf(5) and `write_loader_conf` of nixpkgs' builder.

use std::fmt;
use std::str::FromStr;

use super::entry::GENERATION;
use crate::inputs::builder::Settings;

/// The menu's seconds where nobody says anything; NixOS' default.
const TIMEOUT: Timeout = Timeout::Seconds(5);

/// What the menu waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// So many seconds; 0 shows no menu unless a key is held.
    Seconds(u32),
    /// A choice by the user.
    Force,
    /// Nothing, and the menu stays hidden.
    Hidden,
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seconds(seconds) => write!(f, "{seconds}"),
            Self::Force => f.write_str("menu-force"),
            Self::Hidden => f.write_str("menu-hidden"),
        }
    }
}

impl FromStr for Timeout {
    type Err = ();

    /// Reads loader.conf's own words; empty, as older builders write it, is no timeout.
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "" | "menu-force" => Ok(Self::Force),
            "menu-hidden" => Ok(Self::Hidden),
            seconds => seconds.parse().map(Self::Seconds).map_err(|_| ()),
        }
    }
}

/// How systemd-boot sets the console's resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsoleMode {
    /// As the firmware left it.
    Keep,
    /// A suitable one.
    Auto,
    /// The largest.
    Max,
    /// 0: 80x25, 1: 80x50, 2 and more: the firmware's own.
    Number(u8),
}

impl fmt::Display for ConsoleMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep => f.write_str("keep"),
            Self::Auto => f.write_str("auto"),
            Self::Max => f.write_str("max"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

impl FromStr for ConsoleMode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "keep" => Ok(Self::Keep),
            "auto" => Ok(Self::Auto),
            "max" => Ok(Self::Max),
            number => number.parse().map(Self::Number).map_err(|_| ()),
        }
    }
}

/// What a profile may say; `None` leaves it to the closure, and then to NixOS' defaults.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// What the menu waits for.
    pub timeout: Option<Timeout>,
    /// Whether the command line may be edited in the menu.
    pub editor: Option<bool>,
    /// The console's resolution.
    pub console_mode: Option<ConsoleMode>,
    /// How often the generation may fail before the next is tried; 0 turns counting off.
    pub tries: Option<u32>,
}

/// Writes the file; the profile is asked first, then the closure, then NixOS' defaults.
pub(super) fn loader_conf(options: &Options, settings: &Settings, tries: Option<u32>) -> String {
    let timeout = settings.timeout.as_ref().and_then(|text| text.parse().ok());
    let timeout = options.timeout.or(timeout).unwrap_or(TIMEOUT);
    let console_mode = settings.console_mode.as_ref().and_then(|text| text.parse().ok());
    let console_mode = options.console_mode.or(console_mode).unwrap_or(ConsoleMode::Keep);
    let editor = options.editor.or(settings.editor).unwrap_or(true);
    // A counted entry's name changes with each boot: either `+` or `.` follows the number.
    let default = match tries {
        Some(_) => format!("{GENERATION}[+.]*"),
        None => format!("{GENERATION}.conf"),
    };
    let editor = if editor { "" } else { "editor 0\n" };
    let bitlocker = if settings.reboot_for_bitlocker { "reboot-for-bitlocker yes\n" } else { "" };
    format!(
        "timeout {timeout}\ndefault {default}\n{editor}{bitlocker}console-mode {console_mode}\n"
    )
}
