//! For tests: an SSH server on the loopback that takes one key, for whoever runs the test.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::ssh::Address;

/// A server; it ends with this value.
pub(crate) struct Sshd {
    pub(crate) directory: TempDir,
    pub(crate) port: u16,
    daemon: Child,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// What is missing is a skip at home, and a failure where `CI=true`.
fn program() -> Option<&'static str> {
    let found =
        ["/usr/sbin/sshd", "/usr/bin/sshd"].into_iter().find(|path| Path::new(path).exists());
    if found.is_none() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "sshd is not installed");
        eprintln!("SKIPPED: sshd is not installed");
    }
    found
}

/// A server that is not there yet.
pub(crate) struct Waiting {
    directory: TempDir,
    port: u16,
}

impl Waiting {
    /// One with a host key of its own; who may log in, the directory says.
    pub(crate) fn new(directory: TempDir, port: u16, settings: &str) -> Self {
        keygen(directory.path(), "host");
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host\nPidFile none\nAuthorizedKeysFile {0}/user.pub\n\
             StrictModes no\nUsePAM no\nPermitRootLogin yes\n{settings}",
            directory.path().display()
        );
        fs::write(directory.path().join("config"), config).unwrap();
        // As root it wants a directory to give its privileges up in.
        let _ = fs::create_dir_all("/run/sshd");
        Self { directory, port }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn start(self) -> Sshd {
        let log = fs::File::create(self.path("log")).unwrap();
        let mut daemon = Command::new(program().unwrap());
        daemon.args(["-D", "-e", "-f"]).arg(self.path("config")).stderr(log).stdin(Stdio::null());
        let daemon = daemon.spawn().unwrap();
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(30), "sshd does not answer");
            thread::sleep(Duration::from_millis(20));
        }
        Sshd { directory: self.directory, port: self.port, daemon }
    }
}

fn keygen(directory: &Path, name: &str) {
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(directory.join(name));
    assert!(keygen.status().unwrap().success());
}

impl Sshd {
    pub(crate) fn start() -> Option<Self> {
        Self::with("")
    }

    /// With further lines of sshd_config(5).
    pub(crate) fn with(settings: &str) -> Option<Self> {
        program()?;
        let directory = tempfile::Builder::new().prefix("calve-sshd-").tempdir().unwrap();
        keygen(directory.path(), "user");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Some(Waiting::new(directory, port, settings).start())
    }

    pub(crate) fn address(&self, accept_new: bool) -> Address {
        address(self.port, self.directory.path(), accept_new)
    }

    pub(crate) fn logins(&self) -> usize {
        let log = fs::read_to_string(self.directory.path().join("log")).unwrap();
        log.matches("Accepted publickey").count()
    }
}

/// How a server on the loopback is reached with the keys in a directory.
pub(crate) fn address(port: u16, directory: &Path, accept_new: bool) -> Address {
    let directory = directory.display();
    let options = [
        "-F/dev/null".to_owned(),
        format!("-oIdentityFile={directory}/user"),
        "-oIdentitiesOnly=yes".to_owned(),
        format!("-oUserKnownHostsFile={directory}/known_hosts"),
        "-oGlobalKnownHostsFile=/dev/null".to_owned(),
        // What many have in NIX_SSHOPTS; it must not count.
        "-oStrictHostKeyChecking=no".to_owned(),
    ];
    let options = options.to_vec();
    Address {
        name: "127.0.0.1".to_owned(),
        port: Some(port),
        accept_new,
        options,
        hidden: Vec::new(),
    }
}
