//! Containers of an unpacked archive, beside the machines that boot disks.
//!
//! - [`Rootfs`]: an archive unpacked as a container host does it
//! - `lxc`, `nspawn`: the two programs that start one
//! - `cgroup`: a place of its own for the one that does not make one
//!
//! Starting a container needs root. What is started ends with its value, whatever becomes of the
//! test, and by its own name or process: never by the name of a program.

mod cgroup;
mod lxc;
mod nspawn;
mod rootfs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

pub use rootfs::{Rootfs, Users};

use crate::Error;
use crate::guest::Output;
use crate::images::{Images, Sample, is_root, or_skip};
use crate::scenario::patience;

/// The programs of a running sample.
const PATH: &str = "PATH=/run/current-system/sw/bin:/run/current-system/sw/sbin";
/// What scenarios call besides the programs that every Linux has.
const PROGRAMS: [&str; 9] = [
    "lxc-start",
    "lxc-usernsexec",
    "newuidmap",
    "systemd-nspawn",
    "nsenter",
    "unshare",
    "bsdtar",
    "pwck",
    "script",
];
/// How long one command may take, as `timeout` is told; containers answer in no time.
const COMMAND_SECONDS: &str = "60";
/// Between two looks at a container that is not up yet.
const POLL: Duration = Duration::from_millis(100);
/// How much of the console a failure shows.
const CONSOLE_LINES: usize = 40;

/// The programs that start containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// `lxc-start`, which Proxmox runs too.
    Lxc,
    /// `systemd-nspawn`.
    Nspawn,
}

/// A running container.
#[derive(Debug)]
pub struct Container {
    handle: Handle,
    console: PathBuf,
}

#[derive(Debug)]
enum Handle {
    Lxc(lxc::Lxc),
    Nspawn(nspawn::Nspawn),
}

/// What a start is given by the scenario: names that nobody else has.
#[derive(Debug)]
struct Place {
    /// Of the container, of its control groups.
    name: String,
    /// Where its state goes.
    directory: PathBuf,
    /// Where its console goes.
    console: PathBuf,
}

/// Images for containers; none if something is missing here.
pub fn images(name: &'static str, sample: Sample) -> Result<Option<Images>, Error> {
    or_skip(name, prepare(name, sample)?)
}

fn prepare(name: &str, sample: Sample) -> Result<Result<Images, String>, Error> {
    if !is_root() {
        return Ok(Err("containers are started by root".to_owned()));
    }
    for program in PROGRAMS {
        // Whatever it answers, it is there.
        if Command::new(program).arg("--version").output().is_err() {
            return Ok(Err(format!("{program} not found")));
        }
    }
    Images::prepare(name, sample)
}

impl Container {
    /// Starts a container, and waits until systemd says that everything runs.
    pub fn boot(runtime: Runtime, rootfs: &Rootfs) -> Result<Self, Error> {
        let place = rootfs.place()?;
        let console = place.console.clone();
        let handle = match runtime {
            Runtime::Lxc => Handle::Lxc(lxc::Lxc::start(rootfs, place)?),
            Runtime::Nspawn => Handle::Nspawn(nspawn::Nspawn::start(rootfs, place)?),
        };
        let container = Self { handle, console };
        container.wait_up()?;
        Ok(container)
    }

    /// Runs a shell command that must succeed, and gives its output.
    pub fn run(&self, command: &str) -> Result<String, Error> {
        let output = self.output(command)?;
        if output.status == 0 {
            Ok(output.text)
        } else {
            Err(Error::Command { command: command.to_owned(), output })
        }
    }

    /// Runs a shell command, and gives its output and exit status.
    pub fn output(&self, command: &str) -> Result<Output, Error> {
        let mut words = vec!["timeout".to_owned(), COMMAND_SECONDS.to_owned()];
        words.extend(match &self.handle {
            Handle::Lxc(lxc) => lxc.enter(),
            Handle::Nspawn(nspawn) => nspawn.enter()?,
        });
        let mut enter = Command::new(&words[0]);
        let script = format!("{command}\n");
        enter.args(&words[1..]).args(["/run/current-system/sw/bin/env", "-i", PATH, "sh", "-c"]);
        let output = enter.arg(format!("exec 2>&1 </dev/null; {script}")).output();
        let output = output.map_err(|source| Error::Run { program: "timeout".into(), source })?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text += &String::from_utf8_lossy(&output.stderr);
        let status = output.status.code().and_then(|code| u8::try_from(code).ok());
        Ok(Output { status: status.unwrap_or(u8::MAX), text: text.trim_end().to_owned() })
    }

    /// Requires of systemd that everything is up, stays up, and nothing failed.
    pub fn all_units_up(&self) -> Result<(), Error> {
        let failed = "systemctl --failed --no-legend --plain --no-pager";
        self.run("systemctl is-active sshd.service systemd-networkd.service dbus.service")?;
        self.run(&format!("systemctl is-system-running || {{ {failed}; false; }}"))?;
        self.run(&format!("test -z \"$({failed})\"")).map(drop)
    }

    /// Shuts the container down from inside, as its host does it.
    pub fn shut_down(self) -> Result<(), Error> {
        let console = self.console.clone();
        let ended = match self.handle {
            Handle::Lxc(lxc) => lxc.shut_down(patience()),
            Handle::Nspawn(nspawn) => nspawn.shut_down(patience()),
        };
        ended.map_err(|error| with_console(error, &console))
    }

    fn has_ended(&self) -> bool {
        match &self.handle {
            Handle::Lxc(lxc) => lxc.has_ended(),
            Handle::Nspawn(nspawn) => nspawn.has_ended(),
        }
    }

    fn wait_up(&self) -> Result<(), Error> {
        let deadline = Instant::now() + patience();
        loop {
            // It fails until there is a bus to ask on.
            let state = self.output("systemctl is-system-running --wait");
            match state {
                Ok(state) if state.text == "running" => return Ok(()),
                Ok(state) if state.text == "degraded" => {
                    let why = "systemctl --failed --no-pager; journalctl --no-pager -b -p warning";
                    let why = self.output(why)?.text;
                    return Err(Error::NotUp { said: why, console: tail(&self.console) });
                }
                Ok(_) | Err(_) if Instant::now() < deadline && !self.has_ended() => {
                    thread::sleep(POLL);
                }
                Ok(state) => {
                    return Err(Error::NotUp { said: state.text, console: tail(&self.console) });
                }
                Err(error) => return Err(with_console(error, &self.console)),
            }
        }
    }
}

/// Whether a process is over, and only waits for its parent to ask how it ended.
fn is_over(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("State:\t"))
        .is_none_or(|state| state.starts_with('Z'))
}

fn with_console(error: Error, console: &Path) -> Error {
    Error::NotUp { said: error.to_string(), console: tail(console) }
}

/// The end of what a container wrote to its console.
fn tail(console: &Path) -> String {
    let text = fs::read(console).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(CONSOLE_LINES)..].join("\n")
}
