//! What an initrd has for somebody who unlocks its disks from afar.
//!
//! - [`ssh`]: the SSH server: its port, the host keys it looks for, who may log in
//! - [`units`]: what units and scripts start
//!
//! Both kinds of first stage say it in their own way. The scripted one writes `/etc/ssh/sshd_config` and
//! root's `authorized_keys` in its script, and configures the network there; systemd has files and units
//! for all of it. Nothing is guessed: what is written with variables is not seen.
//!
//! Follows nixpkgs' `initrd-ssh.nix`, `initrd-network.nix`, `systemd/initrd.nix`, `luksroot.nix`, and what
//! people's own modules do for Tailscale, for which nixpkgs has none.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::initrd::{Initrd, Kind as Entry, module_name};
use crate::units::Bytes;
use units::Command;

pub mod ssh;
pub mod units;

pub use ssh::{Server, Ssh};

/// Where an initrd may hold units.
const UNITS: [&str; 3] = ["etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"];

/// Where systemd-networkd's own files are.
const NETWORK: &str = "etc/systemd/network";

/// What the name of a script ends the directory of that NixOS makes for a unit.
const UNIT_SCRIPT: &[u8] = b"-unit-script-";

/// How files end that hold the certificates of the authorities that everybody trusts.
const AUTHORITIES: [&[u8]; 2] = [b"/ca-bundle.crt", b"/ca-certificates.crt"];

/// Modules among those of network cards that drive none.
const NO_CARDS: [&str; 14] = [
    "bonding",
    "dummy",
    "failover",
    "ifb",
    "macsec",
    "macvlan",
    "macvtap",
    "mii",
    "net_failover",
    "tap",
    "team",
    "tun",
    "veth",
    "wireguard",
];

/// What an initrd has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoteUnlock {
    /// The SSH server, where one is started.
    pub ssh: Option<Ssh>,
    /// What configures the network.
    pub network: BTreeSet<Network>,
    /// Modules of network cards, by the kernel's names.
    pub network_drivers: BTreeSet<String>,
    /// How it takes passphrases from somebody who has logged in.
    pub asks: Option<Asks>,
    /// Tailscale, where it is started.
    pub tailscale: Option<Tailscale>,
}

/// What configures the network of a first stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// systemd-networkd, with `.network` files.
    Networkd,
    /// DHCP, by the script.
    Dhcp,
    /// The kernel's parameter `ip=`, where there is one.
    Parameter,
    /// Commands of the script.
    Script,
}

impl Network {
    /// What it is called.
    pub fn word(self) -> &'static str {
        match self {
            Self::Networkd => "systemd-networkd",
            Self::Dhcp => "DHCP",
            Self::Parameter => "the kernel parameter ip=",
            Self::Script => "its own commands",
        }
    }
}

/// How a first stage takes a passphrase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asks {
    /// systemd's password agents.
    Systemd,
    /// NixOS' program of that name.
    CryptsetupAskpass,
    /// A named pipe.
    Fifo(String),
}

/// Tailscale in an initrd.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tailscale {
    /// The file that its state is read from.
    pub state: Option<String>,
    /// The file with a key that it joins a network with.
    pub auth_key: Option<String>,
    /// Whether it does without the kernel's module `tun`.
    pub userspace: bool,
    /// Whether there are certificates to know its server by.
    pub authorities: bool,
}

/// The files that [`RemoteUnlock::read`] needs, by name; none larger than `limit`.
pub fn files(initrd: &Initrd, limit: Bytes) -> BTreeSet<Vec<u8>> {
    let mut names: BTreeSet<Vec<u8>> =
        ssh::FILES.iter().filter_map(|path| initrd.resolve(path.as_bytes())).collect();
    names.extend(unit_files(initrd));
    let scripts = initrd.entries().map(|(name, _)| name).filter(|name| is_unit_script(name));
    names.extend(scripts.map(<[u8]>::to_vec));
    names.retain(|name| initrd.size(name).is_some_and(|size| size <= limit));
    names
}

fn unit_files(initrd: &Initrd) -> impl Iterator<Item = Vec<u8>> {
    UNITS.iter().flat_map(move |directory| below(initrd, directory, b".service"))
}

/// What a directory's entries with some ending lead to.
fn below<'a>(
    initrd: &'a Initrd,
    directory: &str,
    ending: &'a [u8],
) -> impl Iterator<Item = Vec<u8>> + use<'a> {
    let directory = initrd.resolve(directory.as_bytes());
    let names = directory.into_iter().flat_map(move |mut directory| {
        directory.push(b'/');
        initrd.entries().filter_map(move |(name, _)| {
            let rest = name.strip_prefix(directory.as_slice())?;
            (!rest.contains(&b'/') && rest.ends_with(ending)).then(|| name.to_vec())
        })
    });
    names.filter_map(move |name| initrd.resolve(&name))
}

