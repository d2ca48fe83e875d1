//! Promises beside figures, as Markdown: nothing is asserted, a reader sees what was kept.

use std::fmt::Write;

/// One promise and what was measured of it.
#[derive(Debug)]
pub(super) struct Verdict {
    promise: String,
    found: f64,
    kept: bool,
}

/// What may not be exceeded; nothing where nothing was measured.
pub(super) fn at_most(promise: String, most: f64, found: Option<f64>) -> Option<Verdict> {
    found.map(|found| Verdict { promise, found, kept: found <= most })
}

/// What has to be reached; nothing where nothing was measured.
pub(super) fn at_least(promise: String, least: f64, found: Option<f64>) -> Option<Verdict> {
    found.map(|found| Verdict { promise, found, kept: found >= least })
}

/// Writes the table.
pub(super) fn table(verdicts: impl IntoIterator<Item = Verdict>) -> String {
    let mut text = String::from("| promise | measured | |\n|---|---|---|\n");
    for verdict in verdicts {
        let word = if verdict.kept { "pass" } else { "**miss**" };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {} | {:.2} | {word} |", verdict.promise, verdict.found);
    }
    text
}
