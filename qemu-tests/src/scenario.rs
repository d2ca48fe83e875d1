//! A scenario: a sample system, a scratch directory, and a machine to boot what is built there.
//!
//! This package reads the environment (`CALVE_BIN`, `CI`, `CALVE_TEST_PATIENCE`); the machine library
//! never does.

use std::cell::Cell;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use calve_machine::{Architecture, Boot, Disk, Firmware, Machine, Restart, Search};

use crate::Error;
use crate::guest::{Guest, Menu};
use crate::images::{Images, Sample, or_skip, workspace};

/// A guest's time to come up; four times what a quiet machine needs without KVM.
const PATIENCE: Duration = Duration::from_secs(240);

/// One scenario.
#[derive(Debug)]
pub struct Scenario {
    name: &'static str,
    images: Images,
    firmware: Firmware,
    patience: Duration,
    machines: Cell<u32>,
}

impl Scenario {
    /// Prepares a scenario; none if something is missing here.
    pub fn new(name: &'static str, sample: Sample) -> Result<Option<Self>, Error> {
        or_skip(name, Self::prepare(name, sample)?)
    }

    fn prepare(name: &'static str, sample: Sample) -> Result<Result<Self, String>, Error> {
        let images = match Images::prepare(name, sample)? {
            Ok(images) => images,
            Err(missing) => return Ok(Err(missing)),
        };
        let qemu = Architecture::X86_64.qemu();
        if Command::new(qemu).arg("--version").output().is_err() {
            return Ok(Err(format!("{qemu} not found")));
        }
        let firmware = match Firmware::find(&Search::new(Architecture::X86_64)) {
            Ok(firmware) => firmware,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let (patience, machines) = (patience(), Cell::new(0));
        Ok(Ok(Self { name, images, firmware, patience, machines }))
    }

    /// Where the scenario's images come from, and who judges them afterwards.
    pub fn images(&self) -> &Images {
        &self.images
    }

    /// Builds a disk of the sample with more arguments for `calve build disk`.
    pub fn build(&self, arguments: &[&str]) -> Result<PathBuf, Error> {
        self.images.build(arguments)
    }

    /// How long a guest may take to come up, or to do anything else.
    pub fn patience(&self) -> Duration {
        self.patience
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

    /// The same machine with a PC BIOS.
    pub fn bios_machine(&self, disk: Disk) -> Machine {
        Machine { boot: Boot::Bios, ..self.machine(disk) }
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
    pub fn start_by_menu(
        &self,
        machine: &Machine,
        menu: Menu,
        down: usize,
    ) -> Result<Guest, Error> {
        Guest::up_by_menu(machine.boot()?, (menu, down), self.patience)
    }
}

pub(crate) fn patience() -> Duration {
    let factor = env::var("CALVE_TEST_PATIENCE").ok().and_then(|factor| factor.parse().ok());
    PATIENCE.saturating_mul(factor.unwrap_or(1))
}
