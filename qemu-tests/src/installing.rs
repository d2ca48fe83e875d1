//! `calve install` on a machine that started the installer's medium: blank disks, the cable to its SSH
//! server, and the part of the command line that all scenarios share.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use calve_machine::network::free_port;
use calve_machine::{Bus, Disk, Machine, Network, Write};

use crate::{Cable, Error, Guest, Images, Sample, Scenario, cd};

/// How often a program that is to be killed is looked at.
const POLL: Duration = Duration::from_millis(2);
/// How a line of `calve`'s begins that says which step it begins: the phase.
const PHASES: [&str; 4] = ["partition ", "format ", "mount ", "install "];
/// The same of the copy, which is a step and a phase, and says how far it is.
const COPY: [&str; 3] = ["checking ", "pulling ", "copying "];

/// A scenario with an installer.
#[derive(Debug)]
pub struct Installing {
    scenario: Scenario,
    cable: Cable,
    machine_port: u16,
}

/// What came of a run of `calve`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to its standard output.
    pub out: String,
    /// What it told its user.
    pub err: String,
}

impl Installing {
    /// Prepares a scenario; none if something is missing here.
    pub fn new(name: &'static str) -> Result<Option<Self>, Error> {
        let Some(scenario) = Scenario::new(name, Sample::Installer)? else { return Ok(None) };
        let machine_port = free_port()?;
        let cable = Cable::to(machine_port)?;
        Ok(Some(Self { scenario, cable, machine_port }))
    }

    /// The scenario below.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The scenario's images.
    pub fn images(&self) -> &Images {
        self.scenario.images()
    }

    /// What leads to the machine's SSH server.
    pub fn cable(&self) -> &Cable {
        &self.cable
    }

    /// Makes a disk that holds nothing.
    pub fn blank(&self, name: &str, size: u64) -> Result<PathBuf, Error> {
        let path = self.images().scratch().join(name);
        File::create_new(&path)?.set_len(size)?;
        Ok(path)
    }

    /// A machine with these disks, which keep what is written, and the installer's medium after them: the
    /// firmware finds nothing to start on a blank disk, and what was installed on it afterwards.
    pub fn machine(&self, disks: &[(&Path, Bus)]) -> Result<Machine, Error> {
        let images = self.images();
        let iso = images.archive("iso", "installer.iso", &["--compress", "zstd:fast"])?;
        let mut machine = self.scenario.machine(cd(&iso)?);
        for (index, (path, bus)) in disks.iter().enumerate() {
            let disk = Disk { write: Write::Persist, bus: *bus, ..Disk::open(path)? };
            machine.disks.insert(index, disk);
        }
        machine.network = Some(Network { restrict: true, ..Network::ssh(self.machine_port) });
        Ok(machine)
    }

    /// Starts it, and waits until it is up.
    pub fn start(&self, machine: &Machine) -> Result<Guest, Error> {
        let mut guest = self.scenario.start(machine)?;
        guest.all_units_up()?;
        Ok(guest)
    }

    /// `calve install` of a sample, as root of the installer.
    pub fn install(&self, sample: Sample, words: &[&str]) -> Command {
        self.install_as("root", sample, words)
    }

    /// The same as another user.
    pub fn install_as(&self, user: &str, sample: Sample, words: &[&str]) -> Command {
        let info = Images::closure_info(sample);
        let host = format!("{user}@127.0.0.1");
        let mut calve = self.calve(&["install", &host]);
        calve.arg(info.join("system")).arg("--registration").arg(info.join("registration"));
        calve.args(["--accept-new", "--port", &self.cable.port().to_string()]).args(words);
        calve
    }

    /// `calve` with the samples' key and directories of its own.
    pub fn calve(&self, words: &[&str]) -> Command {
        let scratch = self.images().scratch();
        let options = format!(
            "-F/dev/null -i {} -oIdentitiesOnly=yes -oUserKnownHostsFile={}",
            Images::login_key().display(),
            scratch.join("known_hosts").display()
        );
        let mut calve = Command::new(self.images().calve_bin());
        calve.args(words).env("NIX_SSHOPTS", options);
        calve.env("XDG_STATE_HOME", scratch.join("state"));
        calve
    }

    /// Runs it, whatever comes of it.
    pub fn say(&self, mut command: Command) -> Result<Said, Error> {
        let output = self.images().run(command.stdin(Stdio::null()))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Said {
            code: output.status.code(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        })
    }

    /// Runs it, and requires that all went well.
    pub fn succeed(&self, command: Command) -> Result<Said, Error> {
        let arguments = command.get_args().map(|word| word.to_string_lossy().into_owned());
        let arguments: Vec<String> = arguments.collect();
        let said = self.say(command)?;
        if said.code == Some(0) {
            return Ok(said);
        }
        Err(Error::Calve { arguments, stderr: said.err })
    }

    /// Runs it until it is time to kill it, which its own lines tell, or something else does. It may end before.
    pub fn kill_when(
        &self,
        mut command: Command,
        mut is_time: impl FnMut(&[String]) -> bool,
    ) -> Result<Said, Error> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut calve = command.current_dir(self.images().scratch()).spawn()?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let heard = || lines.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let hearing = calve.stderr.take().map(|stderr| {
            let lines = Arc::clone(&lines);
            thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            })
        });
        let deadline = Instant::now() + self.scenario.patience();
        let status = loop {
            if is_time(&heard()) || Instant::now() > deadline {
                calve.kill()?;
                break calve.wait()?;
            }
            if let Some(status) = calve.try_wait()? {
                break status;
            }
            thread::sleep(POLL);
        };
        if status.code().is_some()
            && let Some(hearing) = hearing
        {
            // Its last words; a killed one leaves a connection behind that may hold the pipe.
            let _ = hearing.join();
        }
        Ok(Said { code: status.code(), out: String::new(), err: heard().join("\n") })
    }
}

/// Lets the console of an installer tell who logs in, until it restarts.
pub fn tell_logins(guest: &mut Guest) -> Result<(), Error> {
    let follow = "journalctl -f -n0 -o cat -u sshd -g ^Accepted";
    guest.run(&format!("setsid {follow} >/dev/ttyS0 2>/dev/null </dev/null &")).map(drop)
}

/// How many logins it told of.
pub fn told_logins(guest: &mut Guest) -> usize {
    guest.running().console().text().matches("Accepted publickey for").count()
}

/// The steps that these lines say were begun.
pub fn begun(lines: &[String]) -> Vec<&str> {
    let mut steps = Vec::new();
    for line in lines {
        if COPY.iter().any(|word| line.starts_with(word)) {
            steps.push("copy");
        }
        let step = PHASES.iter().find_map(|phase| line.strip_prefix(phase));
        steps.extend(step.map(str::trim));
    }
    steps.dedup();
    steps
}
