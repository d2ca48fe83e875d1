//! Commands on another machine, over the user's own ssh.
//!
//! ssh is asked once to connect and to stay (`ControlMaster`, ssh_config(5)); every command goes over that
//! connection, so there is one handshake, one question about a passphrase or a security key, and one
//! host key. That is the user's: their agent, keys, certificates, jump hosts and configuration, and their
//! known_hosts, which is asked about a key that is not there and never ignored: our setting stands first,
//! and ssh takes the first that it is given. A lost connection is an error, and no reason to connect again.
//!
//! The connection is a process of its own, which a Ctrl-C at the terminal does not reach. It waits for work no longer
//! than a minute; for as long as this process lives, a session that does nothing keeps it from waiting. So it
//! lasts while its user thinks, and does not outlast a process that was killed.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tempfile::TempDir;

use super::{Answer, Call, Error, Feed, Kept, Login, Target, child, cipher, pin};
use crate::host_key::PublicKey;
use crate::keys::Source;

/// Settings of the connection.
const MASTER: [&str; 9] = [
    "ControlMaster=yes",
    "ControlPersist=60",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "ConnectTimeout=15",
    "ServerAliveInterval=10",
    "ServerAliveCountMax=6",
];

/// Settings of a command: without the connection it fails, and makes none.
const OVER_IT: [&str; 4] =
    ["ControlMaster=no", "BatchMode=yes", "ProxyJump=none", "ProxyCommand=exit 255"];

/// What keeps a connection from being idle.
const ANCHOR: [&str; 3] = ["sh", "-c", "echo here; exec cat >/dev/null"];

/// Where a host is, and what ssh is told besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `[USER@]HOST`, or a name of the user's ssh configuration.
    pub name: String,
    /// The port, if it is not ssh's own choice.
    pub port: Option<u16>,
    /// Whether a host key that nobody knows is taken without a question. Another than the known one never is.
    pub accept_new: bool,
    /// Further arguments of ssh, as in `NIX_SSHOPTS`.
    pub options: Vec<String>,
    /// Sources of keys, whose variables ssh does not get to see.
    pub hidden: Vec<Source>,
}

/// A connection; it ends with this value.
#[derive(Debug)]
pub struct Ssh {
    address: Address,
    /// Nobody else's; holds the connection's socket.
    directory: TempDir,
    /// Whether the directory holds the key that the host must have.
    is_pinned: bool,
    login: Login,
    stop: Arc<AtomicBool>,
    /// Keeps the connection while it lives; a host that allows one session only has none.
    anchor: Option<Box<Kept>>,
}

impl Ssh {
    /// Connects; `tell` hears what ssh says to its user. ssh itself asks on the terminal.
    ///
    /// # Errors
    /// What ssh said last.
    pub fn connect(address: &Address, tell: &mut dyn FnMut(&str)) -> Result<Self, Error> {
        Self::connect_to(address, None, tell)
    }

    /// Connects to a host that has this key, whatever the user's own known_hosts say.
    ///
    /// # Errors
    /// What ssh said last; a host with another key is not logged in to.
    pub fn connect_pinned(
        address: &Address,
        key: &PublicKey,
        tell: &mut dyn FnMut(&str),
    ) -> Result<Self, Error> {
        Self::connect_to(address, Some(key), tell)
    }

