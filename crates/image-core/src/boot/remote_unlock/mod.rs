//! Whether a system can be unlocked from afar, and which of its initrd's secrets that takes.
//!
//! An image that waits for a passphrase behind a server that is not there, or that nobody can reach, is
//! found out in a data centre. So whoever asks for a remotely unlocked image is told here what the closure
//! lacks, in the words of its NixOS options. What a key's file is called in the initrd is read from the
//! closure, twice: the server says where it looks, the script says what is put there.
//!
//! - `tailscale`: what it takes to be reached through Tailscale
//!
//! The system's own configuration decides; specialisations bring whatever they bring. Not checked: whether
//! the network that is configured leads anywhere.

use super::preflight::{Finding, Findings, Told};
use crate::inputs::remote_unlock::{Asks, Network, RemoteUnlock, Server, Ssh};
use crate::inputs::secret_appender::{self, Appended, Origin};
use crate::inputs::stage1::{self, Stage1};
use crate::inputs::store::HostStore;
use crate::inputs::system::{Configuration, System};
use crate::tree::TreePath;

mod tailscale;

/// What somebody wants to unlock a system with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Over SSH, with a host key of its own.
    pub ssh: bool,
    /// Through Tailscale, as this.
    pub tailscale: Option<Identity>,
}

/// What an initrd joins a Tailscale network with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// The state of a node that has joined.
    State,
    /// A key that makes a node join.
    AuthKey,
}

/// What it takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Doors {
    /// The SSH server, where it was asked for.
    pub ssh: Option<Door>,
    /// DEST of Tailscale's identity, where that was asked for.
    pub tailscale: Option<TreePath>,
}

/// An SSH server that unlocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// DEST of its host key.
    pub dest: TreePath,
    /// Where it listens.
    pub port: u16,
    /// How it takes passphrases.
    pub asks: Asks,
    /// The volumes that it waits for, by their names below `/dev/mapper`.
    pub volumes: Vec<String>,
}

/// Why a system cannot be unlocked from afar.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The closure lacks something.
    #[error("this system cannot be unlocked from afar")]
    Refused(Vec<Finding>),
    /// The initrd cannot be read.
    #[error(transparent)]
    Stage1(#[from] stage1::Error),
    /// It is not known what is appended to it.
    #[error(transparent)]
    Secrets(#[from] secret_appender::Error),
}

/// Finds what the system is unlocked through.
///
/// # Errors
/// [`Error::Refused`] with all that it lacks, or what cannot be read.
pub fn find(store: &HostStore, system: &System, asked: Asked) -> Result<Doors, Error> {
    let configuration = &system.main;
    let spec = configuration.bootspec.as_ref();
    let initrd = spec.and_then(|spec| spec.initrd.as_ref());
    let stage1 = initrd.map(|file| Stage1::read(store, file)).transpose()?;
    let program = spec.and_then(|spec| spec.initrd_secrets.as_ref());
    let secrets = program.map(|program| secret_appender::read(store, program)).transpose()?;
    let secrets = secrets.unwrap_or_default();
    let mut findings = Findings::default();
    let subject = Subject { configuration, stage1: stage1.as_ref(), secrets: &secrets };
    let ssh = if asked.ssh { subject.ssh(&mut findings) } else { None };
    let tailscale = asked.tailscale.and_then(|identity| subject.tailscale(identity, &mut findings));
    if asked != Asked::default() {
        subject.network(&mut findings);
    }
    let found = findings.sorted();
    if found.is_empty() { Ok(Doors { ssh, tailscale }) } else { Err(Error::Refused(found)) }
}

struct Subject<'a> {
    configuration: &'a Configuration,
    stage1: Option<&'a Stage1>,
    secrets: &'a [Appended],
}

