//! The survey in words.

use calve_installer::survey::machine::{Firmware, Running};
use calve_installer::survey::{Disk, Machine};
use calve_installer::target::Login;

use super::Survey;
use crate::device;

/// What an installation runs on the machine, and cannot do without.
const NEEDED: [&str; 6] = ["sfdisk", "wipefs", "mkfs.ext4", "mkfs.vfat", "nix-store", "tar"];

/// Machine, system, programs, then disks.
pub(super) fn text(survey: &Survey) -> String {
    let Survey { machine, disks, .. } = survey;
    let mut text = format!("machine   {}\n", machine_words(survey));
    text.push_str(&format!("runs      {}\n", running(&machine.system)));
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

/// `web (root@192.0.2.7): x86_64, UEFI, 1.9 GiB of memory`.
fn machine_words(survey: &Survey) -> String {
    let Survey { machine, reached, .. } = survey;
    let name = match &machine.name {
        Some(name) if name != reached => format!("{name} ({reached})"),
        Some(_) | None => reached.clone(),
    };
    let processor = machine.processor.as_deref().unwrap_or("of an unknown processor");
    let firmware = match machine.firmware {
        Firmware::Uefi { bits: 64 } => "UEFI".to_owned(),
        Firmware::Uefi { bits } => format!("UEFI of {bits} bits"),
        Firmware::Other => "no UEFI".to_owned(),
    };
    format!("{name}: {processor}, {firmware}, {} of memory", machine.memory)
}

fn running(system: &Running) -> String {
    let mut words = vec![system.title.clone().unwrap_or_else(|| "an unknown system".to_owned())];
    if system.is_installer {
        words.push("an installer".to_owned());
    }
    words.push(if system.is_volatile { "in memory" } else { "from a disk" }.to_owned());
    words.join(", ")
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
