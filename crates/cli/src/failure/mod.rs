//! Why a command failed, as a person and a script read it.
//!
//! Libraries say what happened, to what, what was expected and what was found. Here each of their
//! errors gets its kind, which fixes the exit code, and its hints, which say what to do. Nothing
//! else in the program prints an error.

mod hints;
mod install;
mod installer;
mod machine;
mod unlock;

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode,
};

use crate::terminal;

/// What every `--help` ends with; `docs/cli.md` has the same table.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    something went wrong: a file, a tool or the machine
  2    the arguments or the profile are wrong
  3    refused: the system would not boot, the device must not be written, or the host is another
  4    `calve boot`, `calve unlock`, `calve install`: the machine did not say what was expected
  5    nobody gave what was asked for: a key, a passphrase, the name of a disk
  6    `calve luks check`, `calve unlock`: the passphrase was wrong
  130  interrupted";

/// What sort of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file, a tool or the machine let us down.
    Failed,
    /// What was typed, or the profile, is wrong.
    Usage,
    /// The image would not boot, the device is somebody's, or the host is not the expected one.
    Refused,
    /// The machine did not say what was expected.
    NotUp,
    /// Nobody gave what was asked for.
    GivenUp,
    /// The passphrase was wrong.
    WrongPassphrase,
    /// The user said stop.
    Interrupted,
    /// Whoever read our output went away, as `head` does: nothing to complain about.
    BrokenPipe,
    /// A bug in `calve`.
    Internal,
}

impl Kind {
    /// The exit code; [`EXIT_CODES`] tells the user.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::Failed | Self::Internal => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::NotUp => 4,
            Self::GivenUp => 5,
            Self::WrongPassphrase => 6,
            // 128 + SIGINT, as a shell reports it.
            Self::Interrupted => 130,
        }
    }
}

/// A failure on its way to the user.
#[derive(Debug)]
pub(crate) struct Failure {
    error: Box<dyn Error + Send + Sync>,
    kind: Kind,
    hints: Vec<String>,
    excerpt: Option<Box<Excerpt>>,
    note: String,
}

/// The lines of a file that an error is about.
#[derive(Debug)]
pub(crate) struct Excerpt {
    /// The file's name and text.
    pub(crate) file: NamedSource<String>,
    /// The bytes at fault.
    pub(crate) span: std::ops::Range<usize>,
    /// What is said about them.
    pub(crate) label: String,
}

impl Failure {
    /// A failure of a kind; the error's sources are shown below it.
    pub(crate) fn new(kind: Kind, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { error: error.into(), kind, hints: Vec::new(), excerpt: None, note: String::new() }
    }

    /// Wrong arguments, in words.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message.into())
    }

    /// A file that cannot be read.
    pub(crate) fn unreadable(path: &std::path::Path, source: io::Error) -> Self {
        Self::new(Kind::Failed, Unreadable { path: path.to_owned(), source })
    }

    /// Stdout or stderr cannot be written.
    pub(crate) fn output(error: io::Error) -> Self {
        let is_gone = error.kind() == io::ErrorKind::BrokenPipe;
        let kind = if is_gone { Kind::BrokenPipe } else { Kind::Failed };
        Self::new(kind, error)
    }

    /// Something that cannot happen did.
    pub(crate) fn internal(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Kind::Internal, error).hint("this is a bug in calve: please report it")
    }

    /// The same of another kind.
    pub(crate) fn of(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// Adds a way out.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds lines to be shown as they are, below everything else.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Shows the lines at fault.
    pub(crate) fn at(mut self, excerpt: Excerpt) -> Self {
        self.excerpt = Some(Box::new(excerpt));
        self
    }

    /// Tells the user and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        let code = ExitCode::from(self.kind.exit_code());
        if self.kind != Kind::BrokenPipe {
            // An error that cannot be shown still has its exit code.
            let _ = io::stderr().lock().write_all(self.render().as_bytes());
        }
        code
    }

    /// The whole text, colours included: what was found may hold anything else.
    fn render(&self) -> String {
        let mut theme = if terminal::stderr_is_lively() {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        theme.characters.error = "error:".to_owned();
        // Store paths and commands must come out whole, to be copied.
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_wrap_lines(false)
            .without_syntax_highlighting();
        let mut text = String::new();
        match handler.render_report(&mut text, self) {
            Ok(()) => text = format!("{}{}", text.trim_start(), self.note),
            Err(fmt::Error) => text = format!("error: {self}\n"),
        }
        terminal::harmless_in_colour(&text)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl Diagnostic for Failure {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        if self.hints.is_empty() { None } else { Some(Box::new(self.hints.join("\n"))) }
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        let excerpt = self.excerpt.as_ref()?;
        Some(&excerpt.file)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let excerpt = self.excerpt.as_ref()?;
        let span = excerpt.span.clone();
        Some(Box::new(std::iter::once(LabeledSpan::at(span, &excerpt.label))))
    }
}

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be read", path.display())]
struct Unreadable {
    path: std::path::PathBuf,
    source: io::Error,
}
