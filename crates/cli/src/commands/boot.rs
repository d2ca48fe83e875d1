//! `calve boot`: an image started in QEMU, and whether it came up.

use std::fs::{self, File};
use std::io::{self, IsTerminal};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use calve_image_core::disk::{self, PartitionKind};
use calve_image_core::{inspect, units};
use calve_machine::{
    Architecture, Boot, Bus, Disk, Firmware, Machine, Network, Search, SectorSize, Write, machine,
};

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::terminal::Terminal;

/// How long a machine that is to keep its changes may take to go off.
const SHUTDOWN: Duration = Duration::from_secs(60);

/// Start an image in QEMU
///
/// Runs the image under UEFI firmware (or a BIOS, with --bios), with or without KVM. An ISO is put into
/// a CD drive, other images are disks. What the machine writes is thrown away
/// unless --persist is given. With --expect, waits until the serial console has shown every text:
/// the exit code is 0 if they all came, else 4. Without --expect the console is yours.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  calve boot web.qcow2                              log in; Ctrl-A X ends the machine
  calve boot web.qcow2 --expect login: --timeout 60
  calve boot live.iso --as-disk --bios              the same medium as a USB stick, without UEFI
  calve boot web.raw --interactive --ssh-port 2222  and: ssh -p 2222 root@localhost")]
pub(crate) struct Args {
    /// The image: raw, qcow2 or an ISO
    image: PathBuf,

    /// Start an ISO as a USB stick and not from a CD drive
    #[arg(long)]
    as_disk: bool,

    /// Start it by QEMU's BIOS and not by UEFI firmware
    #[arg(long, conflicts_with = "firmware")]
    bios: bool,

    /// Wait for a text on the serial console; may be given again
    #[arg(long, value_name = "TEXT")]
    expect: Vec<String>,

    /// How long to wait for the texts, in seconds
    #[arg(long, default_value_t = 180, value_name = "S")]
    timeout: u64,

    /// Lead this port of localhost to the machine's SSH
    #[arg(long, value_name = "N")]
    ssh_port: Option<u16>,

    /// The machine's memory in MiB
    #[arg(long, default_value_t = 2048, value_name = "M")]
    memory: u32,

    /// Put the serial console on this terminal
    #[arg(long, conflicts_with = "expect")]
    interactive: bool,

    /// Let the machine change the image
    #[arg(long)]
    persist: bool,

    /// UEFI firmware to use instead of the one found (OVMF_CODE.fd, with its OVMF_VARS.fd beside)
    #[arg(long, value_name = "FILE", env = "CALVE_FIRMWARE")]
    firmware: Option<PathBuf>,
}

/// What the arguments mean.
#[derive(Debug)]
struct Spec {
    machine: Machine,
    end: End,
}

/// When the run is over.
#[derive(Debug)]
enum End {
    /// When every text has come.
    Texts { texts: Vec<String>, timeout: Duration, persist: bool },
    /// When the user says so.
    User,
}

/// Boots the image.
pub(crate) fn run(args: Args, terminal: Terminal) -> Result<(), Failure> {
    let spec = Spec::resolve(args)?;
    match spec.end {
        End::User => interact(&spec.machine, terminal),
        End::Texts { texts, timeout, persist } => {
            let started = Instant::now();
            wait(&spec.machine, &texts, timeout, persist, terminal)?;
            let seconds = started.elapsed().as_secs();
            terminal.say(format!("up        all that was expected came within {seconds} s"));
            Ok(())
        }
    }
}

