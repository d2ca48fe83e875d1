//! The arguments of an installation, and what they mean.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use calve_image_core::inputs::overlay::Overlay;
use calve_installer::host_key::PrivateKey;
use calve_installer::keys;
use calve_installer::steps::{Chown, Phase};
use calve_installer::target::ssh::Address;

use super::disk_arg::DiskArg;
use crate::blueprint::Blueprint;
use crate::failure::Failure;
use crate::host_key;
use crate::profile;
use crate::secrets::initrd::SecretArgs;
use crate::secrets::luks_args::{LuksArgs, LuksKeys};
use crate::ssh_options::ssh_options;
use crate::system::SystemArgs;

/// Install a system on a machine, over SSH or on the machine itself
///
/// Connects to a machine that runs a NixOS installer with your own ssh, surveys it, holds the closure
/// against its disk and firmware, shows what will be lost and what will be made, and asks for the name of
/// the disk. Then it partitions, formats and mounts with the machine's own tools, copies the
/// closure straight to the disk, runs nixos-install, restarts the machine and looks whether the system runs.
/// What is done is kept in a journal: an installation that stopped goes on with --resume.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  calve install root@192.0.2.7                               its disks, to choose one
  calve install root@192.0.2.7 --flake .#web -p server --disk /dev/disk/by-id/nvme-… --dry-run
  calve install root@192.0.2.7 --flake .#web -p server-encrypted --disk /dev/disk/by-id/nvme-… \\
      --luks-key prompt --luks-recovery-key --unlock-ssh
  calve install root@192.0.2.7 ./result --disk nvme0n1 --yes-wipe nvme0n1 --host-key web.key
  calve install --local ./result --disk sda                  on the machine itself, no network")]
pub(crate) struct Args {
    /// The machine, as ssh takes it: [USER@]HOST, or a name of your ssh configuration
    #[arg(value_name = "HOST", required_unless_present = "local")]
    host: Option<String>,

    #[command(flatten)]
    system: SystemArgs,

    /// The profile: a name (minimal, server, server-encrypted, impermanent) or a file
    #[arg(long, short, default_value = profile::DEFAULT, value_name = "NAME|FILE")]
    profile: String,

    /// The disk to install on: a link of /dev/disk/by-id, /dev/sda or sda [default: the disks are listed]
    #[arg(long, value_name = "[main=]DEVICE")]
    disk: Option<DiskArg>,

    /// Do not ask: DISK, said a second time, may be overwritten
    #[arg(long, value_name = "DISK")]
    yes_wipe: Option<String>,

    /// Print every command with what it reads, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Go on where an installation stopped: the same arguments, and this one
    #[arg(long, conflicts_with = "dry_run")]
    resume: bool,

    /// Do only these: partition, format, mount, copy, install, reboot; mount alone wipes nothing
    #[arg(long, value_name = "PHASE,…", value_delimiter = ',')]
    phases: Vec<Phase>,

    /// Do all but the reboot
    #[arg(long, conflicts_with = "phases")]
    no_reboot: bool,

    /// Stop after hardware, or after a phase
    #[arg(long, value_name = "PHASE", conflicts_with_all = ["phases", "no_reboot"])]
    stop_after: Option<Stop>,

    /// Install on this machine, without ssh
    #[arg(long)]
    local: bool,

    #[command(flatten)]
    connection: ConnectionArgs,

    #[command(flatten)]
    copy: CopyArgs,

    #[command(flatten)]
    luks: LuksArgs,

    #[command(flatten)]
    secrets: SecretArgs,

    #[command(flatten)]
    files: FileArgs,

    /// Write what nixos-generate-config says of the machine's hardware to FILE, before the system is built
    #[arg(long, value_name = "FILE")]
    hardware_config: Option<PathBuf>,

    #[command(flatten)]
    after: AfterArgs,

    /// Print a report as JSON
    #[arg(long)]
    json: bool,
}

/// How the machine is reached.
#[derive(Debug, clap::Args)]
#[group(skip)]
struct ConnectionArgs {
    /// The port of its SSH server [default: ssh's own choice]
    #[arg(long, conflicts_with = "local", help_heading = "Connection")]
    port: Option<u16>,

