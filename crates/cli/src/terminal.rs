//! The two streams: data on stdout, words on stderr.
//!
//! Every line that `calve` prints passes here, so that `-o -` and `--quiet` are each decided once.
//! Lines are the same whether or not a terminal reads them; only colours and moving bars need one.
//! A reader that went away, as `head` does, is no error to shout about.
//!
//! Labels of disks, names of files and words of other machines come as they are, and whoever wrote them may mean to
//! move the cursor or to hide a line: what a terminal would obey is left out here, once for all of them.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::failure::Failure;

/// Where words and data go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal {
    /// Whether words other than errors are left out.
    quiet: bool,
    /// Whether stdout carries an image, so that even data must go to stderr.
    streaming: bool,
}

impl Terminal {
    /// The streams of this process.
    pub(crate) fn new(quiet: bool) -> Self {
        Self { quiet, streaming: false }
    }

    /// The same with stdout given up to an image.
    pub(crate) fn streaming(self) -> Self {
        Self { streaming: true, ..self }
    }

    /// Whether words are left out.
    pub(crate) fn is_quiet(self) -> bool {
        self.quiet
    }

    /// Tells the user something.
    pub(crate) fn say(self, line: impl AsRef<str>) {
        if !self.quiet {
            // Words are a courtesy: where nobody can read them, the work goes on.
            let _ = writeln!(io::stderr().lock(), "{}", harmless(line.as_ref()));
        }
    }

    /// Tells the user what is told once and never again, also where words are left out: our own words, colours included.
    pub(crate) fn insist(self, text: &str) -> Result<(), Failure> {
        write_all(io::stderr().lock(), text)
    }

    /// Prints text that the user asked for; it brings its own line ends.
    pub(crate) fn print(self, text: &str) -> Result<(), Failure> {
        self.print_as_it_is(&harmless(text))
    }

    fn print_as_it_is(self, text: &str) -> Result<(), Failure> {
        if self.streaming {
            write_all(io::stderr().lock(), text)
        } else {
            write_all(io::stdout().lock(), text)
        }
    }

    /// Prints one JSON document.
    pub(crate) fn print_json(self, document: &impl Serialize) -> Result<(), Failure> {
        let mut text = serde_json::to_string_pretty(document).map_err(Failure::internal)?;
        text.push('\n');
        // Programs read it, and want what was there.
        self.print_as_it_is(&text)
    }
}

fn write_all(mut stream: impl Write, text: &str) -> Result<(), Failure> {
    stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).map_err(Failure::output)
}

/// A text without what a terminal would obey; lines and tabs stay.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    let is_obeyed = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if text.contains(is_obeyed) {
        Cow::Owned(text.replace(is_obeyed, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The same, but for colours (ECMA-48, 8.3.117: SGR), which do no more than to colour.
pub(crate) fn harmless_in_colour(text: &str) -> String {
    let is_colour = |rest: &str| {
        let numbers = |c: char| c.is_ascii_digit() || c == ';';
        rest.strip_prefix('[').is_some_and(|rest| rest.trim_start_matches(numbers).starts_with('m'))
    };
    let mut parts = text.split('\u{1b}');
    let mut plain = harmless(parts.next().unwrap_or_default()).into_owned();
    for part in parts {
        plain.push(if is_colour(part) { '\u{1b}' } else { '\u{fffd}' });
        plain.push_str(&harmless(part));
    }
    plain
}

/// Whether stderr shows colours and moving bars; `NO_COLOR` and `TERM=dumb` say no.
pub(crate) fn stderr_is_lively() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    io::stderr().is_terminal() && !refused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_obeyed() {
        assert_eq!(harmless("a\tb\n"), "a\tb\n");
        assert_eq!(harmless("ro\u{1b}[2Kot\r\u{8}\u{9b}2J\u{7f}"), "ro�[2Kot���2J�");
        let text = "\u{1b}[31;1mred\u{1b}[0m \u{1b}[2K\u{1b}]0;title\u{7}\u{1b}";
        assert_eq!(harmless_in_colour(text), "\u{1b}[31;1mred\u{1b}[0m �[2K�]0;title��");
    }
}
