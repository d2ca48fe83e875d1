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

Made by `cargo xtask bench disk|archive|iso|luks|install --write`. Medians; every round runs every contender once, in
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

/// What a run's tables take the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replaces {
    /// The whole section: the run made all of it.
    Section,
    /// The tables of the same headings.
    Tables,
}

/// Writes the section of one benchmark.
pub(super) fn write(section: &str, text: &str, replaces: Replaces) -> Result<PathBuf, Error> {
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
    fs::write(&path, with_section(&document, section, text, replaces)).map_err(failed("write"))?;
    Ok(path)
}

/// Replaces a section, or adds it at the end.
fn with_section(document: &str, section: &str, text: &str, replaces: Replaces) -> String {
    let (open, close) = (format!("<!-- bench {section} -->"), format!("<!-- end of {section} -->"));
    let marked = |text: &str| format!("{open}\n{}\n{close}", text.trim_end());
    match (document.find(&open), document.find(&close)) {
        (Some(start), Some(end)) if start < end => {
            let old = &document[start + open.len()..end];
            let text = match replaces {
                Replaces::Section => marked(text),
                Replaces::Tables => marked(&with_tables(old.trim(), text)),
            };
            format!("{}{text}{}", &document[..start], &document[end + close.len()..])
        }
        _ => format!("{}\n\n{}\n", document.trim_end(), marked(text)),
    }
}

/// Puts tables where those of the same heading are, or last. What stands above all of them is told
/// anew: the machine may be another.
fn with_tables(old: &str, new: &str) -> String {
    let (mut tables, new) = (tables(old), self::tables(new));
    let heading = |table: &&str| table.lines().next().map(str::to_owned);
    for table in &new {
        let is_same = |old: &&str| {
            heading(old) == heading(table) || old.starts_with("## ") && table.starts_with("## ")
        };
        match tables.iter().position(is_same) {
            Some(place) => {
                tables.retain(|old| !is_same(old));
                tables.insert(place, table);
            }
            None => tables.push(table),
        }
    }
    tables.iter().map(|table| format!("{}\n", table.trim_end())).collect::<Vec<_>>().join("\n")
}

/// A section cut before each `### `.
fn tables(section: &str) -> Vec<&str> {
    let starts = section.match_indices("\n### ").map(|(place, _)| place + 1);
    let starts: Vec<usize> = std::iter::once(0).chain(starts).collect();
    let ends = starts.iter().skip(1).copied().chain(std::iter::once(section.len()));
    starts.iter().zip(ends).map(|(&start, end)| &section[start..end]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_replaces_itself_and_nothing_else() {
        let with_section = |document: &str, section, text| {
            super::with_section(document, section, text, Replaces::Section)
        };
        let first = with_section(PREAMBLE, "disk", "## Disks\n\nfast\n");
        let both = with_section(&first, "archive", "## Archives\n\nsmall\n");
        let again = with_section(&both, "disk", "## Disks\n\nfaster\n");
        assert_eq!(again, both.replace("fast\n", "faster\n"));
        assert!(again.starts_with(PREAMBLE) && again.contains("small"));
        assert_eq!(with_section(&again, "disk", "## Disks\n\nfaster\n"), again);
    }

    #[test]
    fn a_table_replaces_those_of_its_heading_and_nothing_else() {
        let with = |old: &str, new| with_section(old, "disk", new, Replaces::Tables);
        let old = with(PREAMBLE, "## Disks\n\nold\n\n### a\n\n1\n\n### b\n\n2\n\n### b\n\n3\n");
        let expected = "<!-- bench disk -->\n## Disks\n\nnew\n\n### a\n\n1\n\n### b\n\n4\n\n### c\n\n5\n<!-- end of disk -->\n";
        let both = with(&old, "## Disks\n\nnew\n\n### b\n\n4\n\n### c\n\n5\n");
        assert_eq!(both, format!("{}\n\n{expected}", PREAMBLE.trim_end()));
    }
}
