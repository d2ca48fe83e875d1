//! `calve build disk`: a disk image with a partition table, an ESP and the system's root.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use calve_image_core::boot::preflight::Target;
use calve_image_core::disk::Lock;
use calve_image_core::formats::Container;
use calve_image_core::formats::disk::{self, DiskSpec};
use calve_image_core::plan::Plan;
use calve_image_core::region::Keys;
use calve_image_core::report::Report;
use calve_image_core::units::Bytes;

use super::delivery::{self, Delivery, DeliveryArgs, Destination, OverlayArgs};
use super::outlet::Outlet;
use crate::blueprint::Blueprint;
use crate::failure::Failure;
use crate::profile::{self, DiskSize};
use crate::secrets::beside::{self, Beside};
use crate::secrets::initrd::{Given, SecretArgs};
use crate::secrets::keyring::Keyring;
use crate::secrets::luks_args::{LuksArgs, LuksKeys, Wanted};
use crate::system::{self, SystemArgs};
use crate::terminal::Terminal;
use crate::{disk_drawing, findings};

/// Make a disk image that boots
///
/// Lays the system out as the profile says, refuses what would not boot, and writes the image in
/// one pass. The image appears under its name only when it is complete.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  calve build disk                                   ./result, profile minimal
  calve build disk --flake .#web -p server -o web.qcow2
  calve build disk -p server-encrypted --luks-key prompt --luks-recovery-key
  calve build disk -o - | ssh root@host 'dd of=/dev/vda bs=4M'")]
pub(crate) struct Args {
    #[command(flatten)]
    system: SystemArgs,

    /// The profile: a name (minimal, server, server-encrypted, impermanent) or a file
    #[arg(long, short, default_value = profile::DEFAULT, value_name = "NAME|FILE")]
    profile: String,

    /// Where the image goes; - is stdout [default: the system's name with the format's ending]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// The format of the image: raw or qcow2 [default: what the ending of FILE says, else raw]
    #[arg(long, value_parser = container)]
    format: Option<Container>,

    /// The size of the disk, such as 8G, or auto [default: what the profile says]
    #[arg(long)]
    size: Option<DiskSize>,

    #[command(flatten)]
    overlays: OverlayArgs,

    /// Make other ids than without it: two disks with the same ids cannot live in one machine
    #[arg(long, value_name = "TEXT")]
    seed: Option<String>,

    #[command(flatten)]
    luks: LuksArgs,

    #[command(flatten)]
    secrets: SecretArgs,

    #[command(flatten)]
    delivery: DeliveryArgs,
}

/// What the arguments mean.
#[derive(Debug)]
struct Spec {
    blueprint: Blueprint,
    format: Container,
    luks: LuksKeys,
    secrets: SecretArgs,
    delivery: Delivery,
}

impl Spec {
    fn resolve(args: Args) -> Result<(Self, SystemArgs), Failure> {
        let format = format(&args)?;
        let luks = args.luks.resolve()?;
        let blueprint = Blueprint::new(profile::read(&args.profile)?)?;
        let blueprint = Blueprint {
            size: args.size.unwrap_or(blueprint.size),
            overlays: args.overlays.overlay,
            rules: args.overlays.overlay_rule,
            seed: args.seed,
            keyslots: luks.keyslots(),
            target: match format {
                Container::Raw => Target::Any,
                Container::Qcow2 => Target::Qemu,
            },
            ..blueprint
        };
        let delivery = args.delivery.resolve(args.output);
        if delivery.destination == Destination::Stdout && args.secrets.needs_a_name() {
            let message =
                "--unlock-ssh writes files beside the image, which stdout has no place for";
            return Err(Failure::usage(message).hint("name the image with --output FILE"));
        }
        let secrets = args.secrets;
        Ok((Self { blueprint, format, luks, secrets, delivery }, args.system))
    }
}

/// The format asked for, or told by the output's name.
fn format(args: &Args) -> Result<Container, Failure> {
    let ending = args.output.as_deref().and_then(Path::extension).and_then(OsStr::to_str);
    let named = ending.and_then(|ending| container(&ending.to_ascii_lowercase()).ok());
    match (args.format, named) {
        (Some(asked), Some(named)) if asked != named => Err(Failure::usage(format!(
            "--format {} contradicts the ending of the output, .{}",
            asked.word(),
            named.word()
        ))),
        (asked, named) => Ok(asked.or(named).unwrap_or_default()),
    }
}

fn container(word: &str) -> Result<Container, String> {
    let known = Container::ALL.into_iter().find(|container| container.word() == word);
    known.ok_or_else(|| format!("expected {}", Container::ALL.map(Container::word).join(" or ")))
}

