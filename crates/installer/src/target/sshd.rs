//! For tests: an SSH server on the loopback that takes one key, for whoever runs the test.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
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

impl Sshd {
    pub(crate) fn start() -> Option<Self> {
        Self::with("")
    }

    /// With further lines of sshd_config(5).
    pub(crate) fn with(settings: &str) -> Option<Self> {
        let sshd = program()?;
        let directory = tempfile::Builder::new().prefix("calve-sshd-").tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["host", "user"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(at(name));
            assert!(keygen.status().unwrap().success());
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host\nPidFile none\nAuthorizedKeysFile {0}/user.pub\n\
             StrictModes no\nUsePAM no\nPermitRootLogin yes\n{settings}",
            directory.path().display()
        );
        fs::write(at("config"), config).unwrap();
        // As root it wants a directory to give its privileges up in.
        let _ = fs::create_dir_all("/run/sshd");
        let log = fs::File::create(at("log")).unwrap();
        let mut daemon = Command::new(sshd);
        daemon.args(["-D", "-e", "-f"]).arg(at("config")).stderr(log).stdin(Stdio::null());
        let daemon = daemon.spawn().unwrap();
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(30), "sshd does not answer");
            thread::sleep(Duration::from_millis(20));
        }
        Some(Self { directory, port, daemon })
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
    Address { name: "127.0.0.1".to_owned(), port: Some(port), accept_new, options }
}
