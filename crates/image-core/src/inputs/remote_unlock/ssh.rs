//! The SSH server of an initrd.
//!
//! NixOS has OpenSSH there; other initrds have dropbear, whose settings are arguments. The scripted
//! first stage writes its files with `echo`, quoted by `lib.escapeShellArg`: in single quotes.
//!
//! Follows sshd_config(5), sshd(8), dropbear(8) and nixpkgs' `initrd-ssh.nix`.

use serde::Serialize;

use super::units::Command;

/// Where sshd looks for its settings unless it is told.
const CONFIG: &str = "etc/ssh/sshd_config";

/// Files that say who may log in.
const AUTHORIZED: [&str; 2] = ["etc/ssh/authorized_keys.d/root", "root/.ssh/authorized_keys"];

/// All files of an initrd that are read here.
pub(super) const FILES: [&str; 3] = [CONFIG, AUTHORIZED[0], AUTHORIZED[1]];

/// SSH's own port.
const PORT: u16 = 22;

/// Which program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Server {
    /// sshd.
    Openssh,
    /// dropbear, whose host keys have a form of their own.
    Dropbear,
}

impl Server {
    /// What it is called.
    pub fn word(self) -> &'static str {
        match self {
            Self::Openssh => "OpenSSH",
            Self::Dropbear => "dropbear",
        }
    }
}

/// An SSH server that a first stage starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ssh {
    /// Which program it is.
    pub server: Server,
    /// Where it listens.
    pub port: u16,
    /// The files of its host keys.
    pub host_keys: Vec<String>,
    /// How many keys may log in as root; files whose text is elsewhere count as one.
    pub authorized_keys: usize,
}

impl Ssh {
    /// Reads it from what is started, the first stage's script, and the initrd's own files.
    pub(super) fn read(
        commands: &[Command],
        script: &str,
        file: impl Fn(&str) -> Option<String>,
    ) -> Option<Self> {
        let authorized_keys =
            AUTHORIZED.iter().filter_map(|path| file(path)).map(|text| keys(&text)).sum::<usize>()
                + written_keys(script);
        let is = |name: &'static str| move |command: &&Command| command.program() == name;
        if let Some(sshd) = commands.iter().find(is("sshd")) {
            let config = file(CONFIG).or_else(|| written(script, CONFIG)).unwrap_or_default();
            let port = sshd.option("-p").or_else(|| settings(&config, "port").next());
            let given = sshd.options("-h").into_iter().map(str::to_owned);
            let set = settings(&config, "hostkey").map(|path| path.trim_matches('"').to_owned());
            return Some(Self {
                server: Server::Openssh,
                port: port.and_then(|port| port.parse().ok()).unwrap_or(PORT),
                host_keys: given.chain(set).collect(),
                authorized_keys,
            });
        }
        let dropbear = commands.iter().find(is("dropbear"))?;
        let port = dropbear.option("-p").and_then(|port| port.rsplit(':').next()?.parse().ok());
        Some(Self {
            server: Server::Dropbear,
            port: port.unwrap_or(PORT),
            host_keys: dropbear.options("-r").into_iter().map(str::to_owned).collect(),
            authorized_keys,
        })
    }
}

/// The values of a keyword of sshd_config, before any `Match`.
fn settings<'t>(config: &'t str, keyword: &'t str) -> impl Iterator<Item = &'t str> {
    let lines = config.lines().map(str::trim).filter_map(|line| {
        let (word, value) = line.split_once(|c: char| c.is_ascii_whitespace() || c == '=')?;
        Some((word, value.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '=').trim()))
    });
    lines
        .take_while(|(word, _)| !word.eq_ignore_ascii_case("match"))
        .filter(|(word, _)| word.eq_ignore_ascii_case(keyword))
        .map(|(_, value)| value)
}

/// The text that a script writes into a file: `echo -n 'TEXT' > /FILE`.
fn written(script: &str, file: &str) -> Option<String> {
    let (before, _) = script.split_once(&format!("' > /{file}"))?;
    let text = before.rsplit_once("echo -n '").map(|(_, text)| text)?;
    Some(text.replace("'\\''", "'"))
}

/// Counts lines that are keys.
fn keys(text: &str) -> usize {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).count()
}

/// Counts what a script appends to root's keys.
fn written_keys(script: &str) -> usize {
    let is_key = |line: &&str| {
        let line = line.trim();
        let is_written = line.starts_with("echo ") || line.starts_with("cat ");
        is_written && line.contains("> /root/.ssh/authorized_keys")
    };
    script.lines().filter(is_key).count()
}
