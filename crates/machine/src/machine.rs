//! A machine described, and the two ways to run it.
//!
//! The description is plain data with defaults (`..Machine::new(boot)`). [`Machine::boot`] hands
//! the console to the program, [`Machine::interact`] to the person at the terminal. How QEMU is
//! started is in `start`; from then on [`Running`] owns the process.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use crate::accel::Accel;
use crate::architecture::Architecture;
use crate::command::Serial;
use crate::console::{Console, Fatal};
use crate::disk::Disk;
use crate::evidence::{self, Keep};
use crate::firmware::Firmware;
use crate::network::Network;
use crate::running::{Failure, Parts, Running};
use crate::start::{Started, connect, end, grow, start};

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
        let Started { mut child, evidence, socket_dir, socket } = start(self, Serial::Pipes)?;
        let console = match (child.stdout.take(), child.stdin.take()) {
            (Some(output), Some(input)) => Console::new(output, input, evidence.dir()),
            // Never so: both were asked for when the process was started.
            (None, _) | (_, None) => Err(io::ErrorKind::BrokenPipe.into()),
        };
        let mut console = match console {
            Ok(console) => console,
            Err(source) => {
                end(&mut child);
                return Err(evidence::Error { path: evidence.dir().to_owned(), source }.into());
            }
        };
        console.watch_for(&self.fatal);
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
        let Started { mut child, evidence, socket_dir, socket } = start(self, Serial::Terminal)?;
        if self.grows() {
            let grown = connect(&socket, || matches!(child.try_wait(), Ok(Some(_))))
                .and_then(|mut qmp| grow(&mut qmp, &self.disks));
            if let Err(error) = grown {
                end(&mut child);
                return Err(Failure::without_console(error.into(), evidence.dir()).into());
            }
        }
        let status = child.wait();
        evidence.discard();
        drop(socket_dir);
        status.map_err(|source| Error::Start { program: self.program(), source })
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.qemu.clone().unwrap_or_else(|| self.architecture.qemu().into())
    }

    /// Whether a disk is to be given another size before the guest runs.
    pub(crate) fn grows(&self) -> bool {
        self.disks.iter().any(|disk| disk.grown_to.is_some())
    }
}