impl Subject<'_> {
    fn remote(&self) -> Option<&RemoteUnlock> {
        self.stage1.map(|stage1| &stage1.remote)
    }

    fn ssh(&self, findings: &mut Findings) -> Option<Door> {
        let Some(ssh) = self.remote().and_then(|remote| remote.ssh.as_ref()) else {
            findings.refuse(told(
                "SSH",
                "to be unlocked over SSH",
                "no SSH server",
                "set boot.initrd.network.ssh = { enable = true; authorizedKeys = [ \"ssh-…\" ]; hostKeys = \
                 [ \"/etc/secrets/initrd/ssh_host_ed25519_key\" ]; } and rebuild",
            ));
            return None;
        };
        if ssh.authorized_keys == 0 {
            findings.refuse(told(
                "SSH",
                "to be unlocked over SSH",
                "an SSH server that nobody may log in to",
                "set boot.initrd.network.ssh.authorizedKeys to your public keys and rebuild",
            ));
        }
        let asks = self.remote().and_then(|remote| remote.asks.clone());
        if asks.is_none() {
            findings.refuse(told(
                "SSH",
                "to be told a passphrase over SSH",
                "no cryptsetup-askpass, no systemd and no named pipe",
                "set boot.initrd.luks.devices (or boot.initrd.systemd.enable) and rebuild",
            ));
        }
        let volumes = self.stage1.into_iter().flat_map(|stage1| &stage1.volumes);
        let volumes = volumes.map(|volume| volume.name.clone()).collect();
        let dest = self.host_key(ssh, findings)?;
        Some(Door { dest, port: ssh.port, asks: asks?, volumes })
    }

    /// The secret that is the server's host key.
    fn host_key(&self, ssh: &Ssh, findings: &mut Findings) -> Option<TreePath> {
        let wants = "a host key that only its initrd has";
        if ssh.server == Server::Dropbear {
            findings.refuse(told(
                "SSH",
                wants,
                "dropbear, whose keys have a form of their own",
                "convert one with dropbearconvert and give it with --initrd-secret, without --unlock-ssh",
            ));
            return None;
        }
        let looked_for = ssh.host_keys.iter().filter_map(|path| TreePath::parse(path).ok());
        let mut keys: Vec<&Appended> = looked_for
            .filter_map(|path| self.secrets.iter().find(|secret| secret.dest == path))
            .collect();
        // One key is made; of several an Ed25519 one, and that is told by its name.
        keys.sort_by_key(|key| !key.dest.lossy().contains("ed25519"));
        match keys.first().map(|key| (&key.dest, &key.origin)) {
            Some((dest, Origin::File(_))) => Some(dest.clone()),
            Some((_, Origin::Store(file))) => {
                findings.refuse(told(
                    "SSH",
                    wants,
                    &format!("{file}, which everybody can read who can read the store"),
                    "write boot.initrd.network.ssh.hostKeys as strings (\"/etc/secrets/initrd/…\"), not as \
                     Nix paths, and rebuild",
                ));
                None
            }
            None => {
                let gives = match ssh.host_keys.as_slice() {
                    [] => "an SSH server without host keys".to_owned(),
                    keys => format!("a place for {}, and no such secret", keys.join(", ")),
                };
                findings.refuse(told(
                    "SSH",
                    wants,
                    &gives,
                    "set boot.initrd.network.ssh.hostKeys = [ \
                     \"/etc/secrets/initrd/ssh_host_ed25519_key\" ] and rebuild",
                ));
                None
            }
        }
    }

    /// Whether there is a network, and a card to reach it by.
    fn network(&self, findings: &mut Findings) {
        let Some(remote) = self.remote() else { return };
        let spec = self.configuration.bootspec.iter();
        let mut parameters = spec.flat_map(|spec| &spec.kernel_params);
        let has_parameter = parameters.any(|parameter| parameter.starts_with("ip="));
        let is_systemd = self.stage1.is_some_and(|stage1| stage1.kind == stage1::Kind::Systemd);
        let mut ways = remote.network.iter();
        let is_configured = ways.any(|way| *way != Network::Parameter || has_parameter);
        if !is_configured {
            let mend = if is_systemd {
                "set boot.initrd.systemd.network = { enable = true; networks.\"10-lan\" = { matchConfig.Name = \
                 \"en*\"; networkConfig.DHCP = \"yes\"; }; } and rebuild"
            } else {
                "set boot.initrd.network.enable = true, with networking.useDHCP or the kernel parameter \
                 ip=, and rebuild"
            };
            let gives = "nothing that configures a network";
            findings.refuse(told("network", "to be reached while it waits", gives, mend));
        }
        // Without a list nothing is known of what a kernel has built in.
        let builtin = &self.configuration.builtin_modules;
        if remote.network_drivers.is_empty() && !has_driver(builtin.iter().map(String::as_str)) {
            findings.refuse(told(
                "network",
                "to be reached while it waits",
                "no module for any network card",
                "add the module of the machine's card (lspci -k tells it; virtio_net in QEMU and most \
                 clouds) to boot.initrd.availableKernelModules and rebuild",
            ));
        }
    }
}

/// Whether one of a kernel's modules drives a network card that is found in virtual machines or clouds,
/// or there is no list of them.
fn has_driver<'a>(builtin: impl IntoIterator<Item = &'a str>) -> bool {
    const CARDS: [&str; 10] = [
        "virtio_net",
        "e1000",
        "e1000e",
        "igb",
        "igc",
        "r8169",
        "ixgbe",
        "ena",
        "hv_netvsc",
        "vmxnet3",
    ];
    let mut builtin = builtin.into_iter().peekable();
    builtin.peek().is_none() || builtin.any(|module| CARDS.contains(&module))
}

fn told(about: &str, wants: &str, gives: &str, mend: &str) -> Told {
    Told {
        about: about.to_owned(),
        wants: wants.to_owned(),
        gives: gives.to_owned(),
        mend: mend.to_owned(),
    }
}

#[cfg(test)]
mod tests;
