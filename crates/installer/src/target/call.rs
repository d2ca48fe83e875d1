//! One command: its words, what it reads, and what came of it.

use std::fmt;

/// A command for a target.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The program and its arguments. Anyone on the target may see them.
    pub words: &'a [&'a str],
    /// What it reads on its standard input. Nobody sees that.
    pub input: &'a [u8],
    /// Whether it runs as root.
    pub as_root: bool,
}

impl<'a> Call<'a> {
    /// A command that reads nothing.
    pub const fn new(words: &'a [&'a str]) -> Self {
        Self { words, input: &[], as_root: false }
    }

    /// The command as a POSIX shell reads it.
    pub fn line(&self) -> String {
        let quoted: Vec<String> = self.words.iter().map(|word| quoted(word)).collect();
        quoted.join(" ")
    }
}

impl fmt::Debug for Call<'_> {
    /// Says how much it reads, not what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("line", &self.line())
            .field("input", &format_args!("{} bytes", self.input.len()))
            .field("as_root", &self.as_root)
            .finish()
    }
}

/// A word as a POSIX shell reads it: as it is where that is safe, else in single quotes.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./:,@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to its standard output.
    pub out: Vec<u8>,
    /// What it complained about.
    pub err: String,
}

impl Answer {
    /// Whether it says that all went well.
    pub fn is_good(&self) -> bool {
        self.code == Some(0)
    }

    /// The last line of its complaints.
    pub fn last_words(&self) -> &str {
        self.err.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_words_back() {
        let words = ["printf", "%s\\n", "", "a b", "it's", "$HOME `x` \"y\"", "\n", "~", "ä*"];
        let line = Call::new(&words).line();
        let output = std::process::Command::new("sh").arg("-c").arg(&line).output().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            words[2..].join("\n") + "\n",
            "{line}"
        );
    }

    #[test]
    fn what_it_reads_is_not_shown() {
        let call = Call { input: b"hunter2", ..Call::new(&["cryptsetup", "open"]) };
        let shown = format!("{call:?}");
        assert!(shown.contains("7 bytes") && !shown.contains("hunter2"), "{shown}");
    }
}
