//! Sources of keys as they are typed on the command line.
//!
//! Whoever forgets the kind of source has typed the passphrase itself. The parser of arguments would show it in
//! its complaint, so it is told nothing, and the complaint is ours.

use std::convert::Infallible;
use std::str::FromStr;

use calve_installer::keys::Malformed;

use crate::failure::Failure;

/// A source, or why it is none; never what was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyArg<T>(Result<T, Malformed>);

impl<T: FromStr<Err = Malformed>> FromStr for KeyArg<T> {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.parse()))
    }
}

/// The sources that were given with an option.
pub(crate) fn read<T: Clone>(option: &str, given: &[KeyArg<T>]) -> Result<Vec<T>, Failure> {
    let sources = given.iter().map(|KeyArg(source)| source.clone());
    let sources: Result<Vec<T>, Malformed> = sources.collect();
    sources.map_err(|wrong| Failure::usage(format!("{option}: {wrong}")))
}
