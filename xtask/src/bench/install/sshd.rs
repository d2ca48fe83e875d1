//! An sshd on the loopback that takes one key, for whoever runs the benchmark.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::super::Error;
use crate::program;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server; it ends with this value.
#[derive(Debug)]
pub(super) struct Sshd {
    directory: PathBuf,
    pub(super) port: u16,
    daemon: Child,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // If it is gone already, so much the better.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

impl Sshd {
    /// Makes keys and settings in a directory, and starts.
    pub(super) fn start(directory: &Path) -> Result<Self, Error> {
        let failed = |what| {
            let path = directory.to_path_buf();
            move |source| Error::File { what, path, source }
        };
        if directory.exists() {
            fs::remove_dir_all(directory).map_err(failed("empty"))?;
        }
        fs::create_dir_all(directory).map_err(failed("create"))?;
        for name in ["host", "user"] {
            let mut keygen = program::command("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(directory.join(name));
            program::run(&mut keygen)?;
        }
        let socket = TcpListener::bind("127.0.0.1:0").map_err(failed("find a port for"))?;
        let port = socket.local_addr().map_err(failed("find a port for"))?.port();
        drop(socket);
        let at = directory.display();
        // Somebody's shell may take its time to start; an installer's does not.
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {at}/host\nPidFile none\nAuthorizedKeysFile {at}/user.pub\n\
             StrictModes no\nUsePAM no\nPermitRootLogin yes\nSetEnv NIX_CONF_DIR={at} HOME={at}\n"
        );
        let nix = "build-users-group =\nsubstituters =\n";
        fs::write(directory.join("config"), config).map_err(failed("write into"))?;
        fs::write(directory.join("nix.conf"), nix).map_err(failed("write into"))?;
        // As root it wants a directory to give its privileges up in.
        let _ = fs::create_dir_all("/run/sshd");
        let mut command = program::command("/usr/sbin/sshd");
        command.arg("-D").arg("-f").arg(directory.join("config"));
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let daemon = command.spawn().map_err(failed("start sshd in"))?;
        let server = Self { directory: directory.to_path_buf(), port, daemon };
        let started = Instant::now();
        while let Err(source) = TcpStream::connect(("127.0.0.1", port)) {
            if started.elapsed() > PATIENCE {
                return Err(failed("reach sshd in")(source));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// The user's key.
    pub(super) fn key(&self) -> PathBuf {
        self.directory.join("user")
    }

    /// The directory of Nix' settings, at both ends: no caches.
    pub(super) fn nix_conf(&self) -> PathBuf {
        self.directory.clone()
    }

    /// `NIX_SSHOPTS` for a Nix that connects by itself.
    pub(super) fn options(&self) -> String {
        let (port, key) = (self.port, self.key());
        let key = key.display();
        format!(
            "-F/dev/null -p {port} -i {key} -oIdentitiesOnly=yes -oUserKnownHostsFile={key}.known -oStrictHostKeyChecking=accept-new"
        )
    }
}
