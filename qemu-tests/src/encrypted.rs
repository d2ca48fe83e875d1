//! Encrypted samples: disks with their passphrase and ticket, a machine that waits to be unlocked, and
//! `calve unlock` on this side of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use calve_machine::network::free_port;
use calve_machine::{Disk, Machine, Network, Running, Write};

use crate::{Error, Guest, Images, Sample, Scenario, Terminal};

/// What opens the volumes of an encrypted sample.
pub const PASSPHRASE: &str = "correct horse battery staple";
/// What opens nothing.
pub const WRONG: &str = "correct house battery staple";

/// Where a system keeps its host key, below `/etc/ssh`.
const HOST_KEY: &str = "ssh_host_ed25519_key";

/// A disk whose root is found as the samples name it, with a derivation that an emulated guest does in
/// a second.
pub const PROFILE: &str = r#"
description = "An encrypted root that opens fast"

[disk]
table = "gpt"
sector-size = 512
size = "auto"

[[partitions]]
name = "ESP"
type = "esp"
size = "256M"
content.vfat = { mount = "/boot" }

[[partitions]]
name = "cryptroot"
type = "linux"
size = "rest"

[partitions.content.luks]
name = "cryptroot"
kdf.argon2id = { memory = "32M", passes = 4, lanes = 4 }
content.ext4 = { mount = "/", reserve = "256M" }
"#;

/// A scenario with an encrypted sample.
#[derive(Debug)]
pub struct Encrypted {
    scenario: Scenario,
    sample: Sample,
    port: u16,
}

/// A disk, and what was written beside it.
#[derive(Debug, Clone)]
pub struct Locked {
    /// The image.
    pub disk: PathBuf,
    /// What `calve unlock` is told.
    pub ticket: PathBuf,
}

impl Encrypted {
    /// Prepares a scenario; none if something is missing here.
    pub fn new(name: &'static str, sample: Sample) -> Result<Option<Self>, Error> {
        let Some(scenario) = Scenario::new(name, sample)? else { return Ok(None) };
        let images = scenario.images();
        fs::write(images.scratch().join("passphrase"), PASSPHRASE)?;
        fs::write(images.scratch().join("profile.toml"), PROFILE)?;
        // The running system's own host key, by which `--wait` knows it.
        let host_key = images.directory("host-keys")?.join(HOST_KEY);
        let mut keygen = Command::new("ssh-keygen");
        images.expect(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(host_key))?;
        Ok(Some(Self { scenario, sample, port: free_port()? }))
    }

    /// The scenario below.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The scenario's images.
    pub fn images(&self) -> &Images {
        self.scenario.images()
    }

    /// The port of 127.0.0.1 that leads to the machine's SSH servers.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A file that holds [`PASSPHRASE`], as an argument `--key` takes it.
    pub fn key(&self) -> String {
        format!("file:{}", self.images().scratch().join("passphrase").display())
    }

    /// Builds a disk that [`PASSPHRASE`] opens and that can be unlocked over SSH.
    pub fn build(&self, name: &str, more: &[&str]) -> Result<Locked, Error> {
        let profile = self.images().scratch().join("profile.toml");
        self.build_by(&profile.display().to_string(), name, more)
    }

    /// The same by another profile.
    pub fn build_by(&self, profile: &str, name: &str, more: &[&str]) -> Result<Locked, Error> {
        let key = format!("cryptroot={}", self.key());
        let host = format!("127.0.0.1:{}", self.port);
        let overlay = format!("{}:/etc/ssh", self.images().scratch().join("host-keys").display());
        let rule = format!("/etc/ssh/{HOST_KEY}=600");
        let mut arguments =
            vec!["-p", profile, "--luks-key", &key, "--unlock-ssh", "--unlock-host", &host];
        arguments.extend(["--overlay", &overlay, "--overlay-rule", &rule]);
        arguments.extend(more);
        let disk = self.images().archive("disk", name, &arguments)?;
        let ticket = beside(&disk, "unlock.toml");
        Ok(Locked { disk, ticket })
    }

    /// A machine with this disk, reached by the port that the tickets name. What it writes stays.
    pub fn machine(&self, disk: &Path) -> Result<Machine, Error> {
        let disk = Disk { write: Write::Persist, ..Disk::open(disk)? };
        Ok(Machine { network: Some(Network::ssh(self.port)), ..self.scenario.machine(disk) })
    }

    /// Starts a machine, and waits until its first stage asks for a passphrase.
    pub fn start(&self, machine: &Machine) -> Result<Running, Error> {
        let mut running = machine.boot()?;
        self.asked(&mut running)?;
        Ok(running)
    }

    /// Waits until a passphrase is asked for on the console.
    pub fn asked(&self, running: &mut Running) -> Result<(), Error> {
        running.expect(self.question(), self.scenario.patience())?;
        Ok(())
    }

    /// Waits until an unlocked system is up.
    pub fn up(&self, running: Running) -> Result<Guest, Error> {
        Guest::up(running, self.scenario.patience())
    }

    /// How the first stage asks on the console.
    pub fn question(&self) -> &'static str {
        if self.sample == Sample::Encrypted {
            "Passphrase for /dev/disk/by-partlabel/cryptroot: "
        } else {
            // With a recovery key among the keys it is "passphrase or recovery key".
            "Please enter passphrase "
        }
    }

    /// `calve unlock` with these words, and with an agent that knows the samples' key.
    pub fn unlock(&self, words: &[&str]) -> Vec<String> {
        let key = Images::login_key();
        let agent = format!("ssh-add -q '{}' && exec \"$@\"", key.display());
        let calve = self.images().calve_bin().display().to_string();
        let before = ["ssh-agent", "sh", "-c", &agent, "sh", &calve, "unlock"];
        before.iter().chain(words).map(|&word| word.to_owned()).collect()
    }

    /// Unlocks by the key file, and waits until the system's own SSH server answers.
    pub fn unlock_by_file(&self, locked: &Locked) -> Result<(), Error> {
        let ticket = locked.ticket.display().to_string();
        let (key, port) = (self.key(), self.port.to_string());
        let words = [&ticket, "--key", &key, "--wait", "--system-port", &port];
        let (status, said) = self.run_unlock(&words)?;
        if status == Some(0) {
            return Ok(());
        }
        let arguments = words.map(str::to_owned).to_vec();
        Err(Error::Calve { arguments, stderr: said })
    }

    /// Runs `calve unlock`, and gives its exit status and what it said.
    pub fn run_unlock(&self, words: &[&str]) -> Result<(Option<i32>, String), Error> {
        let words = self.unlock(words);
        let output = self.images().run(Command::new(&words[0]).args(&words[1..]))?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.code(), String::from_utf8_lossy(&said).into_owned()))
    }

    /// Runs `calve unlock` at a terminal.
    pub fn unlock_at_terminal(&self, words: &[&str]) -> Result<Terminal, Error> {
        let logs =
            tempfile::Builder::new().prefix("terminal").tempdir_in(self.images().scratch())?;
        Terminal::start(&self.unlock(words), logs.path(), self.scenario.patience())
    }
}

/// A file that is named after another.
pub fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}
