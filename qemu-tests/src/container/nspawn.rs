//! `systemd-nspawn`.
//!
//! Told to run `/sbin/init` rather than to boot: on its own it prefers `/usr/lib/systemd/systemd`,
//! which is there from the second start on, and skips NixOS' second stage. Always with a network of
//! its own.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::cgroup::Cgroup;
use super::rootfs::{COUNT, FIRST};
use super::{POLL, Place, Rootfs, Users};
use crate::Error;

/// A container of systemd's.
#[derive(Debug)]
pub(super) struct Nspawn {
    child: Child,
    _cgroup: Cgroup,
}

impl Nspawn {
    pub(super) fn start(rootfs: &Rootfs, place: Place) -> Result<Self, Error> {
        let Place { name, directory: _, console } = place;
        let cgroup = Cgroup::make(&name)?;
        let mut words = cgroup.enter();
        words.extend(["systemd-nspawn", "--register=no", "--keep-unit"].map(str::to_owned));
        words.extend(["--private-network", "--console=pipe"].map(str::to_owned));
        // What `--boot` would set: the signal that asks systemd for an orderly end.
        words.push("--kill-signal=SIGRTMIN+3".to_owned());
        if rootfs.users() == Users::Shifted {
            words.push(format!("--private-users={FIRST}:{COUNT}"));
        }
        words.push(format!("--machine={name}"));
        let mut start = Command::new(&words[0]);
        start.args(&words[1..]).arg("--directory").arg(rootfs.path()).arg("/sbin/init");
        let console = File::create(console)?;
        start.stdin(Stdio::null()).stdout(console.try_clone()?).stderr(console);
        let child = start.spawn();
        let child =
            child.map_err(|source| Error::Run { program: "systemd-nspawn".into(), source })?;
        Ok(Self { child, _cgroup: cgroup })
    }

    /// The words before a command in the container.
    pub(super) fn enter(&self) -> Result<Vec<String>, Error> {
        let Some(leader) = self.leader() else {
            return Err(Error::NotUp {
                said: "systemd-nspawn runs nothing".to_owned(),
                console: String::new(),
            });
        };
        Ok(["nsenter", "--target", &leader, "--all", "--"].map(str::to_owned).to_vec())
    }

    /// The container's first process, as the host numbers it.
    fn leader(&self) -> Option<String> {
        let own = self.child.id();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).ok()?;
        children.split_whitespace().last().map(str::to_owned)
    }

    pub(super) fn has_ended(&self) -> bool {
        super::is_over(self.child.id())
    }

    pub(super) fn shut_down(mut self, patience: Duration) -> Result<(), Error> {
        let mut words = self.enter()?;
        words.extend(["/run/current-system/sw/bin/systemctl", "poweroff"].map(str::to_owned));
        // The connection may go before the answer comes.
        let _ = Command::new(&words[0]).args(&words[1..]).stderr(Stdio::null()).status();
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    let said = format!("systemd-nspawn ended with {status}");
                    return Err(Error::NotUp { said, console: String::new() });
                }
                None => thread::sleep(POLL),
            }
        }
        let said = "the container does not power off".to_owned();
        Err(Error::NotUp { said, console: String::new() })
    }
}

impl Drop for Nspawn {
    fn drop(&mut self) {
        // A container outlives a parent that is killed, so it goes first. Of what has ended there is
        // nothing to kill.
        if let Some(leader) = self.leader() {
            let _ = Command::new("kill").args(["-KILL", &leader]).stderr(Stdio::null()).status();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
