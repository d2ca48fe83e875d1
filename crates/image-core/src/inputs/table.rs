//! Tables of fields between blanks, one row a line: what fstab and crypttab have in common.
//!
//! `#` starts a comment line, `\\040` and its like stand for blanks inside a field. Follows fstab(5) and
//! crypttab(5).

use super::device_spec::octal_unescape;

/// A row that has too few fields.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file} line {line}: expected {expected}, found {found:?}")]
pub struct Error {
    /// The caller's name for the text.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// What every row has.
    pub expected: &'static str,
    /// The line's text.
    pub found: String,
}

/// One row, read field by field.
pub(super) struct Row<'a> {
    /// The line, counted from 1.
    pub(super) line: usize,
    text: &'a str,
    fields: std::str::SplitAsciiWhitespace<'a>,
}

/// The rows of a text; empty lines and comments are none.
pub(super) fn rows(text: &str) -> impl Iterator<Item = Row<'_>> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, text)| !text.is_empty() && !text.starts_with('#'))
        .map(|(line, text)| Row { line, text, fields: text.split_ascii_whitespace() })
}

impl Row<'_> {
    /// The next field, escapes undone.
    pub(super) fn field(&mut self) -> Option<String> {
        self.fields.next().map(octal_unescape)
    }

    /// The next field as options between commas; none where there is no field.
    pub(super) fn options(&mut self) -> Vec<String> {
        let options = self.field().unwrap_or_default();
        options.split(',').filter(|option| !option.is_empty()).map(str::to_owned).collect()
    }

    /// That the row ends too early.
    pub(super) fn short(&self, file: &str, expected: &'static str) -> Error {
        let (file, found) = (file.to_owned(), self.text.to_owned());
        Error { file, line: self.line, expected, found }
    }
}
