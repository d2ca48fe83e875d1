//! One command: its words, what it reads, and what came of it.

use std::fmt;
use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread;

use super::Error;

/// The most that a command may say; a survey of hundreds of disks is some hundred KiB.
const MOST: usize = 32 << 20;

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

/// Runs a program of this machine to its end; it reads `input`, and nobody types for it.
pub(super) fn run(command: &mut Command, input: &[u8]) -> Result<Answer, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child =
        command.spawn().map_err(|source| Error::Start { program: program.clone(), source })?;
    match talk(&mut child, input) {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => Err(Error::Endless { program, most: MOST }),
        Err(source) => Err(Error::Talk { program, source }),
    }
}

/// Writes and reads at once, so that neither side waits for the other; nothing where it says too much.
fn talk(child: &mut Child, input: &[u8]) -> io::Result<Option<Answer>> {
    let (stdin, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (out, err) = thread::scope(|scope| {
        scope.spawn(move || {
            // A program that ends without reading has its reasons, and says them.
            stdin.map(|mut stdin| stdin.write_all(input))
        });
        let err = scope.spawn(move || bounded(err));
        let out = bounded(out);
        let err = err.join().unwrap_or_else(|_| Err(io::Error::other("a reader gave up")));
        if !matches!((&out, &err), (Ok(Some(_)), Ok(Some(_)))) {
            // Nobody reads the rest; it must not wait for that, nor its writer for it.
            let _ = child.kill();
        }
        (out, err)
    });
    let status = child.wait()?;
    let (Some(out), Some(err)) = (out?, err?) else { return Ok(None) };
    let err = String::from_utf8_lossy(&err).into_owned();
    Ok(Some(Answer { code: status.code(), out, err }))
}

/// Reads to the end; nothing where that is too far.
fn bounded(source: Option<impl Read>) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    if let Some(source) = source {
        let most = u64::try_from(MOST).unwrap_or(u64::MAX);
        source.take(most + 1).read_to_end(&mut bytes)?;
    }
    Ok((bytes.len() <= MOST).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_words_back() {
        let words = ["printf", "%s\\n", "", "a b", "it's", "$HOME `x` \"y\"", "\n", "~", "ä*"];
        let line = Call::new(&words).line();
        let answer = run(Command::new("sh").arg("-c").arg(&line), b"").unwrap();
        assert_eq!(String::from_utf8(answer.out).unwrap(), words[2..].join("\n") + "\n", "{line}");
    }

    #[test]
    fn what_it_reads_is_not_shown() {
        let call = Call { input: b"hunter2", ..Call::new(&["cryptsetup", "open"]) };
        let shown = format!("{call:?}");
        assert!(shown.contains("7 bytes") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn input_and_output_of_any_size_pass_at_once() {
        let input = vec![b'x'; 4 << 20];
        let answer = run(&mut Command::new("cat"), &input).unwrap();
        assert!(answer.is_good() && answer.out == input);
        // What does not read is not waited for.
        let answer = run(Command::new("sh").args(["-c", "echo no >&2; exit 3"]), &input).unwrap();
        assert_eq!((answer.code, answer.last_words()), (Some(3), "no"));
    }

    #[test]
    fn what_never_ends_is_stopped() {
        let error = run(&mut Command::new("yes"), b"").unwrap_err();
        assert!(matches!(error, Error::Endless { .. }), "{error}");
    }
}