    /// Take the key of a host that is not in your known_hosts yet; one that changed is refused all the same
    #[arg(long, conflicts_with = "local", help_heading = "Connection")]
    accept_new: bool,
}

/// Where the closure comes from.
#[derive(Debug, clap::Args)]
#[group(skip)]
struct CopyArgs {
    /// Let STORE bring the closure: a cache that the machine reaches, or ssh://BUILDER
    #[arg(long, value_name = "STORE", help_heading = "Copy")]
    from: Option<String>,

    /// Send all of the closure, and let the machine get nothing from its own caches
    #[arg(long, help_heading = "Copy")]
    no_substitute: bool,

    /// Who sends the closure: calve itself, or the nix of this machine
    #[arg(long, value_name = "calve|nix", default_value = "calve", conflicts_with = "from")]
    #[arg(help_heading = "Copy")]
    sender: Sender,
}

/// What goes onto the machine besides the closure.
#[derive(Debug, clap::Args)]
#[group(skip)]
struct FileArgs {
    /// Add the files of a directory, below TARGET if given; all are root's; may be given again
    #[arg(long, value_name = "DIR[:TARGET]", help_heading = "Files")]
    extra_files: Vec<Overlay>,

    /// Give a path of the new system, and all below it, to another user; may be given again
    #[arg(long, value_name = "PATH=UID:GID", help_heading = "Files")]
    chown: Vec<Chown>,

    /// Give the system this SSH host key, a private one [default: a new one is made there]
    #[arg(long, value_name = "FILE", conflicts_with = "copy_host_keys", help_heading = "Files")]
    host_key: Option<PathBuf>,

    /// Give the system the SSH host keys of the installer
    #[arg(long, help_heading = "Files")]
    copy_host_keys: bool,
}

/// What is looked at after the restart.
#[derive(Debug, clap::Args)]
#[group(skip)]
struct AfterArgs {
    /// Run this on the installed system, which is well if it succeeds; may be given again
    #[arg(
        long,
        value_name = "COMMAND",
        conflicts_with = "local",
        help_heading = "After the reboot"
    )]
    health: Vec<String>,

    /// How the installed system is reached, where that differs: [USER@]HOST
    #[arg(long, value_name = "HOST", conflicts_with = "local", help_heading = "After the reboot")]
    system_host: Option<String>,

    /// The port of its SSH server [default: --port]
    #[arg(long, value_name = "PORT", conflicts_with = "local", help_heading = "After the reboot")]
    system_port: Option<u16>,

    /// Give up when the system was not there for so many seconds
    #[arg(long, default_value_t = 300, value_name = "S", help_heading = "After the reboot")]
    timeout: u64,
}

/// Where an installation stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Hardware,
    After(Phase),
}

impl FromStr for Stop {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "hardware" {
            return Ok(Self::Hardware);
        }
        let phase = text.parse().map(Self::After);
        phase.map_err(|error: <Phase as FromStr>::Err| format!("{error}, or hardware"))
    }
}

/// Who sends the closure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// This program.
    Calve,
    /// The machine's own `nix`.
    Nix,
}

impl FromStr for Sender {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "calve" => Ok(Self::Calve),
            "nix" => Ok(Self::Nix),
            _ => Err("expected calve or nix".to_owned()),
        }
    }
}

/// What the arguments mean.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The machine; none: this one.
    pub(super) address: Option<Address>,
    pub(super) profile: profile::Named,
    pub(super) disk: Option<DiskArg>,
    pub(super) yes_wipe: Option<String>,
    pub(super) dry_run: bool,
    pub(super) resume: bool,
    /// In their order, each once.
    pub(super) phases: Vec<Phase>,
    pub(super) from: Option<String>,
    pub(super) substitutes: bool,
    pub(super) sender: Sender,
    pub(super) luks: LuksKeys,
    /// Where those come from, which nobody who is started here gets to see.
    pub(super) hidden: Vec<keys::Source>,
    /// Whether the closure is in a store that this machine's Nix does not have.
    pub(super) is_foreign: bool,
    pub(super) secrets: SecretArgs,
    pub(super) extra_files: Vec<Overlay>,
    pub(super) chown: Vec<Chown>,
    pub(super) host_key: HostKeyArg,
    pub(super) hardware: Option<PathBuf>,
    pub(super) stops_after_hardware: bool,
    pub(super) health: Vec<String>,
    /// How the installed system is reached.
    pub(super) system_address: Option<Address>,
    pub(super) patience: Duration,
    pub(super) json: bool,
}

