//! The arguments of an installation, as they are typed.

use std::path::PathBuf;
use std::str::FromStr;

use calve_image_core::inputs::overlay::Overlay;
use calve_installer::steps::{Chown, Phase};

use super::disk_arg::DiskArg;
use crate::profile;
use crate::secrets::initrd::SecretArgs;
use crate::secrets::luks_args::LuksArgs;
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
    pub(super) host: Option<String>,

    #[command(flatten)]
    pub(super) system: SystemArgs,

    /// The profile: a name (minimal, server, server-encrypted, impermanent) or a file
    #[arg(long, short, default_value = profile::DEFAULT, value_name = "NAME|FILE")]
    pub(super) profile: String,

    /// The disk to install on: a link of /dev/disk/by-id, /dev/sda or sda [default: the disks are listed]
    #[arg(long, value_name = "[main=]DEVICE")]
    pub(super) disk: Option<DiskArg>,

    /// Do not ask: DISK, said a second time, may be overwritten
    #[arg(long, value_name = "DISK")]
    pub(super) yes_wipe: Option<String>,

    /// Print every command with what it reads, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Go on where an installation stopped: the same arguments, and this one
    #[arg(long, conflicts_with = "dry_run")]
    pub(super) resume: bool,

    /// Do only these: partition, format, mount, copy, install, reboot; mount alone wipes nothing
    #[arg(long, value_name = "PHASE,…", value_delimiter = ',')]
    pub(super) phases: Vec<Phase>,

    /// Do all but the reboot
    #[arg(long, conflicts_with = "phases")]
    pub(super) no_reboot: bool,

    /// Stop after hardware, or after a phase
    #[arg(long, value_name = "PHASE", conflicts_with_all = ["phases", "no_reboot"])]
    pub(super) stop_after: Option<Stop>,

    /// Install on this machine, without ssh
    #[arg(long)]
    pub(super) local: bool,

    #[command(flatten)]
    pub(super) connection: ConnectionArgs,

    #[command(flatten)]
    pub(super) copy: CopyArgs,

    #[command(flatten)]
    pub(super) luks: LuksArgs,

    #[command(flatten)]
    pub(super) secrets: SecretArgs,

    #[command(flatten)]
    pub(super) files: FileArgs,

    /// Write what nixos-generate-config says of the machine's hardware to FILE, before the system is built
    #[arg(long, value_name = "FILE")]
    pub(super) hardware_config: Option<PathBuf>,

    #[command(flatten)]
    pub(super) after: AfterArgs,

    /// Print a report as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// How the machine is reached.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct ConnectionArgs {
    /// The port of its SSH server [default: ssh's own choice]
    #[arg(long, conflicts_with = "local", help_heading = "Connection")]
    pub(super) port: Option<u16>,

    /// Take the key of a host that is not in your known_hosts yet; one that changed is refused all the same
    #[arg(long, conflicts_with = "local", help_heading = "Connection")]
    pub(super) accept_new: bool,
}

/// Where the closure comes from.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct CopyArgs {
    /// Let STORE bring the closure: a cache that the machine reaches, or ssh://BUILDER
    #[arg(long, value_name = "STORE", help_heading = "Copy")]
    pub(super) from: Option<String>,

    /// Send all of the closure, and let the machine get nothing from its own caches
    #[arg(long, help_heading = "Copy")]
    pub(super) no_substitute: bool,

    /// Trust what this key signed, besides those that the machine trusts; may be given again
    #[arg(long, value_name = "NAME:KEY", requires = "from", help_heading = "Copy")]
    pub(super) trusted_public_key: Vec<String>,

    /// Who sends the closure: calve itself, or the nix of this machine
    #[arg(long, value_name = "calve|nix", default_value = "calve", conflicts_with = "from")]
    #[arg(help_heading = "Copy")]
    pub(super) sender: Sender,
}

/// What goes onto the machine besides the closure.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct FileArgs {
    /// Add the files of a directory, below TARGET if given; all are root's; may be given again
    #[arg(long, value_name = "DIR[:TARGET]", help_heading = "Files")]
    pub(super) extra_files: Vec<Overlay>,

    /// Give a path of the new system, and all below it, to another user; may be given again
    #[arg(long, value_name = "PATH=UID:GID", help_heading = "Files")]
    pub(super) chown: Vec<Chown>,

    /// Give the system this SSH host key, a private one [default: a new one is made there]
    #[arg(long, value_name = "FILE", conflicts_with = "copy_host_keys", help_heading = "Files")]
    pub(super) host_key: Option<PathBuf>,

    /// Give the system the SSH host keys of the installer
    #[arg(long, help_heading = "Files")]
    pub(super) copy_host_keys: bool,
}

/// What is looked at after the restart.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct AfterArgs {
    /// Run this on the installed system, which is well if it succeeds; may be given again
    #[arg(
        long,
        value_name = "COMMAND",
        conflicts_with = "local",
        help_heading = "After the reboot"
    )]
    pub(super) health: Vec<String>,

    /// How the installed system is reached, where that differs: [USER@]HOST
    #[arg(long, value_name = "HOST", conflicts_with = "local", help_heading = "After the reboot")]
    pub(super) system_host: Option<String>,

    /// The port of its SSH server [default: --port]
    #[arg(long, value_name = "PORT", conflicts_with = "local", help_heading = "After the reboot")]
    pub(super) system_port: Option<u16>,

    /// Give up when the system was not there for so many seconds
    #[arg(long, default_value_t = 300, value_name = "S", help_heading = "After the reboot")]
    pub(super) timeout: u64,
}

/// Where an installation stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
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
