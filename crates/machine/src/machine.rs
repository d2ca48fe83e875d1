//! A machine described, and the steps from the description to a running QEMU.
//!
//! The description is plain data with defaults (`..Machine::new(boot)`). Starting it means: make
//! the evidence directory, copy the firmware's variables, settle the accelerator, start QEMU,
//! connect to its control socket. From then on [`Running`] owns the process.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::accel::Accel;
use crate::architecture::Architecture;
use crate::command::{Run, Serial, arguments, shell_text};
use crate::console::{Console, Fatal};
use crate::disk::Disk;
use crate::evidence::{self, Evidence, Keep};
use crate::firmware::Firmware;
use crate::network::Network;
use crate::qmp::{self, Qmp};
use crate::running::{Failure, Parts, Reason, Running};

/// How long QEMU may take to open its control socket; it does so before it runs the guest.
const CONNECT: Duration = Duration::from_secs(30);
/// The longest socket path that every Unix takes (104 bytes on macOS, with the final NUL).
const SOCKET_PATH: usize = 103;

/// A machine to be started.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The guest's architecture.
    pub architecture: Architecture,
    /// What it starts.
    pub boot: Boot,
    /// How its code runs.
    pub accel: Accel,
    /// The number of CPUs.
    pub cpus: u16,
    /// The memory, in MiB.
    pub memory_mib: u32,
    /// Its disks; the firmware tries them in this order.
    pub disks: Vec<Disk>,
    /// Its network; none unless asked for.
    pub network: Option<Network>,
    /// What a restart of the guest does.
    pub restart: Restart,
    /// The firmware's variables of an earlier run, made from the template if the file is not
    /// there, and written by this run. Without it each run starts from the empty template.
    pub vars: Option<PathBuf>,
    /// The QEMU program; found by its usual name in the search path when absent.
    pub qemu: Option<PathBuf>,
    /// More arguments for QEMU, put last.
    pub extra: Vec<OsString>,
    /// The lines of the console that end a wait early.
    pub fatal: Vec<Fatal>,
    /// The directory for evidence; a new temporary one when absent.
    pub evidence: Option<PathBuf>,
    /// When evidence stays.
    pub keep_evidence: Keep,
}

/// What a machine starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Boot {
    /// UEFI firmware, which starts a disk.
    Uefi(Firmware),
    /// QEMU's own PC BIOS, which starts a disk; x86_64 only.
    Bios,
    /// A kernel handed over by QEMU, without firmware.
    Kernel(DirectKernel),
}

/// A kernel that QEMU loads itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectKernel {
    /// The kernel image.
    pub kernel: PathBuf,
    /// The initrd.
    pub initrd: Option<PathBuf>,
    /// The kernel's command line.
    pub command_line: String,
}

/// What a restart of the guest does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Restart {
    /// Ends the machine, so that a guest cannot restart for ever.
    #[default]
    Exit,
    /// Starts it again, with the same overlays.
    Continue,
}

