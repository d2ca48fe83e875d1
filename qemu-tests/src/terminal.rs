//! A program at a terminal: `script` gives it one, and what it shows is searched as a guest's console is.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use calve_machine::Console;

use crate::Error;

/// A program that runs at a terminal of its own.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    console: Console,
    patience: Duration,
}

impl Terminal {
    /// Starts a program; `logs` is the directory for what it shows.
    pub fn start(words: &[String], logs: &Path, patience: Duration) -> Result<Self, Error> {
        let line: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--flush", "--command", &line.join(" "), "/dev/null"]);
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let run = script.spawn();
        let mut child = run.map_err(|source| Error::Run { program: "script".into(), source })?;
        let (Some(output), Some(input)) = (child.stdout.take(), child.stdin.take()) else {
            // Never so: both were asked for.
            return Err(Error::Missing("no pipes to script".to_owned()));
        };
        let mut console = Console::new(output, input, logs)?;
        console.watch_for(&[]);
        Ok(Self { child, console, patience })
    }

    /// Waits for a text, and gives all that came since the last wait.
    pub fn expect(&mut self, text: &str) -> Result<String, Error> {
        let found = self.console.expect(text, self.patience);
        found.map_err(|source| Error::Terminal { source, shown: self.console.text() })
    }

    /// Types a line.
    pub fn send_line(&mut self, line: &str) -> Result<(), Error> {
        let sent = self.console.send_line(line);
        sent.map_err(|source| Error::Terminal { source, shown: self.console.text() })
    }

    /// Waits until the program has ended, and gives its exit status and all that it showed.
    pub fn end(mut self) -> Result<(Option<i32>, String), Error> {
        let mut left = self.patience;
        let step = Duration::from_millis(50);
        while self.child.try_wait()?.is_none() {
            if left.is_zero() {
                self.child.kill()?;
            }
            std::thread::sleep(step);
            left = left.saturating_sub(step);
        }
        let status = self.child.wait()?;
        Ok((status.code(), self.console.text()))
    }
}

/// A program that outlives its scenario would wait for a machine that is gone.
impl Drop for Terminal {
    fn drop(&mut self) {
        // It has mostly ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
