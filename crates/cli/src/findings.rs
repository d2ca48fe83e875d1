//! What pre-flight found, as people read it.

use calve_image_core::boot::preflight::{Finding, Severity};
use calve_image_core::formats::Format;

use crate::terminal::Terminal;

const WANTS: &str = "the system wants";

/// What a system was held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The layout of a disk.
    Layout,
    /// What runs a container.
    Container,
    /// The Windows Subsystem for Linux.
    Wsl,
    /// What a medium can be.
    Medium,
    /// The system's own initrd.
    Initrd,
}

impl Side {
    /// The side of an image's format.
    pub(crate) fn of(format: Format) -> Self {
        match format {
            Format::Disk => Self::Layout,
            Format::Lxc => Self::Container,
            Format::Wsl => Self::Wsl,
            Format::Iso => Self::Medium,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Layout => "the layout",
            Self::Container => "the container",
            Self::Wsl => "WSL",
            Self::Medium => "the medium",
            Self::Initrd => "its initrd",
        }
    }
}

/// Writes findings down, one paragraph each.
pub(crate) fn text<'a>(findings: impl IntoIterator<Item = &'a Finding>, side: Side) -> String {
    let mut text = String::new();
    let gives_line = format!("{} gives", side.word());
    let width = gives_line.len().max(WANTS.len());
    for finding in findings {
        let Finding { about, wants, gives, mend, specialisation, .. } = finding;
        let whose = match specialisation {
            Some(name) => format!(" (specialisation {name})"),
            None => String::new(),
        };
        text.push_str(&format!(
            "  {about}{whose}\n    {:<width$}  {wants}\n    {gives_line:<width$}  {gives}\n    \
             {:<width$}  {mend}\n",
            WANTS, "to mend it"
        ));
    }
    text
}

/// Tells the user of what is no refusal.
pub(crate) fn warn(findings: &[Finding], side: Side, terminal: Terminal) {
    let mut warnings =
        findings.iter().filter(|finding| finding.severity == Severity::Warning).peekable();
    if warnings.peek().is_some() {
        terminal.say(format!("warning: it boots, but\n{}", text(warnings, side).trim_end()));
    }
}
