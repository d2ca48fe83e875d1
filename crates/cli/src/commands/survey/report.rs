//! The survey as data.

use std::collections::BTreeMap;
use std::path::Path;

use calve_installer::survey::machine::Firmware;
use calve_installer::target::Login;
use serde::Serialize;

use super::Survey;
use crate::device::DeviceReport;

/// A machine; sizes are in bytes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report<'a> {
    /// How it was reached.
    target: &'a str,
    name: Option<&'a str>,
    processor: Option<&'a str>,
    /// `uefi`, or `other`.
    firmware: &'static str,
    firmware_bits: Option<u64>,
    memory: u64,
    system: SystemReport<'a>,
    /// `root`, `sudo` or `user`.
    login: &'static str,
    programs: &'a BTreeMap<String, String>,
    disks: Vec<DiskReport<'a>>,
}

#[derive(Debug, Serialize)]
struct SystemReport<'a> {
    title: Option<&'a str>,
    nixos: bool,
    installer: bool,
    volatile: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DiskReport<'a> {
    #[serde(flatten)]
    device: DeviceReport,
    /// A link that stays.
    id: Option<&'a str>,
    read_only: bool,
    sector_size: u64,
    /// Who uses it, in words; nobody, where it is empty.
    uses: Vec<String>,
}

impl<'a> Report<'a> {
    pub(super) fn of(survey: &'a Survey) -> Self {
        let machine = &survey.machine;
        let (firmware, firmware_bits) = match machine.firmware {
            Firmware::Uefi { bits } => ("uefi", Some(bits)),
            Firmware::Other => ("other", None),
        };
        let disks = survey.disks.iter().map(|disk| {
            let path = format!("/dev/{}", disk.device.name);
            DiskReport {
                device: DeviceReport::of(Path::new(&path), &disk.device, &disk.contents),
                id: disk.id.as_deref(),
                read_only: disk.device.is_read_only,
                sector_size: disk.device.sector.get(),
                uses: disk.uses.iter().map(ToString::to_string).collect(),
            }
        });
        Self {
            target: &survey.reached,
            name: machine.name.as_deref(),
            processor: machine.processor.as_deref(),
            firmware,
            firmware_bits,
            memory: machine.memory.get(),
            system: SystemReport {
                title: machine.system.title.as_deref(),
                nixos: machine.system.is_nixos,
                installer: machine.system.is_installer,
                volatile: machine.system.is_volatile,
            },
            login: match survey.login {
                Login::Root => "root",
                Login::Sudo => "sudo",
                Login::User => "user",
            },
            programs: &machine.programs,
            disks: disks.collect(),
        }
    }
}
