//! A scenario: a sample system, a scratch directory, and a machine to boot what is built there.
//!
//! This is the part that reads the environment (`CALVE_BIN`, `CI`, `CALVE_TEST_PATIENCE`); the
//! machine library never does.

use std::cell::Cell;
use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use calve_machine::{Architecture, Boot, Disk, Firmware, Machine, Restart, Search};

use crate::Error;
use crate::guest::Guest;

/// A guest's time to come up; four times what a quiet machine needs without KVM.
const PATIENCE: Duration = Duration::from_secs(120);

/// The sample systems of `cargo xtask fixture`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// Kernel, static busybox, toplevel.
    Mini,
    /// systemd with a scripted stage 1.
    Full,
    /// systemd, also as stage 1.
    FullSystemd,
}

impl Sample {
    /// Its directory below `target/fixture`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mini => "mini",
            Self::Full => "full",
            Self::FullSystemd => "full-systemd",
        }
    }
}

/// One scenario.
#[derive(Debug)]
pub struct Scenario {
    name: &'static str,
    sample: PathBuf,
    calve: PathBuf,
    firmware: Firmware,
    scratch: tempfile::TempDir,
    patience: Duration,
    machines: Cell<u32>,
}

impl Scenario {
    /// Prepares a scenario; none if something is missing here.
    pub fn new(name: &'static str, sample: Sample) -> Result<Option<Self>, Error> {
        match Self::prepare(name, sample)? {
            Ok(scenario) => Ok(Some(scenario)),
            Err(missing) if env::var("CI").as_deref() == Ok("true") => Err(Error::Missing(missing)),
            Err(missing) => {
                skip(name, &missing);
                Ok(None)
            }
        }
    }

    fn prepare(name: &'static str, sample: Sample) -> Result<Result<Self, String>, Error> {
        let Some(calve) = env::var_os("CALVE_BIN").map(PathBuf::from) else {
            return Ok(Err("CALVE_BIN does not name a calve binary".to_owned()));
        };
        let sample = workspace().join("target/fixture").join(sample.name());
        if !sample.join("system").exists() {
            return Ok(Err(format!("no {}; run `cargo xtask fixture`", sample.display())));
        }
        let qemu = Architecture::X86_64.qemu();
        if Command::new(qemu).arg("--version").output().is_err() {
            return Ok(Err(format!("{qemu} not found")));
        }
        let firmware = match Firmware::find(&Search::new(Architecture::X86_64)) {
            Ok(firmware) => firmware,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let scratch = tempfile::Builder::new().prefix(name).tempdir()?;
        Ok(Ok(Self {
            name,
            sample,
            calve,
            firmware,
            scratch,
            patience: patience(),
            machines: Cell::new(0),
        }))
    }

    /// The sample's toplevel.
    pub fn system(&self) -> PathBuf {
        self.sample.join("system")
    }

    /// The scenario's own directory, which goes when it ends.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// How long a guest may take to come up, or to do anything else.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Builds a disk of the sample with more arguments for `calve build disk`.
    pub fn build(&self, arguments: &[&str]) -> Result<PathBuf, Error> {
        let image = self.scratch().join("disk.img");
        let (system, registration) = (self.system(), self.sample.join("registration"));
        let mut all = vec!["build".to_owned(), "disk".to_owned(), system.display().to_string()];
        all.extend(["--registration".to_owned(), registration.display().to_string()]);
        all.extend(["-o".to_owned(), image.display().to_string()]);
        all.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self.calve(&all)?;
        Ok(image)
    }

    /// Runs `calve`, and gives what it wrote to its standard output.
    pub fn calve(&self, arguments: &[String]) -> Result<String, Error> {
        let run = Command::new(&self.calve).args(arguments).current_dir(self.scratch()).output();
        let output = run.map_err(|source| Error::Run { program: self.calve.clone(), source })?;
        if !output.status.success() {
            return Err(Error::Calve {
                arguments: arguments.to_vec(),
                stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// A machine with this disk; a restart keeps it running, so that overlays live on.
    pub fn machine(&self, disk: Disk) -> Machine {
        let number = self.machines.get() + 1;
        self.machines.set(number);
        let evidence = workspace().join("target/evidence").join(self.name);
        Machine {
            cpus: 1,
            memory_mib: 1536,
            disks: vec![disk],
            restart: Restart::Continue,
            evidence: Some(evidence.join(number.to_string())),
            ..Machine::new(Boot::Uefi(self.firmware.clone()))
        }
    }

    /// Boots an image until the sample says that it is up and its shell answers.
    pub fn boot(&self, image: &Path) -> Result<Guest, Error> {
        self.start(&self.machine(Disk::open(image)?))
    }

    /// The same for a machine of the scenario's own making.
    pub fn start(&self, machine: &Machine) -> Result<Guest, Error> {
        Guest::up(machine.boot()?, self.patience)
    }

    /// The same with another entry of the boot menu than the default, `down` keys below it.
    pub fn start_by_menu(&self, machine: &Machine, down: usize) -> Result<Guest, Error> {
        Guest::up_by_menu(machine.boot()?, down, self.patience)
    }
}

/// The workspace's root.
fn workspace() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

fn patience() -> Duration {
    let factor = env::var("CALVE_TEST_PATIENCE").ok().and_then(|factor| factor.parse().ok());
    PATIENCE.saturating_mul(factor.unwrap_or(1))
}

/// Says that a test is skipped, past the test runner, which hides what passing tests print.
fn skip(name: &str, missing: &str) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "SKIPPED {name}: {missing}");
}