impl Spec {
    fn resolve(args: Args) -> Result<Self, Failure> {
        let is_interactive = args.interactive || std::io::stdin().is_terminal();
        let end = if !args.expect.is_empty() {
            let timeout = Duration::from_secs(args.timeout);
            End::Texts { texts: args.expect, timeout, persist: args.persist }
        } else if is_interactive {
            End::User
        } else {
            return Err(Failure::usage(
                "nothing to wait for, and no terminal to use the console on",
            )
            .hint("say what the console shows when the system is up: --expect login:"));
        };
        let mut disk = Disk::open(&args.image)?;
        let seen = look_at(&args.image)?;
        disk.sector_size = seen.sector_size;
        disk.bus = match (seen.is_iso, args.as_disk) {
            (false, _) => disk.bus,
            (true, false) => Bus::ScsiCd,
            (true, true) => Bus::Usb,
        };
        disk.write = if args.persist { Write::Persist } else { Write::Throwaway };
        let boot = if args.bios {
            Boot::Bios
        } else {
            let search = Search { code: args.firmware, ..Search::new(seen.architecture) };
            Boot::Uefi(Firmware::find(&search)?)
        };
        let machine = Machine {
            memory_mib: args.memory,
            disks: vec![disk],
            network: Some(args.ssh_port.map_or_else(Network::default, Network::ssh)),
            ..Machine::new(boot)
        };
        Ok(Self { machine, end })
    }
}

/// What of an image decides the machine.
struct Seen {
    sector_size: SectorSize,
    architecture: Architecture,
    is_iso: bool,
}

/// Where an ISO 9660 volume says that it is one (ECMA-119, 8.4.2).
const ISO_MARK: (u64, [u8; 5]) = (16 * 2048 + 1, *b"CD001");

/// Whether a file is an ISO 9660 volume, whatever else it is.
fn is_iso(file: &File) -> io::Result<bool> {
    let (at, mark) = ISO_MARK;
    let mut found = [0; 5];
    match file.read_exact_at(&mut found, at) {
        Ok(()) => Ok(found == mark),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Looks at the partition table; an image without one gets a machine like this one.
fn look_at(path: &Path) -> Result<Seen, Failure> {
    let file = File::open(path).map_err(|source| Failure::unreadable(path, source))?;
    let is_iso = is_iso(&file).map_err(|source| Failure::unreadable(path, source))?;
    let host = Architecture::host().unwrap_or(Architecture::X86_64);
    let Ok(image) = inspect::inspect(&file) else {
        return Ok(Seen { sector_size: SectorSize::B512, architecture: host, is_iso });
    };
    let sector_size = match image.sector_size {
        units::SectorSize::B512 => SectorSize::B512,
        units::SectorSize::B4096 => SectorSize::B4096,
    };
    let root = |kind| image.partitions.iter().any(|partition| partition.kind == kind);
    let architecture = if root(PartitionKind::Root.type_guid(disk::Architecture::Arm64)) {
        Architecture::Aarch64
    } else if root(PartitionKind::Root.type_guid(disk::Architecture::X86_64)) {
        Architecture::X86_64
    } else {
        host
    };
    Ok(Seen { sector_size, architecture, is_iso })
}

fn interact(machine: &Machine, terminal: Terminal) -> Result<(), Failure> {
    terminal.say("the console is yours; Ctrl-A X ends the machine, Ctrl-A H lists the other keys");
    let status = machine.interact()?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(crate::failure::Kind::Failed, format!("QEMU ended with {status}")))
}

fn wait(
    machine: &Machine,
    texts: &[String],
    timeout: Duration,
    persist: bool,
    terminal: Terminal,
) -> Result<(), Failure> {
    let interrupt = Interrupt::catch()?;
    terminal.say(format!("booting   waiting up to {} s", timeout.as_secs()));
    let mut running = match machine.boot() {
        Ok(running) => running,
        Err(machine::Error::Early(failure)) => return Err(told(failure, &interrupt)),
        Err(error) => return Err(interrupt.or(error)),
    };
    let watch = interrupt.end_process(running.process());
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    running.expect_all(&texts, timeout).map_err(|failure| told(failure, &interrupt))?;
    drop(watch);
    if persist {
        // Pulling the plug would leave the image with a journal to replay.
        running.shutdown(SHUTDOWN).map_err(|failure| told(failure, &interrupt))?;
    } else {
        running.stop();
    }
    Ok(())
}

/// The failure to report; a run that the user broke off leaves no evidence.
fn told(failure: calve_machine::Failure, interrupt: &Interrupt) -> Failure {
    if interrupt.came() {
        // The directory is a temporary one of this run; if it stays, it does no harm.
        let _ = fs::remove_dir_all(&failure.evidence);
    }
    interrupt.or(failure)
}