fn is_unit_script(name: &[u8]) -> bool {
    name.windows(UNIT_SCRIPT.len()).any(|window| window == UNIT_SCRIPT)
}

impl RemoteUnlock {
    /// Reads it: `contents` are those of [`files`], `script` is that of a scripted first stage.
    pub fn read(
        initrd: &Initrd,
        contents: &BTreeMap<Vec<u8>, Vec<u8>>,
        script: Option<&str>,
    ) -> Self {
        // A file without a last line end must not swallow the next one's first line.
        let text =
            |name: &[u8]| Some(String::from_utf8_lossy(contents.get(name)?).into_owned() + "\n");
        let names: BTreeSet<Vec<u8>> = unit_files(initrd).collect();
        let units: String = names.iter().filter_map(|name| text(name)).collect();
        let scripts = contents.keys().filter(|name| is_unit_script(name));
        let scripts: String = scripts.filter_map(|name| text(name)).collect();
        let mut commands = units::started(&units);
        commands.extend(units::commands(&scripts));
        commands.extend(units::commands(script.unwrap_or_default()));
        let file = |path: &str| text(&initrd.resolve(path.as_bytes())?);
        Self {
            ssh: Ssh::read(&commands, script.unwrap_or_default(), file),
            network: network(initrd, &commands, script),
            network_drivers: drivers(initrd),
            asks: asks(initrd, &commands, script),
            tailscale: tailscale(initrd, &commands),
        }
    }
}

/// Whether a program of a name lies anywhere.
fn has_program(initrd: &Initrd, program: &str) -> bool {
    initrd.entries().any(|(name, kind)| {
        let is_named = name.rsplit(|byte| *byte == b'/').next() == Some(program.as_bytes());
        is_named && matches!(kind, Entry::File(_) | Entry::Symlink(_))
    })
}

fn network(initrd: &Initrd, commands: &[Command], script: Option<&str>) -> BTreeSet<Network> {
    let mut found = BTreeSet::new();
    let is_configured = below(initrd, NETWORK, b".network").next().is_some();
    if is_configured && has_program(initrd, "systemd-networkd") {
        found.insert(Network::Networkd);
    }
    if script.is_some() {
        for command in commands {
            let first = command.arguments.first().map(String::as_str);
            match (command.program(), first) {
                ("udhcpc" | "dhcpcd", _) => found.insert(Network::Dhcp),
                ("ipconfig", _) => found.insert(Network::Parameter),
                // The script's own clean-up only takes addresses away.
                ("ip", Some("addr" | "address" | "a")) => {
                    command.arguments.get(1).is_some_and(|verb| verb == "add")
                        && found.insert(Network::Script)
                }
                ("ifconfig", Some(_)) => found.insert(Network::Script),
                (_, _) => false,
            };
        }
    }
    found
}

fn drivers(initrd: &Initrd) -> BTreeSet<String> {
    let names = initrd.entries().map(|(name, _)| String::from_utf8_lossy(name));
    let is_helper = |name: &str| name.contains("/phy/") || name.contains("/mdio/");
    let names = names.filter(|name| name.contains("/drivers/net/") && !is_helper(name));
    let modules = names.filter_map(|name| module_name(&name));
    modules.filter(|module| !NO_CARDS.contains(&module.as_str())).collect()
}

fn asks(initrd: &Initrd, commands: &[Command], script: Option<&str>) -> Option<Asks> {
    if script.is_none() {
        return Some(Asks::Systemd);
    }
    if has_program(initrd, "cryptsetup-askpass") {
        return Some(Asks::CryptsetupAskpass);
    }
    // NixOS' script makes one for its own log.
    let pipes = commands.iter().filter(|command| command.program() == "mkfifo");
    let mut pipes = pipes.filter_map(|command| command.arguments.last());
    let path = pipes.find(|path| path.starts_with('/') && !path.contains("stage-1-init.log"))?;
    Some(Asks::Fifo(path.clone()))
}

fn tailscale(initrd: &Initrd, commands: &[Command]) -> Option<Tailscale> {
    let daemon = commands.iter().find(|command| command.program() == "tailscaled")?;
    let mut keys = commands.iter().filter_map(|command| {
        let key = command.option("--auth-key").or_else(|| command.option("--authkey"))?;
        key.strip_prefix("file:").map(str::to_owned)
    });
    let is_file = |state: &&str| state.starts_with('/');
    let mut names = initrd.entries().map(|(name, _)| name);
    Some(Tailscale {
        state: daemon.option("--state").filter(is_file).map(str::to_owned),
        auth_key: keys.next(),
        userspace: daemon.option("--tun") == Some("userspace-networking"),
        authorities: names.any(|name| AUTHORITIES.iter().any(|ending| name.ends_with(ending))),
    })
}

#[cfg(test)]
mod tests;
