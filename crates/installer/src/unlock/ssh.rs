//! How `ssh` is told where to go, and what it must not do.
//!
//! It is the user's own: their agent, keys and jump hosts. What would weaken the pinned key, or leave this
//! connection for another, is switched off, and ours stands first, as ssh takes the first value that it is
//! given: `NIX_SSHOPTS` that switch checks off switch nothing off here.

use std::ffi::OsString;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::host_key::PublicKey;
use crate::keys::Source;
use crate::target::pin;

/// Settings of every connection.
const SETTINGS: [&str; 18] = [
    "LogLevel=DEBUG1",
    "RemoteCommand=none",
    "ControlMaster=no",
    "ControlPath=none",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "Tunnel=no",
    "PermitLocalCommand=no",
    "EscapeChar=none",
    "UpdateHostKeys=no",
    "VerifyHostKeyDNS=no",
    "CheckHostIP=no",
    "ConnectTimeout=10",
    "ConnectionAttempts=1",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    "NumberOfPasswordPrompts=1",
];

/// A host, and the key that it must have.
#[derive(Clone, Debug)]
pub struct Host {
    /// Where it is: `[USER@]HOST`, or a name of the user's ssh configuration.
    pub name: String,
    /// The port, if it is not ssh's own choice.
    pub port: Option<u16>,
    /// Who logs in, if it is not ssh's own choice.
    pub user: Option<String>,
    /// What key it must have.
    pub pin: Pin,
    /// Further arguments of ssh, as in `NIX_SSHOPTS`.
    pub options: Vec<String>,
    /// Where keys come from that no child may see.
    pub hidden: Vec<Source>,
}

/// What key a host must have.
#[derive(Clone, Debug)]
pub enum Pin {
    /// This one.
    Key(PublicKey),
    /// One that the user's known_hosts has.
    Known,
    /// One that the user's known_hosts has, or any if it has none for this host.
    AcceptNew,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose<'a> {
    /// To run a command.
    Run(&'a str),
    /// To talk to whatever the login shell is, on a terminal.
    Talk,
    /// To see the host key, and not to log in.
    Look,
}

impl Host {
    /// Writes the pinned key where ssh finds it: in a directory that is nobody else's.
    pub(super) fn prepare(&self) -> io::Result<Option<TempDir>> {
        let Pin::Key(key) = &self.pin else { return Ok(None) };
        let ours = Permissions::from_mode(0o700);
        let mut builder = tempfile::Builder::new();
        let directory = builder.prefix("calve-unlock-").permissions(ours).tempdir()?;
        pin::write(directory.path(), key)?;
        Ok(Some(directory))
    }

    /// The command for a connection; `directory` is what [`prepare`](Self::prepare) made.
    pub(super) fn command(&self, directory: Option<&Path>, purpose: Purpose<'_>) -> Command {
        let mut command = Command::new("ssh");
        command.args(self.arguments(directory, purpose));
        for source in &self.hidden {
            source.hide_from(&mut command);
        }
        command
    }

    fn arguments(&self, directory: Option<&Path>, purpose: Purpose<'_>) -> Vec<OsString> {
        let mut settings: Vec<OsString> = SETTINGS.iter().map(OsString::from).collect();
        match (&self.pin, directory) {
            (Pin::Key(_), Some(directory)) => settings.extend(pin::settings(directory)),
            (Pin::AcceptNew, _) => settings.push("StrictHostKeyChecking=accept-new".into()),
            (Pin::Key(_), None) | (Pin::Known, _) => {
                settings.push("StrictHostKeyChecking=yes".into());
            }
        }
        match purpose {
            Purpose::Run(_) => settings.push("RequestTTY=no".into()),
            Purpose::Talk => settings.push("RequestTTY=force".into()),
            Purpose::Look => {
                settings.push("RequestTTY=no".into());
                settings.push("BatchMode=yes".into());
                // Nobody has to touch a security key for that.
                settings.push("PreferredAuthentications=none".into());
            }
        }
        let mut arguments = Vec::new();
        for setting in settings {
            arguments.extend(["-o".into(), setting]);
        }
        if let Some(port) = self.port {
            arguments.extend(["-p".into(), port.to_string().into()]);
        }
        if let Some(user) = &self.user {
            arguments.extend(["-l".into(), user.into()]);
        }
        arguments.extend(self.options.iter().map(OsString::from));
        arguments.extend(["--".into(), OsString::from(&self.name)]);
        match purpose {
            Purpose::Run(command) => arguments.push(command.into()),
            Purpose::Talk => {}
            Purpose::Look => arguments.push("true".into()),
        }
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF2L5pouZVhwl3YAYSc7OEQQseM5fVFYD2/zzVqHzzzA root@auto";

    fn host(pin: Pin) -> Host {
        Host {
            name: "web".to_owned(),
            port: Some(2222),
            user: Some("root".to_owned()),
            pin,
            options: vec!["-o".to_owned(), "StrictHostKeyChecking=no".to_owned()],
            hidden: Vec::new(),
        }
    }

    /// What ssh itself makes of it: `ssh -G`.
    fn settings(host: &Host, directory: Option<&Path>) -> Option<String> {
        let arguments = host.arguments(directory, Purpose::Run("x"));
        let output = Command::new("ssh").arg("-G").args(arguments).output();
        let Ok(output) = output else {
            eprintln!("SKIPPED: ssh is not installed");
            return None;
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(String::from_utf8(output.stdout).unwrap())
    }

    #[test]
    fn ssh_understands_it_and_nothing_weakens_the_pin() {
        let host = host(Pin::Key(PublicKey::read(KEY.as_bytes()).unwrap()));
        let directory = host.prepare().unwrap().unwrap();
        let mode = directory.path().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let Some(settings) = settings(&host, Some(directory.path())) else { return };
        let file = pin::file(directory.path());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("calve-pinned {KEY}\n"));
        for setting in [
            "stricthostkeychecking true".to_owned(),
            "hostkeyalias calve-pinned".to_owned(),
            "updatehostkeys false".to_owned(),
            "verifyhostkeydns false".to_owned(),
            "controlmaster false".to_owned(),
            "port 2222".to_owned(),
            "user root".to_owned(),
            "globalknownhostsfile /dev/null".to_owned(),
            format!("userknownhostsfile {}", file.display()),
        ] {
            assert!(settings.lines().any(|line| line == setting), "{setting} in {settings}");
        }
    }

    #[test]
    fn without_a_ticket_the_users_own_files_vouch() {
        for (pin, strict) in [(Pin::Known, "true"), (Pin::AcceptNew, "accept-new")] {
            let host = host(pin);
            assert!(host.prepare().unwrap().is_none());
            let Some(settings) = settings(&host, None) else { return };
            assert!(settings.contains(&format!("stricthostkeychecking {strict}\n")), "{settings}");
            assert!(!settings.contains("hostkeyalias"));
        }
    }
}
