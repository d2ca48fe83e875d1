//! The two rules that are about the file around the tree.

use std::path::Path;

use crate::boot::preflight::{Finding, Severity};
use crate::formats::wsl::Findings;
use crate::pack::Codec;

/// The ending by which Windows knows a distribution.
const ENDING: &str = "wsl";

/// Holds an archive's compression and name against the rules; a stream has no name.
pub fn packaging(codec: Option<Codec>, name: Option<&Path>) -> Vec<Finding> {
    let mut findings = Findings::default();
    let other = match codec {
        None | Some(Codec::Gzip(_)) => None,
        Some(Codec::Xz(_)) => Some("xz"),
        Some(Codec::Zstd(_)) => Some("zstd"),
    };
    if let Some(word) = other {
        findings.add(
            Severity::Warning,
            "compression",
            format!("to be unpacked from {word}"),
            "gzip in all versions, and others in newer ones",
            "leave --compress out",
        );
    }
    let is_other =
        |name: &&Path| name.extension().is_none_or(|ending| !ending.eq_ignore_ascii_case(ENDING));
    if let Some(name) = name.filter(is_other) {
        findings.add(
            Severity::Warning,
            "name",
            format!("to be opened as {}", name.display()),
            "an installation by a double click to files that end in .wsl",
            "name it so: -o NAME.wsl",
        );
    }
    findings.0
}
