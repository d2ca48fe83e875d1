//! What `nix-store --serve` says: which paths it has, and which it has taken.

use std::collections::BTreeSet;

use super::{ADDED, padding};
use crate::inputs::store_path::{self, StorePath};
use crate::units::Bytes;

/// `SERVE_MAGIC_2`: what a server says first.
const SERVER: u64 = 0x5452_eecb;

/// Why an answer could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Another program answers, or one that writes something else before.
    #[error("expected the greeting of nix-store --serve, found {found:?}")]
    Greeting {
        /// What came first.
        found: String,
    },
    /// The answer ends too early.
    #[error("the answer of nix-store --serve ends after {size}")]
    End {
        /// How much there is.
        size: Bytes,
    },
    /// It names a path that is none.
    #[error("nix-store --serve names a malformed path")]
    Path(#[from] store_path::Error),
}

/// Reads what is answered to [`ask`]: the paths that are valid.
///
/// # Errors
/// The answer is none.
pub fn valid(answer: &[u8]) -> Result<BTreeSet<StorePath>, AnswerError> {
    let mut answer = Answer::open(answer)?;
    let count = answer.number()?;
    (0..count).map(|_| Ok(answer.word()?.parse()?)).collect()
}

/// Counts the paths that were taken of a [`plan`]; none where there is no answer.
pub fn taken(answer: &[u8]) -> usize {
    let Ok(mut answer) = Answer::open(answer) else { return 0 };
    std::iter::from_fn(|| answer.number().ok()).take_while(|word| *word == ADDED).count()
}

/// What a server said, from some word on.
struct Answer<'a> {
    rest: &'a [u8],
    size: Bytes,
}

impl<'a> Answer<'a> {
    /// Reads the greeting.
    fn open(answer: &'a [u8]) -> Result<Self, AnswerError> {
        let mut opened = Self { rest: answer, size: Bytes::of(answer) };
        match (opened.number(), opened.number()) {
            (Ok(SERVER), Ok(_)) => Ok(opened),
            _ => {
                let found = &answer[..answer.len().min(80)];
                Err(AnswerError::Greeting { found: String::from_utf8_lossy(found).into_owned() })
            }
        }
    }

    fn take(&mut self, size: usize) -> Result<&'a [u8], AnswerError> {
        let end = AnswerError::End { size: self.size };
        let (taken, rest) = self.rest.split_at_checked(size).ok_or(end)?;
        self.rest = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64, AnswerError> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.take(8)?);
        Ok(u64::from_le_bytes(bytes))
    }

    fn word(&mut self) -> Result<&'a str, AnswerError> {
        let size = Bytes::new(self.number()?);
        let end = AnswerError::End { size: self.size };
        let word = self.take(size.to_len().unwrap_or(usize::MAX))?;
        self.take(padding(size))?;
        std::str::from_utf8(word).map_err(|_| end)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::Words;
    use super::*;

    fn answer(numbers: &[u64], word: &str) -> Vec<u8> {
        let mut words = Words(Vec::new());
        for number in numbers {
            words.number(*number);
        }
        words.word(word);
        words.0
    }

    #[test]
    fn an_answer_names_what_is_there() {
        let path = "/nix/store/p1ghxi6s5ar9ga8i0wcsadlng4vqc25a-x";
        let said = answer(&[SERVER, 0x207, 1], path);
        assert_eq!(valid(&said).unwrap(), BTreeSet::from([path.parse().unwrap()]));
        for size in 16..said.len() {
            assert!(matches!(valid(&said[..size]), Err(AnswerError::End { .. })), "{size}");
        }
        let other = answer(&[SERVER, 0x207, 1], "/etc/passwd");
        assert!(matches!(valid(&other), Err(AnswerError::Path(_))));
        let endless = answer(&[SERVER, 0x207, u64::MAX], path);
        assert!(matches!(valid(&endless), Err(AnswerError::End { .. })));
    }

    #[test]
    fn what_another_program_says_is_told() {
        let error = valid(b"Welcome to web!\nHave fun").unwrap_err();
        let expected =
            r#"expected the greeting of nix-store --serve, found "Welcome to web!\nHave fun""#;
        assert_eq!(error.to_string(), expected);
        assert!(matches!(valid(b""), Err(AnswerError::Greeting { .. })));
    }

    #[test]
    fn paths_are_counted_as_they_are_taken() {
        let mut said = answer(&[SERVER, 0x205, ADDED, ADDED], "");
        assert_eq!(taken(&said), 2);
        said.truncate(16 + 12);
        assert_eq!(taken(&said), 1);
        assert_eq!(taken(b"no"), 0);
    }
}
