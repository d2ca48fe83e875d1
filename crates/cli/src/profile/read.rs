//! Finding and parsing a profile, and saying exactly what is wrong with it.
//!
//! A name is an embedded profile; anything else is a file, TOML or (ending in `.json`) JSON. Both
//! parsers say where an error is; which key was meant is worked out here from the keys they list.

use std::fs;
use std::ops::Range;
use std::path::Path;

use miette::NamedSource;

use super::Profile;
use crate::failure::{Excerpt, Failure, Kind};

/// The profile that is taken when none is named.
pub(crate) const DEFAULT: &str = "minimal";

/// The profiles in the program, each with its text.
const EMBEDDED: [(&str, &str); 4] = [
    ("minimal", include_str!("../../../../profiles/minimal.toml")),
    ("server", include_str!("../../../../profiles/server.toml")),
    ("server-encrypted", include_str!("../../../../profiles/server-encrypted.toml")),
    ("impermanent", include_str!("../../../../profiles/impermanent.toml")),
];

/// The names of the profiles in the program.
pub(crate) const NAMES: [&str; EMBEDDED.len()] = {
    let mut names = [""; EMBEDDED.len()];
    let mut index = 0;
    while index < EMBEDDED.len() {
        names[index] = EMBEDDED[index].0;
        index += 1;
    }
    names
};

/// Keys further apart than this are not taken for each other's misspelling (Jaro-Winkler).
const ALIKE: f64 = 0.7;

/// A profile with the name it goes by.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    /// `minimal`, or the name of the file.
    pub(crate) name: String,
    /// What it says.
    pub(crate) profile: Profile,
}

/// Whether a name is that of a profile in the program.
pub(crate) fn is_embedded(name: &str) -> bool {
    NAMES.contains(&name)
}

/// The profile in the program whose name is most like this one, if any is.
pub(crate) fn nearest_name(name: &str) -> Option<&'static str> {
    nearest(name, &NAMES)
}

/// Reads the profile of a name or a file.
pub(crate) fn read(name: &str) -> Result<Named, Failure> {
    let embedded = EMBEDDED.into_iter().find(|(known, _)| *known == name);
    let text = match embedded {
        Some((_, text)) => text.to_owned(),
        None => fs::read_to_string(name).map_err(|error| absent(name, error))?,
    };
    let parse = if has_json_name(name) { parse_json } else { parse_toml };
    let profile = parse(&text).map_err(|fault| fault.into_failure(name, &text))?;
    Ok(Named { name: name.to_owned(), profile })
}

/// Whether a file name is that of a JSON document.
fn has_json_name(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

fn absent(name: &str, error: std::io::Error) -> Failure {
    if error.kind() != std::io::ErrorKind::NotFound {
        return Failure::unreadable(Path::new(name), error);
    }
    let failure = Failure::usage(format!("no profile {name:?}: neither a file nor a known name"));
    let failure = match nearest_name(name) {
        Some(near) => failure.hint(format!("did you mean {near}?")),
        None => failure,
    };
    failure.hint(format!("profiles that come with calve: {}", NAMES.join(", ")))
}

/// What a parser says, and about which bytes.
#[derive(Debug)]
struct Fault {
    message: String,
    span: Range<usize>,
}

fn parse_toml(text: &str) -> Result<Profile, Fault> {
    toml::from_str(text).map_err(|error| Fault {
        message: error.message().to_owned(),
        span: error.span().unwrap_or(0..0),
    })
}

fn parse_json(text: &str) -> Result<Profile, Fault> {
    serde_json::from_str(text).map_err(|error| {
        let at = offset(text, error.line(), error.column());
        let place = format!(" at line {} column {}", error.line(), error.column());
        let message = error.to_string();
        let message = message.strip_suffix(&place).unwrap_or(&message).to_owned();
        // The parser stands behind what it objects to, which for a key is its closing quote.
        let span = match quoted(&message) {
            Some((key, _)) => at.saturating_sub(key.len() + 1)..at.saturating_sub(1),
            None => at.saturating_sub(1)..at,
        };
        Fault { message, span }
    })
}

/// The offset of a line and column, which count from 1 and in bytes.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (before + column).min(text.len())
}

/// Takes serde's "unknown field `x`, expected one of `a`, `b`" apart.
fn quoted(message: &str) -> Option<(&str, Vec<&str>)> {
    let is_about_words =
        message.starts_with("unknown field") || message.starts_with("unknown variant");
    let mut words = message.split('`').skip(1).step_by(2);
    let found = words.next().filter(|_| is_about_words)?;
    Some((found, words.collect()))
}

impl Fault {
    fn into_failure(self, name: &str, text: &str) -> Failure {
        let Some((found, known)) = quoted(&self.message) else {
            let message = format!("profile {name}: {}", self.message);
            return Failure::new(Kind::Usage, message).at(self.excerpt(name, text, "here"));
        };
        let what = if self.message.starts_with("unknown field") { "key" } else { "word" };
        let line = text.get(..self.span.start).unwrap_or_default().matches('\n').count() + 1;
        let near = nearest(found, &known);
        let label = match near {
            Some(near) => format!("did you mean {near}?"),
            None => format!("unknown {what}"),
        };
        Failure::new(Kind::Usage, format!("profile {name}, line {line}: unknown {what} {found:?}"))
            .at(self.excerpt(name, text, &label))
            .hint(format!("{what}s that are valid here: {}", known.join(", ")))
    }

    fn excerpt(&self, name: &str, text: &str, label: &str) -> Excerpt {
        Excerpt {
            file: NamedSource::new(name, text.to_owned()),
            span: self.span.clone(),
            label: label.to_owned(),
        }
    }
}

/// The known word that is most like the one found, if any is.
fn nearest<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|word| (strsim::jaro_winkler(found, word), *word))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, word)| word)
}
