//! `NIX_SSHOPTS`: what the user's ssh is told besides, wherever this program runs it.
//!
//! It is read as Nix reads it since 2.25: split into words as a POSIX shell does, quotes and backslashes
//! included. Before, Nix split at blanks; without quotes that is the same.

use crate::failure::Failure;

/// The variable.
const VARIABLE: &str = "NIX_SSHOPTS";

/// Reads the options from the environment; none where it has none.
pub(crate) fn ssh_options() -> Result<Vec<String>, Failure> {
    let Some(text) = std::env::var_os(VARIABLE) else { return Ok(Vec::new()) };
    let words = text.to_str().and_then(split);
    words.ok_or_else(|| {
        Failure::usage(format!(
            "{VARIABLE} is {text:?}: expected words as a shell reads them, with quotes that end"
        ))
    })
}

/// Splits a text into words; nothing where a quote does not end.
fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter.is_ascii_whitespace() {
            words.extend(word.take());
            continue;
        }
        let word = word.get_or_insert_default();
        match letter {
            '\'' => loop {
                match letters.next()? {
                    '\'' => break,
                    inside => word.push(inside),
                }
            },
            '"' => loop {
                match letters.next()? {
                    '"' => break,
                    '\\' => match letters.next()? {
                        plain @ ('$' | '`' | '"' | '\\') => word.push(plain),
                        other => word.extend(['\\', other]),
                    },
                    inside => word.push(inside),
                }
            },
            '\\' => word.push(letters.next()?),
            plain => word.push(plain),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_a_shells() {
        for (text, words) in [
            ("", &[][..]),
            ("  -p 2222\t-4 ", &["-p", "2222", "-4"]),
            ("-i '/my keys/id' -o \"A=b c\"", &["-i", "/my keys/id", "-o", "A=b c"]),
            ("a'b'\"c\"\\ d ''", &["abc d", ""]),
            (r#"'\' "\$\x" \'"#, &["\\", r"$\x", "'"]),
        ] {
            let found = split(text).unwrap_or_default();
            assert_eq!(found, words, "{text}");
        }
        for text in ["'a", "\"a", "a\\", "\"\\"] {
            assert_eq!(split(text), None, "{text}");
        }
    }
}