/// Which SSH host key the system gets.
#[derive(Debug)]
pub(super) enum HostKeyArg {
    /// A new one, made on the machine.
    New,
    /// This one.
    Given(PrivateKey),
    /// The installer's.
    Installers,
}

impl Wanted {
    /// Reads profile, sources and files of keys, and refuses what cannot be meant.
    pub(super) fn resolve(args: Args) -> Result<(Self, SystemArgs), Failure> {
        let phases = args.phases()?;
        let Args { mut host, mut system, connection, after, copy, files, .. } = args;
        if args.local {
            // The only thing that is named then is the system.
            system.name(host.take())?;
        }
        let stops_after_hardware = args.stop_after == Some(Stop::Hardware);
        if stops_after_hardware && args.hardware_config.is_none() {
            return Err(Failure::usage("--stop-after hardware, and no file to write it to")
                .hint("--hardware-config FILE names one"));
        }
        let luks = args.luks.resolve()?;
        system.source.hidden = luks.sources().cloned().collect();
        let options = ssh_options()?;
        let ConnectionArgs { port, accept_new } = connection;
        let hidden = system.source.hidden.clone();
        let address = host.map(|name| Address { name, port, accept_new, options, hidden });
        let system_address = address.clone().map(|address| Address {
            name: after.system_host.unwrap_or(address.name),
            port: after.system_port.or(address.port),
            ..address
        });
        let host_key = match files.host_key {
            Some(path) => HostKeyArg::Given(host_key::read_private(&path)?),
            None if files.copy_host_keys => HostKeyArg::Installers,
            None => HostKeyArg::New,
        };
        let wanted = Self {
            address,
            profile: profile::read(&args.profile)?,
            disk: args.disk,
            yes_wipe: args.yes_wipe,
            dry_run: args.dry_run,
            resume: args.resume,
            phases,
            from: copy.from,
            substitutes: !copy.no_substitute,
            sender: copy.sender,
            luks,
            hidden: system.source.hidden.clone(),
            is_foreign: system.source.store.is_some(),
            secrets: args.secrets,
            extra_files: files.extra_files,
            chown: files.chown,
            host_key,
            hardware: args.hardware_config,
            stops_after_hardware,
            health: after.health,
            system_address,
            patience: Duration::from_secs(after.timeout),
            json: args.json,
        };
        Ok((wanted, system))
    }

    /// The machine, as the user calls it.
    pub(super) fn machine(&self) -> &str {
        self.address.as_ref().map_or("local", |address| address.name.as_str())
    }

    /// Whether a phase is to be done.
    pub(super) fn does(&self, phase: Phase) -> bool {
        self.phases.contains(&phase)
    }

    /// The disk that the profile describes, but for what only the machine says.
    pub(super) fn blueprint(&self) -> Result<Blueprint, Failure> {
        Ok(Blueprint {
            overlays: self.extra_files.clone(),
            keyslots: self.luks.keyslots(),
            ..Blueprint::new(self.profile.clone())?
        })
    }
}

impl Args {
    /// The phases that are asked for, in their order.
    fn phases(&self) -> Result<Vec<Phase>, Failure> {
        let last = match self.stop_after {
            Some(Stop::After(phase)) => phase,
            Some(Stop::Hardware) | None if self.no_reboot => Phase::Install,
            Some(Stop::Hardware) | None => Phase::Reboot,
        };
        let is_meant = |phase: &Phase| {
            if self.phases.is_empty() { *phase <= last } else { self.phases.contains(phase) }
        };
        let phases: Vec<Phase> = Phase::ALL.into_iter().filter(is_meant).collect();
        let has = |phase| phases.contains(&phase);
        if has(Phase::Format) && !has(Phase::Partition) && !self.resume {
            return Err(Failure::usage("--phases format without partition: whose partitions?")
                .hint("partition,format makes new ones; --resume knows those that it made"));
        }
        if !self.after.health.is_empty() && !has(Phase::Reboot) {
            return Err(Failure::usage(
                "--health is about the system after the reboot, which is not asked for",
            ));
        }
        Ok(phases)
    }
}
