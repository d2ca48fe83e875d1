//! `lxc-start`, which is what Proxmox starts containers with.
//!
//! Never in the foreground: a signal to end it makes systemd start anew instead. Never with the
//! host's network.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::rootfs::{COUNT, FIRST};
use super::{Place, Rootfs, Users, cgroup};
use crate::Error;

/// Where the distribution keeps what every container includes.
const SHARE: &str = "/usr/share/lxc/config";

/// A container of LXC.
#[derive(Debug)]
pub(super) struct Lxc {
    name: String,
    /// What `-P` names.
    state: PathBuf,
}

impl Lxc {
    pub(super) fn start(rootfs: &Rootfs, place: Place) -> Result<Self, Error> {
        let Place { name, directory, console } = place;
        let config = directory.join("config");
        fs::write(&config, configuration(rootfs, &name))?;
        let mut words = match rootfs.users() {
            Users::Host => Vec::new(),
            Users::Shifted => rootfs.with_subordinates()?,
        };
        words.extend(["lxc-start", "--daemon", "--name", &name].map(str::to_owned));
        let mut start = Command::new(&words[0]);
        start.args(&words[1..]).arg("--rcfile").arg(&config).arg("--lxcpath").arg(&directory);
        start.arg("--console-log").arg(&console);
        start.arg("--logpriority=INFO").arg("--logfile").arg(directory.join("log"));
        // From here on, whatever happens, it is stopped by name.
        let lxc = Self { name, state: directory };
        let output = start.stdin(Stdio::null()).output();
        let output = output.map_err(|source| Error::Run { program: "lxc-start".into(), source })?;
        if output.status.success() {
            return Ok(lxc);
        }
        let log = fs::read_to_string(lxc.state.join("log")).unwrap_or_default();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(Error::NotUp { said: said + &log, console: super::tail(&console) })
    }

    /// The words before a command in the container.
    pub(super) fn enter(&self) -> Vec<String> {
        let state = self.state.display().to_string();
        let words = ["lxc-attach", "--name", &self.name, "--lxcpath", &state, "--clear-env", "--"];
        words.map(str::to_owned).to_vec()
    }

    pub(super) fn has_ended(&self) -> bool {
        let mut info = Command::new("lxc-info");
        info.args(["--name", &self.name, "--state", "--no-humanize", "--lxcpath"]).arg(&self.state);
        let state = info.output().map(|output| output.stdout).unwrap_or_default();
        state.starts_with(b"STOPPED")
    }

    /// What `pct shutdown` does.
    pub(super) fn shut_down(self, patience: Duration) -> Result<(), Error> {
        let seconds = patience.as_secs().to_string();
        // Without `--nokill` it would be killed in the end, and that be called a success.
        let mut stop = self.stop();
        stop.args(["--timeout", &seconds, "--nokill"]);
        let output = stop.output();
        let output = output.map_err(|source| Error::Run { program: "lxc-stop".into(), source })?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(Error::NotUp { said: format!("lxc-stop: {said}"), console: String::new() })
    }

    fn stop(&self) -> Command {
        let mut stop = Command::new("lxc-stop");
        stop.args(["--name", &self.name, "--lxcpath"]).arg(&self.state);
        stop
    }
}

impl Drop for Lxc {
    fn drop(&mut self) {
        // It fails where the container has ended already, which is what was wanted.
        let _ = self.stop().arg("--kill").stderr(Stdio::null()).status();
        for kind in ["payload", "monitor"] {
            cgroup::sweep(&cgroup::called(&format!("lxc.{kind}.{}", self.name)));
        }
    }
}

fn configuration(rootfs: &Rootfs, name: &str) -> String {
    let mut text = format!("lxc.include = {SHARE}/common.conf\n");
    if rootfs.users() == Users::Shifted {
        let _ = write!(
            text,
            "lxc.include = {SHARE}/userns.conf\n\
             lxc.idmap = u 0 {FIRST} {COUNT}\nlxc.idmap = g 0 {FIRST} {COUNT}\n"
        );
    }
    let root = rootfs.path().display();
    let _ = write!(
        text,
        "lxc.rootfs.path = dir:{root}\nlxc.uts.name = {name}\nlxc.init.cmd = /sbin/init\n\
         lxc.net.0.type = empty\nlxc.apparmor.profile = unconfined\n\
         lxc.mount.auto = proc:mixed sys:mixed cgroup:mixed\n"
    );
    text
}
