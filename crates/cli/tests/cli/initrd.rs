//! A host that starts: OpenSSH's own sshd on a port of this machine, and a first stage that asks for passphrases.
//!
//! The first stages are shell scripts that behave as the real ones do; one asks with systemd's own program and is answered by
//! systemd's own agent. Nothing of the machine is used: what is `/crypt-ramfs` or `/sys/block` there is a directory here, which the
//! login shell puts into the commands that come in.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::keygen::{self, Keygen};

const COMMON: &str = include_str!("initrd/common.sh");
const SHELL: &str = include_str!("initrd/shell");
const ASKPASS: &str = include_str!("initrd/cryptsetup-askpass");
const AGENT: &str = include_str!("initrd/systemd-tty-ask-password-agent");

/// How the first stage asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    Askpass,
    Systemd,
    /// With systemd's own programs, in a mount namespace.
    RealSystemd,
    Fifo,
}

impl Asks {
    fn stage1(self) -> &'static str {
        match self {
            Self::Askpass => include_str!("initrd/askpass_stage1.sh"),
            Self::Systemd => include_str!("initrd/systemd_stage1.sh"),
            Self::RealSystemd => include_str!("initrd/real_systemd_stage1.sh"),
            Self::Fifo => include_str!("initrd/fifo_stage1.sh"),
        }
    }

    fn ticket(self, root: &Path) -> String {
        match self {
            Self::Askpass => "kind = \"cryptsetup-askpass\"".to_owned(),
            Self::Systemd | Self::RealSystemd => "kind = \"systemd\"".to_owned(),
            Self::Fifo => format!("kind = \"fifo\"\npath = \"{}\"", root.join("fifo").display()),
        }
    }
}

/// A host; it is gone when this is dropped.
pub(crate) struct Initrd {
    keygen: Keygen,
    asks: Asks,
    pub(crate) port: u16,
    children: Vec<Child>,
}

impl Initrd {
    /// A host with these volumes and their passphrases; nothing where a program is not installed.
    pub(crate) fn new(asks: Asks, volumes: &[(&str, &str)]) -> Option<Self> {
        keygen::need("ssh")?;
        keygen::need(sshd())?;
        if asks == Asks::RealSystemd {
            need_namespaces()?;
        }
        let keygen = Keygen::new()?;
        for name in ["id", "initrd_key", "system_key", "stranger_key"] {
            keygen.generate(name, "");
        }
        let host = Self { keygen, asks, port: free_port(), children: Vec::new() };
        for directory in ["bin", "crypt-ramfs", "ask-password", "passphrases", "sys/block"] {
            fs::create_dir_all(host.root().join(directory)).unwrap();
        }
        let mut list = String::new();
        for (name, passphrase) in volumes {
            list.push_str(&format!("{name} /dev/disk/by-partlabel/part-{name}\n"));
            host.write(&format!("passphrases/{name}"), &format!("{passphrase}\n"));
        }
        host.write("volumes", &list);
        host.write("initrd-release", "");
        host.write("init", &init(&list));
        host.write(
            "stage1",
            &format!("root={}\n{COMMON}\n{}", host.root().display(), asks.stage1()),
        );
        let agent = "systemd-tty-ask-password-agent";
        match asks {
            Asks::Systemd => host.program(&format!("bin/{agent}"), AGENT),
            Asks::Askpass => host.program("bin/cryptsetup-askpass", ASKPASS),
            Asks::RealSystemd | Asks::Fifo => {}
        }
        if asks != Asks::Askpass {
            fs::remove_dir(host.root().join("crypt-ramfs")).unwrap();
        }
        host.shell("sh");
        fs::write(host.path("ssh_config"), host.ssh_config()).unwrap();
        host.ticket("initrd_key", None);
        Some(host)
    }

