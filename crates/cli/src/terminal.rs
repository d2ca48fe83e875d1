//! The two streams: data on stdout, words on stderr.
//!
//! Every line that `calve` prints passes here, so that `-o -` and `--quiet` are each decided once.
//! Lines are the same whether or not a terminal reads them; only colours and moving bars need one.
//! A reader that went away, as `head` does, is no error to shout about.

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
            let _ = writeln!(io::stderr().lock(), "{}", line.as_ref());
        }
    }

    /// Tells the user what is told once and never again, also where words are left out.
    pub(crate) fn insist(self, text: &str) -> Result<(), Failure> {
        write_all(io::stderr().lock(), text)
    }

    /// Prints text that the user asked for; it brings its own line ends.
    pub(crate) fn print(self, text: &str) -> Result<(), Failure> {
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
        self.print(&text)
    }
}

fn write_all(mut stream: impl Write, text: &str) -> Result<(), Failure> {
    stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).map_err(Failure::output)
}

/// Whether stderr shows colours and moving bars; `NO_COLOR` and `TERM=dumb` say no.
pub(crate) fn stderr_is_lively() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    io::stderr().is_terminal() && !refused
}