/// Why a machine did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such program.
    #[error("{} not found; install {package}", program.display())]
    NoQemu {
        /// The program looked for.
        program: PathBuf,
        /// The packages that hold it, for people.
        package: &'static str,
    },
    /// The program cannot be run.
    #[error("{} cannot be started", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The firmware is for another architecture, or there is none of that kind.
    #[error("a {machine} machine cannot start {boot}")]
    WrongBoot {
        /// The machine's architecture.
        machine: Architecture,
        /// What it was to start.
        boot: String,
    },
    /// The firmware's variables cannot be copied.
    #[error("firmware variables {} cannot be copied to {}", from.display(), to.display())]
    Vars {
        /// The template.
        from: PathBuf,
        /// The copy.
        to: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The evidence directory cannot be used.
    #[error(transparent)]
    Evidence(#[from] evidence::Error),
    /// QEMU ended or failed before the guest ran.
    #[error(transparent)]
    Early(#[from] Failure),
}

impl Machine {
    /// A machine with 2 CPUs and 2 GiB of memory, no disk and no network.
    pub fn new(boot: Boot) -> Self {
        let architecture = match &boot {
            Boot::Uefi(firmware) => firmware.architecture,
            Boot::Bios | Boot::Kernel(_) => Architecture::X86_64,
        };
        Self {
            architecture,
            boot,
            accel: Accel::default(),
            cpus: 2,
            memory_mib: 2048,
            disks: Vec::new(),
            network: None,
            restart: Restart::default(),
            vars: None,
            qemu: None,
            extra: Vec::new(),
            fatal: Fatal::ALL.to_vec(),
            evidence: None,
            keep_evidence: Keep::default(),
        }
    }

    /// Starts the machine with its serial console in our hands.
    pub fn boot(&self) -> Result<Running, Error> {
        let (mut child, start) = self.start(Serial::Pipes)?;
        let pipes = child.stdout.take().zip(child.stdin.take());
        let console =
            pipes.map(|(output, input)| Console::new(output, input, start.evidence.dir()));
        let mut console = match console {
            Some(Ok(console)) => console,
            Some(Err(source)) => {
                end(&mut child);
                let path = start.evidence.dir().to_owned();
                return Err(evidence::Error { path, source }.into());
            }
            // Both were asked for when the process was started.
            None => {
                end(&mut child);
                let source = io::ErrorKind::BrokenPipe.into();
                return Err(Error::Start { program: self.program(), source });
            }
        };
        console.watch_for(&self.fatal);
        let Start { evidence, socket_dir, socket } = start;
        let mut running = Running::new(Parts { child, console, evidence, socket_dir });
        match connect(&socket, || running.has_ended()) {
            Ok(qmp) => running.attach(qmp),
            Err(error) => return Err(running.fail_early(error).into()),
        }
        running.grow(&self.disks)?;
        Ok(running)
    }

    /// Runs the machine with its serial console on this terminal, until it ends.
    ///
    /// Ctrl-A X ends QEMU, Ctrl-A H lists its other keys. No evidence is kept.
    pub fn interact(&self) -> Result<ExitStatus, Error> {
        let (mut child, start) = self.start(Serial::Terminal)?;
        let program = self.program();
        if self.grows() {
            let grown = connect(&start.socket, || matches!(child.try_wait(), Ok(Some(_))))
                .and_then(|mut qmp| grow(&mut qmp, &self.disks));
            if let Err(error) = grown {
                end(&mut child);
                let failure = Failure::without_console(Reason::Qmp(error), start.evidence.dir());
                return Err(failure.into());
            }
        }
        let status = child.wait().map_err(|source| Error::Start { program, source })?;
        start.evidence.discard();
        Ok(status)
    }

    fn program(&self) -> PathBuf {
        self.qemu.clone().unwrap_or_else(|| self.architecture.qemu().into())
    }

    fn grows(&self) -> bool {
        self.disks.iter().any(|disk| disk.grown_to.is_some())
    }

    fn check(&self) -> Result<(), Error> {
        let boot = match (&self.boot, self.architecture) {
            (Boot::Uefi(firmware), machine) if firmware.architecture != machine => {
                format!("{} firmware", firmware.architecture)
            }
            (Boot::Bios, Architecture::Aarch64) => "a PC BIOS".to_owned(),
            (Boot::Uefi(_) | Boot::Kernel(_) | Boot::Bios, _) => return Ok(()),
        };
        Err(Error::WrongBoot { machine: self.architecture, boot })
    }

    fn start(&self, serial: Serial) -> Result<(Child, Start), Error> {
        self.check()?;
        let evidence = Evidence::create(self.evidence.as_deref(), self.keep_evidence)?;
        let vars = self.copy_vars(&evidence)?;
        let socket_dir = socket_dir()
            .map_err(|source| evidence::Error { path: std::env::temp_dir(), source })?;
        let socket = socket_dir.path().join("qmp");
        let accel = self.accel.choose(self);
        let run = Run { accel, socket: socket.clone(), vars, serial, paused: self.grows() };
        let program = self.program();
        let arguments = arguments(self, &run);
        evidence.write(evidence::COMMAND, &shell_text(program.as_os_str(), &arguments))?;
        tracing::debug!(?arguments, "starting {}", program.display());
        let mut command = Command::new(&program);
        command.args(&arguments);
        if serial == Serial::Pipes {
            let path = evidence.path(evidence::MESSAGES);
            let messages =
                File::create(&path).map_err(|source| evidence::Error { path, source })?;
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(messages);
        }
        match command.spawn() {
            Ok(child) => Ok((child, Start { evidence, socket_dir, socket })),
            Err(source) => {
                evidence.discard();
                Err(if source.kind() == io::ErrorKind::NotFound {
                    Error::NoQemu { program, package: self.package() }
                } else {
                    Error::Start { program, source }
                })
            }
        }
    }

    /// This run's variable store: the caller's own, else a fresh copy among the evidence.
    fn copy_vars(&self, evidence: &Evidence) -> Result<PathBuf, Error> {
        let Boot::Uefi(firmware) = &self.boot else {
            return Ok(PathBuf::new());
        };
        let to = match &self.vars {
            Some(vars) if vars.exists() => return Ok(vars.clone()),
            Some(vars) => vars.clone(),
            None => evidence.path(evidence::VARS),
        };
        // Not `fs::copy`, which would copy a read-only template's mode too.
        let from = &firmware.vars.path;
        fs::read(from).and_then(|bytes| fs::write(&to, bytes)).map_err(|source| Error::Vars {
            from: from.clone(),
            to: to.clone(),
            source,
        })?;
        Ok(to)
    }

    fn package(&self) -> &'static str {
        match self.architecture {
            Architecture::X86_64 => {
                "qemu-system-x86 (Debian, Ubuntu, Fedora), qemu-system-x86 (Arch) or qemu (NixOS, Homebrew)"
            }
            Architecture::Aarch64 => {
                "qemu-system-arm (Debian, Ubuntu), qemu-system-aarch64 (Fedora, Arch) or qemu (NixOS, Homebrew)"
            }
        }
    }
}

/// What a start leaves besides the process.
#[derive(Debug)]
struct Start {
    evidence: Evidence,
    socket_dir: TempDir,
    socket: PathBuf,
}

/// A directory whose path leaves room for a socket's name.
fn socket_dir() -> io::Result<TempDir> {
    let named = |dir: &Path| tempfile::Builder::new().prefix("calve-").tempdir_in(dir);
    let dir = named(&std::env::temp_dir())?;
    if dir.path().as_os_str().len() + "/qmp".len() > SOCKET_PATH {
        return named(Path::new("/tmp"));
    }
    Ok(dir)
}

/// Connects to QEMU, unless it ends first.
fn connect(socket: &Path, mut ended: impl FnMut() -> bool) -> Result<Qmp, qmp::Error> {
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