    pub(crate) fn directory(&self) -> &Path {
        self.keygen.directory()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    fn root(&self) -> PathBuf {
        self.path("root")
    }

    pub(crate) fn fingerprint(&self, key: &str) -> String {
        self.keygen.fingerprint(key)
    }

    /// A public key without its comment.
    pub(crate) fn public(&self, key: &str) -> String {
        let line = self.keygen.text(&format!("{key}.pub"));
        line.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// Writes a file of the initrd.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.root()).unwrap();
        fs::write(self.root().join(name), text).unwrap();
    }

    fn program(&self, name: &str, text: &str) {
        self.write(name, text);
        fs::set_permissions(self.root().join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Sets the shell that runs what comes by SSH.
    pub(crate) fn shell(&self, shell: &str) {
        let ask = if self.asks == Asks::RealSystemd {
            String::new()
        } else {
            "-e \"s,/run/systemd/ask-password,$ROOT/ask-password,g\"".to_owned()
        };
        let root = self.root();
        let text = SHELL.replace("@ROOT@", root.to_str().unwrap()).replace("@SHELL@", shell);
        self.program("shell", &text.replace("@ASK@", &ask));
    }

    /// Puts the program that asks in the place of the login shell.
    pub(crate) fn login_is_no_shell(&self) {
        self.program("login", if self.asks == Asks::Askpass { ASKPASS } else { AGENT });
    }

    /// Runs a command before each start of systemd's own agent.
    pub(crate) fn agent_begins_with(&self, command: &str) {
        let agent = "systemd-tty-ask-password-agent";
        let next = format!("PATH=${{PATH#*:}}; exec {agent} \"$@\"");
        self.program(&format!("bin/{agent}"), &format!("#!/bin/sh\n{command}\n{next}\n"));
    }

    fn ssh_config(&self) -> String {
        let directory = self.directory().display();
        format!(
            "Host web\n  HostName 127.0.0.1\nHost *\n  IdentityFile {directory}/id\n  IdentitiesOnly yes\n  \
             IdentityAgent none\n  UserKnownHostsFile {directory}/user_known_hosts\n  GlobalKnownHostsFile /dev/null\n"
        )
    }

    /// Writes the ticket, with the key that it pins.
    pub(crate) fn ticket(&self, key: &str, system: Option<&str>) {
        let names = fs::read_to_string(self.root().join("volumes")).unwrap();
        let names: Vec<_> = names.lines().map(|line| line.split(' ').next().unwrap()).collect();
        let system = system
            .map_or(String::new(), |key| format!("system-host-key = \"{}\"\n", self.public(key)));
        let text = format!(
            "version = 1\nhost = \"web\"\nport = {}\nuser = \"{}\"\nfingerprint = \"{}\"\n\
             known-hosts = \"web.known_hosts\"\nvolumes = {names:?}\n{system}[asks]\n{}\n",
            self.port,
            user(),
            self.fingerprint(key),
            self.asks.ticket(&self.root()),
        );
        for (name, text) in
            [("web.unlock.toml", text), ("web.known_hosts", format!("* {}\n", self.public(key)))]
        {
            fs::write(self.path(name), text).unwrap();
            fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o644)).unwrap();
        }
    }

    /// Starts the SSH server and the first stage.
    pub(crate) fn start(&mut self) {
        self.start_with("initrd_key");
    }

    /// The same with another host key: a stranger in its place.
    pub(crate) fn start_with(&mut self, key: &str) {
        let config = self.sshd_config("initrd", self.port, key, true);
        let root = self.root();
        let stage1 = format!(
            "{} -D -e -f {} 2>>{root}/sshd.log & echo $! >{root}/sshd.pid; exec sh {root}/stage1 2>>{root}/stage1.log",
            sshd(),
            config.display(),
            root = root.display()
        );
        let mut command = if self.asks == Asks::RealSystemd {
            let mut command = Command::new("unshare");
            let mount = "mount -t tmpfs none /run/systemd && mkdir -p /run/systemd/ask-password";
            command.args(["-m", "sh", "-c", &format!("{mount} && {{ {stage1}; }}")]);
            command
        } else {
            let mut command = Command::new("sh");
            command.args(["-c", &stage1]);
            command
        };
        self.children.push(command.stdin(Stdio::null()).process_group(0).spawn().unwrap());
        self.wait_for_port(self.port);
    }

    /// Starts the system's SSH server, where nobody is let in.
    pub(crate) fn start_system(&mut self, port: u16) {
        let config = self.sshd_config("system", port, "system_key", false);
        let mut command = Command::new(sshd());
        command.args(["-D", "-e", "-f"]).arg(config).stdin(Stdio::null()).stderr(Stdio::null());
        self.children.push(command.process_group(0).spawn().unwrap());
        self.wait_for_port(port);
    }

    fn sshd_config(&self, name: &str, port: u16, key: &str, is_open: bool) -> PathBuf {
        // Needed by a server that root starts, and made by its service otherwise.
        let _ = fs::create_dir_all("/run/sshd");
        let directory = self.directory().display();
        let authorized = if is_open { "id.pub" } else { "nobody" };
        let text = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {directory}/{key}\nAuthorizedKeysFile {directory}/{authorized}\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n\
             PidFile none\nForceCommand {directory}/root/shell\n"
        );
        let path = self.path(&format!("{name}.sshd_config"));
        fs::write(&path, text).unwrap();
        path
    }

    fn wait_for_port(&self, port: u16) {
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = fs::read_to_string(self.root().join("sshd.log")).unwrap_or_default();
            assert!(started.elapsed() < Duration::from_secs(20), "no sshd: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What the first stage noted: which passphrases were right, which wrong.
    pub(crate) fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.root().join("log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// How many sessions there were.
    pub(crate) fn sessions(&self) -> usize {
        fs::read_to_string(self.root().join("sessions")).unwrap_or_default().lines().count()
    }

    /// The command, with a user's own ssh configuration, and no other environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_calve"));
        command.current_dir(self.directory()).args(["unlock"]).args(arguments).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("TMPDIR", self.directory());
        command.env("NIX_SSHOPTS", format!("-F {}", self.path("ssh_config").display()));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

impl Drop for Initrd {
    fn drop(&mut self) {
        for child in &mut self.children {
            // With what it started.
            let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
            let _ = child.wait();
        }
        for file in ["sshd.pid", "sessions"] {
            let text = fs::read_to_string(self.root().join(file)).unwrap_or_default();
            for pid in text.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)) {
                // Those that the first stage ended already are gone.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// The lines of NixOS' first stage that tell which device becomes which volume.
fn init(volumes: &str) -> String {
    let line = |line: &str| {
        let (name, device) = line.split_once(' ').unwrap();
        format!(
            "    echo -n \"$passphrase\" | cryptsetup luksOpen {device} {name} --allow-discards --key-file=-\n"
        )
    };
    volumes.lines().map(line).collect()
}

fn sshd() -> &'static str {
    // It starts itself anew by its name, which must be absolute.
    ["/usr/sbin/sshd", "/run/current-system/sw/bin/sshd"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .unwrap_or("/usr/sbin/sshd")
}

pub(crate) fn user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

fn need_namespaces() -> Option<()> {
    keygen::need("systemd-ask-password")?;
    keygen::need("systemd-tty-ask-password-agent")?;
    let script = "test -d /run/systemd && mount -t tmpfs none /run/systemd";
    let works = Command::new("unshare").args(["-m", "sh", "-c", script]).output();
    if works.is_ok_and(|output| output.status.success()) {
        return Some(());
    }
    eprintln!("SKIPPED: no mount namespace with a /run/systemd of its own");
    None
}
