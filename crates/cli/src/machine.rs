//! A machine in words: for `calve survey` and `calve install` alike.

use calve_installer::survey::Machine;
use calve_installer::survey::machine::{Firmware, Running};

/// `web (root@192.0.2.7): x86_64, UEFI, 1.9 GiB of memory`.
pub(crate) fn words(machine: &Machine, reached: &str) -> String {
    let name = match &machine.name {
        Some(name) if name != reached => format!("{name} ({reached})"),
        Some(_) | None => reached.to_owned(),
    };
    let processor = machine.processor.as_deref().unwrap_or("of an unknown processor");
    let firmware = match machine.firmware {
        Firmware::Uefi { bits: 64 } => "UEFI".to_owned(),
        Firmware::Uefi { bits } => format!("UEFI of {bits} bits"),
        Firmware::Other => "no UEFI".to_owned(),
    };
    format!("{name}: {processor}, {firmware}, {} of memory", machine.memory)
}

/// `NixOS 25.05 (Warbler), an installer, in memory`.
pub(crate) fn running(system: &Running) -> String {
    let mut words = vec![system.title.clone().unwrap_or_else(|| "an unknown system".to_owned())];
    if system.is_installer {
        words.push("an installer".to_owned());
    }
    words.push(if system.is_volatile { "in memory" } else { "from a disk" }.to_owned());
    words.join(", ")
}
