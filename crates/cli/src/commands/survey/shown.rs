//! The survey in words.

use calve_installer::survey::{Disk, Machine};
use calve_installer::target::Login;

use super::Survey;
use crate::{device, machine};

/// What an installation runs on the machine, and cannot do without.
const NEEDED: [&str; 6] = ["sfdisk", "wipefs", "mkfs.ext4", "mkfs.vfat", "nix-store", "tar"];

/// Machine, system, programs, then disks.
pub(super) fn text(survey: &Survey) -> String {
    let Survey { machine, disks, .. } = survey;
    let mut text = format!("machine   {}\n", machine::words(machine, &survey.reached));
    text.push_str(&format!("runs      {}\n", machine::running(&machine.system)));
    text.push_str(&format!("installs  {}\n", installs(machine, survey.login)));
    if disks.is_empty() {
        text.push_str("disks     none\n");
    }
    for disk in disks {
        text.push('\n');
        text.push_str(&disk_text(disk));
    }
    text
}

/// What an installation would use, or lack.
fn installs(machine: &Machine, login: Login) -> String {
    let by = if machine.has("nixos-install") {
        "by its nixos-install"
    } else {
        "without nixos-install, which it has not"
    };
    let login = match login {
        Login::Root => "as root",
        Login::Sudo => "as root through sudo",
        Login::User => "not as it is: commands run neither as root nor through sudo",
    };
    let missing: Vec<&str> = NEEDED.into_iter().filter(|name| !machine.has(name)).collect();
    let missing = match missing.as_slice() {
        [] => String::new(),
        missing => format!("; missing: {}", missing.join(", ")),
    };
    format!("{by}, {login}{missing}")
}

fn disk_text(disk: &Disk) -> String {
    let device = &disk.device;
    let mut text = format!("/dev/{}: {}\n", device.name, device::words(device));
    if let Some(id) = &disk.id {
        text.push_str(&format!("  {id}\n"));
    }
    let reasons: Vec<String> = disk.uses.iter().map(ToString::to_string).collect();
    let state = match reasons.as_slice() {
        _ if device.is_read_only => "write-protected".to_owned(),
        [] => "free".to_owned(),
        reasons => format!("in use: {}", reasons.join("; ")),
    };
    text.push_str(&format!("  {state}\n  {}\n", device::contents(&disk.contents)));
    text.push_str(&device::table(&disk.contents.partitions));
    text
}
