//! A real sshd on the loopback, and the user's own ssh.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::*;

/// An SSH server that takes one key, for whoever runs this test.
struct Server {
    directory: TempDir,
    port: u16,
    daemon: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// What is missing is a skip at home, and a failure where `CI=true`.
fn sshd() -> Option<&'static str> {
    let found =
        ["/usr/sbin/sshd", "/usr/bin/sshd"].into_iter().find(|path| Path::new(path).exists());
    if found.is_none() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "sshd is not installed");
        eprintln!("SKIPPED: sshd is not installed");
    }
    found
}

impl Server {
    fn start() -> Option<Self> {
        let sshd = sshd()?;
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
             StrictModes no\nUsePAM no\nPermitRootLogin yes\n",
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

    fn address(&self, accept_new: bool) -> Address {
        let directory = self.directory.path().display();
        let options = [
            "-F/dev/null".to_owned(),
            format!("-oIdentityFile={directory}/user"),
            "-oIdentitiesOnly=yes".to_owned(),
            format!("-oUserKnownHostsFile={directory}/known_hosts"),
            "-oGlobalKnownHostsFile=/dev/null".to_owned(),
            // What many have in NIX_SSHOPTS; it must not count.
            "-oStrictHostKeyChecking=no".to_owned(),
        ];
        Address {
            name: "127.0.0.1".to_owned(),
            port: Some(self.port),
            accept_new,
            options: options.to_vec(),
        }
    }

    fn logins(&self) -> usize {
        let log = fs::read_to_string(self.directory.path().join("log")).unwrap();
        log.matches("Accepted publickey").count()
    }
}

fn connect(address: &Address) -> Result<Ssh, Error> {
    Ssh::connect(address, &mut |_| {})
}

#[test]
fn one_login_carries_every_command_and_ends_with_its_owner() {
    let Some(server) = Server::start() else { return };
    let ssh = connect(&server.address(true)).unwrap();
    let input = vec![7; 3 << 20];
    let call = Call { input: &input, ..Call::new(&["cat"]) };
    assert!(ssh.call(&call).unwrap().out == input);
    let words = ["printf", "%s", "it's $HOME `x` \n*"];
    assert_eq!(ssh.call(&Call::new(&words)).unwrap().out, words[2].as_bytes());
    let failed = ssh.call(&Call::new(&["sh", "-c", "echo why >&2; exit 7"])).unwrap();
    assert_eq!((failed.code, failed.last_words()), (Some(7), "why"));
    assert_eq!(server.logins(), 1);
    let socket = ssh.directory.path().join("ssh");
    assert!(socket.exists());
    drop(ssh);
    assert!(!socket.exists());
}

#[test]
fn a_key_that_nobody_knows_is_never_taken_silently() {
    let Some(server) = Server::start() else { return };
    // Nobody is there to be asked: this test has no terminal.
    let error = connect(&server.address(false)).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("Host key verification failed"), "{said}");
    assert_eq!(server.logins(), 0);
    // Known once, it is taken without a question; another in its place never is.
    drop(connect(&server.address(true)).unwrap());
    drop(connect(&server.address(false)).unwrap());
    let known = server.directory.path().join("known_hosts");
    let user = fs::read_to_string(server.directory.path().join("user.pub")).unwrap();
    fs::write(&known, format!("[127.0.0.1]:{} {user}", server.port)).unwrap();
    for accept_new in [false, true] {
        let error = connect(&server.address(accept_new)).unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    }
}

#[test]
fn a_pinned_key_is_the_only_one_that_counts() {
    let Some(server) = Server::start() else { return };
    let key = |name: &str| {
        let text = fs::read(server.directory.path().join(format!("{name}.pub"))).unwrap();
        PublicKey::read(&text).unwrap()
    };
    let address = server.address(true);
    // The user's known_hosts vouch for the server, and are not asked.
    drop(connect(&address).unwrap());
    let error = Ssh::connect_pinned(&address, &key("user"), &mut |_| {}).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert_eq!(server.logins(), 1);
    fs::remove_file(server.directory.path().join("known_hosts")).unwrap();
    let ssh = Ssh::connect_pinned(&address, &key("host"), &mut |_| {}).unwrap();
    assert!(ssh.call(&Call::new(&["true"])).unwrap().is_good());
    assert!(!server.directory.path().join("known_hosts").exists());
}

#[test]
fn a_lost_connection_is_said_and_not_made_again() {
    let Some(server) = Server::start() else { return };
    let address = server.address(true);
    let ssh = connect(&address).unwrap();
    let exit = ssh.command(&[], &["-O", "exit"]).stderr(Stdio::null()).status().unwrap();
    assert!(exit.success());
    let error = ssh.call(&Call::new(&["true"])).unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error}");
    assert_eq!(server.logins(), 1);
}

#[test]
fn a_host_that_is_not_there() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = Address {
        name: "127.0.0.1".to_owned(),
        port: Some(port),
        accept_new: true,
        options: vec!["-F/dev/null".to_owned()],
    };
    let said = connect(&address).unwrap_err().to_string();
    assert!(
        said.starts_with("127.0.0.1 cannot be reached: ") && said.contains("refused"),
        "{said}"
    );
    let name = Address { name: "-oProxyCommand=x".to_owned(), ..address };
    assert!(matches!(connect(&name), Err(Error::Name { .. })));
}
