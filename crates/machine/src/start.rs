//! From a machine's description to a QEMU process with its files.
//!
//! Makes the evidence directory, copies the firmware's variables, settles the accelerator, starts
//! QEMU and connects to its control socket. Whatever fails before the process runs leaves nothing.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::architecture::Architecture;
use crate::command::{Run, Serial, arguments, shell_text};
use crate::disk::Disk;
use crate::evidence::{self, Evidence};
use crate::machine::{Boot, Error, Machine};
use crate::qmp::{self, Qmp};

/// How long QEMU may take to open its control socket; it does so before it runs the guest.
const CONNECT: Duration = Duration::from_secs(30);
/// The longest socket path that every Unix takes (104 bytes on macOS, with the final NUL).
const SOCKET_PATH: usize = 103;

/// A process and its files.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) child: Child,
    pub(crate) evidence: Evidence,
    /// Holds the control socket; removed when dropped.
    pub(crate) socket_dir: TempDir,
    pub(crate) socket: PathBuf,
}

/// Starts QEMU for `machine`.
pub(crate) fn start(machine: &Machine, serial: Serial) -> Result<Started, Error> {
    check(machine)?;
    let evidence = Evidence::create(machine.evidence.as_deref(), machine.keep_evidence)?;
    match spawn(machine, serial, &evidence) {
        Ok((child, socket_dir, socket)) => Ok(Started { child, evidence, socket_dir, socket }),
        Err(error) => {
            evidence.discard();
            Err(error)
        }
    }
}

fn check(machine: &Machine) -> Result<(), Error> {
    let boot = match (&machine.boot, machine.architecture) {
        (Boot::Uefi(firmware), architecture) if firmware.architecture != architecture => {
            format!("{} firmware", firmware.architecture)
        }
        (Boot::Bios, Architecture::Aarch64) => "a PC BIOS".to_owned(),
        (Boot::Uefi(_) | Boot::Kernel(_) | Boot::Bios, _) => return Ok(()),
    };
    Err(Error::WrongBoot { machine: machine.architecture, boot })
}

fn spawn(
    machine: &Machine,
    serial: Serial,
    evidence: &Evidence,
) -> Result<(Child, TempDir, PathBuf), Error> {
    let vars = copy_vars(machine, evidence)?;
    let socket_dir =
        socket_dir().map_err(|source| evidence::Error { path: std::env::temp_dir(), source })?;
    let socket = socket_dir.path().join("qmp");
    let accel = machine.accel.choose(machine);
    let run = Run { accel, socket: socket.clone(), vars, serial, paused: machine.grows() };
    let program = machine.program();
    let arguments = arguments(machine, &run);
    evidence.write(evidence::COMMAND, &shell_text(program.as_os_str(), &arguments))?;
    tracing::debug!(?arguments, "starting {}", program.display());
    let mut command = Command::new(&program);
    command.args(&arguments);
    if serial == Serial::Pipes {
        let path = evidence.path(evidence::MESSAGES);
        let messages = File::create(&path).map_err(|source| evidence::Error { path, source })?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(messages);
    }
    match command.spawn() {
        Ok(child) => Ok((child, socket_dir, socket)),
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            Err(Error::NoQemu { program, package: package(machine.architecture) })
        }
        Err(source) => Err(Error::Start { program, source }),
    }
}

/// This run's variable store: the caller's own, else a fresh copy among the evidence.
fn copy_vars(machine: &Machine, evidence: &Evidence) -> Result<PathBuf, Error> {
    let Boot::Uefi(firmware) = &machine.boot else {
        return Ok(PathBuf::new());
    };
    let to = match &machine.vars {
        Some(vars) if vars.exists() => return Ok(vars.clone()),
        Some(vars) => vars.clone(),
        None => evidence.path(evidence::VARS),
    };
    // Not `fs::copy`, which would copy a read-only template's mode too.
    let from = &firmware.vars.path;
    let copied = fs::read(from).and_then(|bytes| fs::write(&to, bytes));
    match copied {
        Ok(()) => Ok(to),
        Err(source) => Err(Error::Vars { from: from.clone(), to, source }),
    }
}

/// A directory whose path leaves room for a socket's name.
fn socket_dir() -> io::Result<TempDir> {
    let below = |dir: &Path| tempfile::Builder::new().prefix("calve-").tempdir_in(dir);
    let dir = below(&std::env::temp_dir())?;
    if dir.path().as_os_str().len() + "/qmp".len() > SOCKET_PATH {
        return below(Path::new("/tmp"));
    }
    Ok(dir)
}

/// The packages that hold QEMU, for people.
fn package(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => {
            "qemu-system-x86 (Debian, Ubuntu, Fedora, Arch) or qemu (NixOS, Homebrew)"
        }
        Architecture::Aarch64 => {
            "qemu-system-arm (Debian, Ubuntu), qemu-system-aarch64 (Fedora, Arch) \
             or qemu (NixOS, Homebrew)"
        }
    }
}

/// Connects to QEMU, unless it ends first.
pub(crate) fn connect(socket: &Path, mut ended: impl FnMut() -> bool) -> Result<Qmp, qmp::Error> {
    let deadline = Instant::now() + CONNECT;
    loop {
        match Qmp::connect(socket, Duration::from_millis(100)) {
            Err(qmp::Error::Connect { .. }) if !ended() && Instant::now() < deadline => {}
            other => return other,
        }
    }
}

/// Gives grown disks their size and lets the machine run, which was started paused for it.
pub(crate) fn grow(qmp: &mut Qmp, disks: &[Disk]) -> Result<(), qmp::Error> {
    let grown = disks.iter().enumerate().filter_map(|(index, disk)| Some((index, disk.grown_to?)));
    let mut any = false;
    for (index, bytes) in grown {
        qmp.resize(&Disk::drive(index), bytes)?;
        any = true;
    }
    if any { qmp.resume() } else { Ok(()) }
}

/// Kills our own process and takes its status, so that it does not stay a zombie.
pub(crate) fn end(child: &mut Child) {
    // Both fail only when it has already ended.
    let _ = child.kill();
    let _ = child.wait();
}
