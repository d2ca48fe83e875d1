//! `docs/benchmarks.md`: one section for each benchmark, between marks that a reader does not see.
//!
//! Benchmarks run on different days, so each says for itself on which machine and on what; writing
//! one leaves the others as they are.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use super::Error;
use crate::program::{self, say};
use crate::repo;

/// What stands above all sections.
const PREAMBLE: &str = "# Benchmarks

Made by `cargo xtask bench disk --write` and `cargo xtask bench archive --write`. Medians; every round runs every contender once, in
turn, and is timed up to `sync -f`. Peak memory is that of the largest process. Only ratios within one table mean anything: the
machine is shared.
";

/// Says what machine this is, and what the sample system holds.
pub(super) fn circumstances(sample: &str) -> Result<String, Error> {
    let read = |args: &[&str]| program::read(program::command("sh").arg("-c").args(args));
    let cpu = read(&["grep -m1 'model name' /proc/cpuinfo | cut -d: -f2; nproc"])?;
    let mut cpu = cpu.lines().map(str::trim);
    let (model, cores) = (cpu.next().unwrap_or("unknown"), cpu.next().unwrap_or("?"));
    let paths = repo::target().join("fixture").join(sample).join("store-paths");
    let count =
        r#"du -sblc $(cat "$0") | tail -1 | cut -f1; find $(cat "$0") | wc -l; wc -l <"$0""#;
    let numbers = read(&[count, &paths.to_string_lossy()])?;
    let numbers: Vec<&str> = numbers.split_whitespace().collect();
    say("measuring; nothing else should run meanwhile");
    Ok(format!(
        "Machine: {model}, {cores} cores. Sample closure `{sample}`: {} bytes, {} entries, {} store paths.",
        numbers.first().unwrap_or(&"?"),
        numbers.get(1).unwrap_or(&"?"),
        numbers.get(2).unwrap_or(&"?")
    ))
}

/// Writes the section of one benchmark.
pub(super) fn write(section: &str, text: &str) -> Result<PathBuf, Error> {
    let path = repo::root().join("docs/benchmarks.md");
    let failed = |what| {
        let path = path.clone();
        move |source| Error::File { what, path, source }
    };
    let document = match fs::read_to_string(&path) {
        Ok(document) => document,
        Err(error) if error.kind() == ErrorKind::NotFound => PREAMBLE.to_owned(),
        Err(error) => return Err(failed("read")(error)),
    };
    fs::write(&path, with_section(&document, section, text)).map_err(failed("write"))?;
    Ok(path)
}

/// Replaces a section, or adds it at the end.
fn with_section(document: &str, section: &str, text: &str) -> String {
    let (open, close) = (format!("<!-- bench {section} -->"), format!("<!-- end of {section} -->"));
    let text = format!("{open}\n{}\n{close}", text.trim_end());
    match (document.find(&open), document.find(&close)) {
        (Some(start), Some(end)) if start < end => {
            format!("{}{text}{}", &document[..start], &document[end + close.len()..])
        }
        _ => format!("{}\n\n{text}\n", document.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_replaces_itself_and_nothing_else() {
        let first = with_section(PREAMBLE, "disk", "## Disks\n\nfast\n");
        let both = with_section(&first, "archive", "## Archives\n\nsmall\n");
        let again = with_section(&both, "disk", "## Disks\n\nfaster\n");
        assert_eq!(again, both.replace("fast\n", "faster\n"));
        assert!(again.starts_with(PREAMBLE) && again.contains("small"));
        assert_eq!(with_section(&again, "disk", "## Disks\n\nfaster\n"), again);
    }
}
