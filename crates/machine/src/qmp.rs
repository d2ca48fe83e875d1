//! A client for QEMU's machine protocol: JSON lines over a Unix socket.
//!
//! Only what boot tests need: ask for a power-off, quit, tell the state, resize a disk, and learn
//! afterwards why the machine stopped. Follows `docs/interop/qmp-spec.rst` of QEMU's source.
//! Events other than `SHUTDOWN` are read and dropped.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long an answer may take; QEMU answers from its main loop, which a guest cannot hold up.
const ANSWER: Duration = Duration::from_secs(30);
/// How often to look for a socket that QEMU has not made yet.
const RETRY: Duration = Duration::from_millis(20);

/// A connection to a running QEMU.
#[derive(Debug)]
pub struct Qmp {
    reader: BufReader<UnixStream>,
    socket: PathBuf,
    stopped: Option<String>,
}

/// Why a conversation with QEMU failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection within the time allowed.
    #[error("QEMU's control socket {} does not answer", socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The connection broke or timed out.
    #[error("QEMU's control socket broke off during {command:?}")]
    Io {
        /// The command under way.
        command: String,
        /// What the system says.
        source: io::Error,
    },
    /// A line is not JSON.
    #[error("QEMU answered {command:?} with something that is not JSON")]
    Json {
        /// The command under way.
        command: String,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// QEMU refused the command.
    #[error("QEMU refused {command:?}: {description}")]
    Refused {
        /// The command.
        command: String,
        /// QEMU's own words.
        description: String,
    },
}

impl Qmp {
    /// Connects to a socket that may not exist yet, and negotiates.
    pub fn connect(socket: &Path, timeout: Duration) -> Result<Self, Error> {
        let deadline = Instant::now() + timeout;
        loop {
            match Self::try_connect(socket) {
                Ok(qmp) => return Ok(qmp),
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(Error::Connect { .. }) => std::thread::sleep(RETRY),
                Err(error) => return Err(error),
            }
        }
    }

    /// Connects to a socket that exists.
    pub(crate) fn try_connect(socket: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Connect { socket: socket.to_owned(), source };
        let stream = UnixStream::connect(socket).map_err(failed)?;
        stream.set_read_timeout(Some(ANSWER)).map_err(failed)?;
        stream.set_write_timeout(Some(ANSWER)).map_err(failed)?;
        let mut qmp =
            Self { reader: BufReader::new(stream), socket: socket.to_owned(), stopped: None };
        qmp.read("greeting")?;
        qmp.execute("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// The socket this connection uses.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Runs a command and gives its answer.
    pub fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value, Error> {
        let mut line = json!({ "execute": command, "arguments": arguments }).to_string();
        line.push('\n');
        let written = self.reader.get_mut().write_all(line.as_bytes());
        written.map_err(|source| Error::Io { command: command.to_owned(), source })?;
        loop {
            let mut answer = self.read(command)?;
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                let description = error["desc"].as_str().unwrap_or("no reason given").to_owned();
                return Err(Error::Refused { command: command.to_owned(), description });
            }
        }
    }

    /// Presses the power button: a guest that listens to ACPI shuts down.
    pub fn power_down(&mut self) -> Result<(), Error> {
        self.execute("system_powerdown", &json!({})).map(drop)
    }

    /// Ends QEMU at once, as if the plug were pulled.
    pub fn quit(&mut self) -> Result<(), Error> {
        self.execute("quit", &json!({})).map(drop)
    }

    /// Tells the machine's state in QEMU's words, such as `running` or `paused`.
    pub fn status(&mut self) -> Result<String, Error> {
        let answer = self.execute("query-status", &json!({}))?;
        Ok(answer["status"].as_str().unwrap_or_default().to_owned())
    }

    /// Lets a machine run that was started paused.
    pub fn resume(&mut self) -> Result<(), Error> {
        self.execute("cont", &json!({})).map(drop)
    }

    /// Changes the size of a drive as the guest sees it; an overlay takes the change, if there is one.
    pub fn resize(&mut self, drive: &str, bytes: u64) -> Result<(), Error> {
        self.execute("block_resize", &json!({ "device": drive, "size": bytes })).map(drop)
    }

    /// Reads what QEMU still had to say before it ended, and gives the reason of the shutdown
    /// in QEMU's words (`guest-shutdown`, `guest-reset`, `host-qmp-quit`, …).
    ///
    /// To be called when the process has ended, else it waits for that.
    pub fn shutdown_reason(&mut self) -> Option<&str> {
        while self.read("shutdown").is_ok() {}
        self.stopped.as_deref()
    }

    /// Reads one line; remembers the reason of a shutdown.
    fn read(&mut self, command: &str) -> Result<Value, Error> {
        let failed = |source| Error::Io { command: command.to_owned(), source };
        let mut line = String::new();
        if self.reader.read_line(&mut line).map_err(failed)? == 0 {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
        let value: Value = serde_json::from_str(&line)
            .map_err(|source| Error::Json { command: command.to_owned(), source })?;
        if value["event"] == "SHUTDOWN" {
            self.stopped = value["data"]["reason"].as_str().map(str::to_owned);
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::os::unix::net::UnixListener;
    use std::thread;

    /// Plays QEMU: greets, then answers each line with the next of `answers`.
    fn serve(answers: &'static [&'static str]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("qmp");
        let listener = UnixListener::bind(&path).unwrap();
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let mut stream = stream;
            stream.write_all(b"{\"QMP\": {\"version\": {}}}\n").unwrap();
            for answer in answers {
                lines.next();
                stream.write_all(answer.as_bytes()).unwrap();
                stream.write_all(b"\n").unwrap();
            }
        });
        (dir, path)
    }

    #[test]
    fn answers_are_told_from_events_and_the_reason_is_kept() {
        let (_dir, path) = serve(&[
            r#"{"return": {}}"#,
            "{\"event\": \"RESUME\"}\n{\"return\": {\"status\": \"running\"}}",
            r#"{"error": {"class": "GenericError", "desc": "no such drive"}}"#,
            "{\"return\": {}}\n{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": \"guest-shutdown\"}}",
        ]);
        let mut qmp = Qmp::connect(&path, Duration::from_secs(5)).unwrap();
        assert_eq!(qmp.status().unwrap(), "running");
        let refused = qmp.resize("disk0", 1).unwrap_err();
        assert_eq!(refused.to_string(), "QEMU refused \"block_resize\": no such drive");
        qmp.power_down().unwrap();
        assert_eq!(qmp.shutdown_reason(), Some("guest-shutdown"));
    }

    #[test]
    fn a_socket_that_never_comes_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let error = Qmp::connect(&dir.path().join("no"), Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, Error::Connect { .. }));
    }
}
