//! What pre-flight found, as people read it.

use calve_image_core::boot::preflight::{Finding, Severity};

use crate::terminal::Terminal;

/// Writes findings down, one paragraph each.
pub(crate) fn text<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> String {
    let mut text = String::new();
    for finding in findings {
        let Finding { about, wants, gives, mend, specialisation, .. } = finding;
        let whose = match specialisation {
            Some(name) => format!(" (specialisation {name})"),
            None => String::new(),
        };
        text.push_str(&format!(
            "  {about}{whose}\n    the system wants  {wants}\n    the layout gives  {gives}\n    \
             to mend it        {mend}\n"
        ));
    }
    text
}

/// Tells the user of what is no refusal.
pub(crate) fn warn(findings: &[Finding], terminal: Terminal) {
    let mut warnings =
        findings.iter().filter(|finding| finding.severity == Severity::Warning).peekable();
    if warnings.peek().is_some() {
        terminal.say(format!("warning: it boots, but\n{}", text(warnings).trim_end()));
    }
}