    fn connect_to(
        address: &Address,
        key: Option<&PublicKey>,
        tell: &mut dyn FnMut(&str),
    ) -> Result<Self, Error> {
        let address = address.clone();
        if address.name.starts_with('-') || address.name.is_empty() {
            return Err(Error::Name { found: address.name });
        }
        let start = |source| Error::Start { program: "ssh".to_owned(), source };
        // Sockets have short names: not below a long TMPDIR.
        let directory = tempfile::Builder::new().prefix("calve-").tempdir_in("/tmp");
        let directory = directory.map_err(start)?;
        if let Some(key) = key {
            pin::write(directory.path(), key).map_err(start)?;
        }
        let is_pinned = key.is_some();
        let (stop, login) = (Arc::default(), Login::User);
        let mut ssh = Self { address, directory, is_pinned, login, stop, anchor: None };
        let mut bare = Command::new("ssh");
        bare.args(["-F", "/dev/null", "-G", "bare"]);
        ssh.address.hidden.iter().for_each(|source| source.hide_from(&mut bare));
        let cipher = cipher::setting(ssh.command(&MASTER, &["-G"]), bare);
        let settings: Vec<&str> = MASTER.iter().copied().chain(cipher.as_deref()).collect();
        let mut child = ssh
            .command(&settings, &["-N", "-f"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(start)?;
        let mut said = String::new();
        if let Some(stderr) = child.stderr.take() {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                tell(&line);
                if !line.trim().is_empty() {
                    said = line;
                }
            }
        }
        let status = child.wait().map_err(start)?;
        if !status.success() {
            return Err(Error::Unreachable { host: ssh.address.name.clone(), said });
        }
        ssh.login = ssh.whoever()?;
        ssh.anchor = match ssh.keep(&Call::new(&ANCHOR)) {
            Ok(anchor) => Some(Box::new(anchor)),
            Err(Error::Silent { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(ssh)
    }

    /// The same, whose commands end when the flag is raised.
    #[must_use]
    pub fn stopped_by(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = stop;
        self
    }

    /// Where it leads.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The connection's socket (`ControlPath`).
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("ssh")
    }

    /// As whom commands run there.
    fn whoever(&self) -> Result<Login, Error> {
        if self.call(&Call::new(&["id", "-u"]))?.out.trim_ascii() == b"0" {
            return Ok(Login::Root);
        }
        let is_trusted = self.call(&Call::new(&["sudo", "-n", "true"]))?.is_good();
        Ok(if is_trusted { Login::Sudo } else { Login::User })
    }

    /// The command that runs a command there.
    fn session(&self, call: &Call<'_>) -> Command {
        let line = match self.login {
            Login::Sudo if call.as_root => format!("sudo -n -- {}", call.line()),
            Login::Root | Login::Sudo | Login::User => call.line(),
        };
        let mut command = self.command(&OVER_IT, &[]);
        command.arg(line);
        command
    }

    /// An answer, unless it is the connection's end.
    fn judge(&self, answer: Answer) -> Result<Answer, Error> {
        // What ssh says of itself, unless it is the command that says the same.
        if answer.code == Some(255) && !self.is_alive() {
            let said = answer.last_words().to_owned();
            return Err(Error::Lost { host: self.address.name.clone(), said });
        }
        Ok(answer)
    }

    /// Tells whether the connection stands.
    fn is_alive(&self) -> bool {
        self.tell_connection("check")
    }

    /// Has the connection do something; tells whether it did.
    fn tell_connection(&self, what: &str) -> bool {
        let mut command = self.command(&[], &["-O", what]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    fn command(&self, settings: &[&str], flags: &[&str]) -> Command {
        let Address { name, port, accept_new, options, hidden } = &self.address;
        let mut command = Command::new("ssh");
        hidden.iter().for_each(|source| source.hide_from(&mut command));
        let mut socket = OsString::from("ControlPath=");
        socket.push(self.socket());
        command.arg("-o").arg(socket);
        if self.is_pinned {
            for setting in pin::settings(self.directory.path()) {
                command.arg("-o").arg(setting);
            }
            command.args(["-o", "NumberOfPasswordPrompts=1"]);
        } else {
            let checking = if *accept_new { "accept-new" } else { "ask" };
            command.arg("-o").arg(format!("StrictHostKeyChecking={checking}"));
        }
        command.args(["-o", "RemoteCommand=none", "-o", "RequestTTY=no"]);
        for setting in settings {
            command.args(["-o", setting]);
        }
        command.args(flags);
        if let Some(port) = port {
            command.args(["-p", &port.to_string()]);
        }
        command.args(options).arg("--").arg(name);
        command
    }
}

impl Target for Ssh {
    fn name(&self) -> &str {
        &self.address.name
    }

    fn login(&self) -> Login {
        self.login
    }

    fn stream(&self, call: &Call<'_>, feed: &mut Feed<'_>) -> Result<Answer, Error> {
        self.judge(child::run(&mut self.session(call), &self.stop, &mut |sink| {
            sink.write_all(call.input)?;
            feed(sink)
        })?)
    }

    fn listen(&self, call: &Call<'_>, hear: &mut dyn FnMut(&str)) -> Result<Answer, Error> {
        self.judge(child::listen(&mut self.session(call), call.input, &self.stop, hear)?)
    }

    fn keep(&self, call: &Call<'_>) -> Result<Kept, Error> {
        let kept = Kept::start(&mut self.session(call), call, &self.stop);
        match kept {
            Err(Error::Silent { said, .. }) if !self.is_alive() => {
                Err(Error::Lost { host: self.address.name.clone(), said })
            }
            kept => kept,
        }
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        // If it is gone already, so much the better.
        self.tell_connection("exit");
    }
}

#[cfg(test)]
#[path = "ssh_tests.rs"]
mod tests;