/// Builds the image.
pub(crate) fn run(args: Args, terminal: Terminal) -> Result<(), Failure> {
    let (spec, mut system) = Spec::resolve(args)?;
    let terminal = spec.delivery.keep_words_out(terminal);
    system.source.hidden = spec.luks.sources().cloned().collect();
    let found = system::find(&system, terminal)?;
    let name = format!("{}.{}", found.toplevel.name(), spec.format.word());
    let destination = spec.delivery.destination.clone().or_named(name);
    let subject = spec.blueprint.subject(found)?;
    let given = spec.secrets.read(subject.input(), &spec.blueprint.overlays, terminal)?;
    let wanted = DiskSpec { initrd_secrets: &given.secrets, ..spec.blueprint.spec(&subject) };
    let checked = disk::check(&wanted, subject.input())?;
    findings::warn(&checked.report.findings, findings::Side::Layout, terminal);
    let locks = checked.locks(&wanted);
    let keys = spec.luks.assign(&locks, destination == Destination::Nowhere)?;
    let desk = spec.open(&destination, &given, &keys, terminal)?;
    let desk = desk.map(|desk| desk.forge(&locks, terminal)).transpose()?;
    let disk = checked.plan(&wanted, subject.input())?;
    let image = spec.format.wrap(&disk.plan).map_err(Failure::internal)?;
    let mut report = Report::of(subject.input(), &disk, spec.format, &image);
    terminal.say(layout(&report));
    if let Some(desk) = desk {
        report = spec.write(desk, &image, report, terminal)?;
        if let (Some(unlock), Destination::File(path)) = (&given.unlock, &destination) {
            let ticket = beside::with_ending(path, ".unlock.toml");
            let (ticket, key) = (ticket.display(), &unlock.host_key);
            terminal.say(format!("unlock    calve unlock {ticket}; its host key is {key}"));
        }
    }
    let drawing = || disk_drawing::Disk::from(&report.disk).text();
    spec.delivery.show(&destination, &image, &report, drawing, terminal)
}

/// Where the image goes, and the keys that it is written with.
struct Desk {
    outlet: Outlet,
    beside: Beside,
    keyring: Keyring,
    keys: Keys,
}

impl Desk {
    /// Makes the keys of the volumes: before the disk is planned, as both take memory.
    fn forge(mut self, locks: &[Lock], terminal: Terminal) -> Result<Self, Failure> {
        self.keyring.forge(locks, &mut self.keys, self.outlet.interrupt(), terminal)?;
        Ok(self)
    }
}

impl Spec {
    /// Opens the way to where the image goes, and reads its keys; nothing for a dry run.
    fn open(
        &self,
        destination: &Destination,
        given: &Given,
        wanted: &[Wanted],
        terminal: Terminal,
    ) -> Result<Option<Desk>, Failure> {
        let mut keys = Keys::none();
        given.lend(&mut keys);
        let is_private = !keys.is_empty() || !wanted.is_empty();
        let existing = self.delivery.existing;
        let open = if is_private { Outlet::open_private } else { Outlet::open };
        let Some(outlet) = open(destination, existing, terminal)? else { return Ok(None) };
        // A name that is taken is told before anybody types a passphrase.
        let beside = match (&given.unlock, destination) {
            (Some(unlock), Destination::File(path)) => Beside::write(unlock, path, existing)?,
            (_, _) => Beside::default(),
        };
        let keyring = Keyring::read(wanted, outlet.interrupt(), terminal)?;
        Ok(Some(Desk { outlet, beside, keyring, keys }))
    }

    /// Writes the image, and adds to the report what that tells.
    fn write(
        &self,
        desk: Desk,
        image: &Plan,
        report: Report,
        terminal: Terminal,
    ) -> Result<Report, Failure> {
        let Desk { outlet, beside, keyring, keys } = desk;
        let name = outlet.name();
        // Nobody's typing counts as work.
        let started = Instant::now();
        let written = outlet.write_with(image, &keys, self.delivery.digest, beside)?;
        drop(keys);
        let report = report.written(&written);
        terminal.say(done(&report, &name, started.elapsed().as_secs()));
        keyring.show_recovery(terminal)?;
        if report.disk.partitions.iter().any(|partition| partition.luks.is_some()) {
            terminal.say(shared_keys(&report));
        }
        Ok(report)
    }
}

/// What copies of an encrypted image share, and what ends it.
fn shared_keys(report: &Report) -> String {
    let partitions = report.disk.partitions.iter();
    let encrypted = partitions.filter(|partition| partition.luks.is_some());
    let commands = encrypted.map(|partition| {
        format!("\n          cryptsetup reencrypt /dev/disk/by-partlabel/{}", partition.name)
    });
    let commands: String = commands.collect();
    format!(
        "note      copies of this image share their volume keys; on each machine but one, once it \
         runs:{commands}"
    )
}

/// One line on the partitions.
fn layout(report: &Report) -> String {
    let partitions = report.disk.partitions.iter().map(|partition| {
        let (size, formats) = (Bytes::new(partition.size), disk_drawing::formats(partition));
        format!("{} {size} {formats}", partition.name)
    });
    let partitions: Vec<String> = partitions.collect();
    format!("layout    {} of {}", partitions.join(", "), Bytes::new(report.disk.size))
}

/// One line on the image.
fn done(report: &Report, name: &str, seconds: u64) -> String {
    let (size, payload) = (Bytes::new(report.image.size), Bytes::new(report.image.payload));
    let ending = delivery::ending(seconds, report.image.sha256.as_deref());
    format!("written   {name}: {size}, {payload} of it data{ending}")
}
