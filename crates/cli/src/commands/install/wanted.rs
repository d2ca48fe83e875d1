//! What the arguments of an installation mean: files of keys are read, and what does not go together is refused.

use std::path::PathBuf;
use std::time::Duration;

use calve_image_core::inputs::overlay::Overlay;
use calve_installer::host_key::PrivateKey;
use calve_installer::keys;
use calve_installer::steps::{Chown, Phase};
use calve_installer::target::ssh::Address;

use super::args::{Args, ConnectionArgs, Sender, Stop};
use super::disk_arg::DiskArg;
use crate::blueprint::Blueprint;
use crate::failure::Failure;
use crate::host_key;
use crate::profile;
use crate::secrets::initrd::SecretArgs;
use crate::secrets::luks_args::LuksKeys;
use crate::ssh_options::ssh_options;
use crate::system::SystemArgs;

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
    /// Keys of caches that are trusted besides the machine's own.
    pub(super) trusted_keys: Vec<String>,
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
            trusted_keys: copy.trusted_public_key,
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
