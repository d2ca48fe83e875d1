//! QEMU's arguments for a machine: a pure function of the description.
//!
//! `-nodefaults` and `-no-user-config` keep the host's habits out of it. The guest gets a serial
//! console, a random number source, its disks and its network, and no screen.
//! Follows QEMU's invocation manual, <https://www.qemu.org/docs/master/system/invocation.html>.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::accel::Chosen;
use crate::architecture::Architecture;
use crate::disk::{Slot, escaped};
use crate::firmware::{Firmware, FlashFormat};
use crate::machine::{Boot, Machine, Restart};

/// What a run adds to the description.
#[derive(Debug)]
pub(crate) struct Run {
    /// How the guest's code runs.
    pub(crate) accel: Chosen,
    /// Where QEMU listens for commands.
    pub(crate) socket: PathBuf,
    /// This run's variable store.
    pub(crate) vars: PathBuf,
    /// Where the serial console goes.
    pub(crate) serial: Serial,
    /// Whether the guest waits for `cont`.
    pub(crate) paused: bool,
}

/// Where the serial console goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Serial {
    /// To this program, through pipes.
    Pipes,
    /// To the person at the terminal, with QEMU's own keys (Ctrl-A X ends it).
    Terminal,
}

/// Writes the arguments, the program's name not included.
pub(crate) fn arguments(machine: &Machine, run: &Run) -> Vec<OsString> {
    let mut list = Arguments::default();
    list.option("-machine", machine_value(machine));
    list.option("-accel", run.accel.name());
    list.option("-cpu", run.accel.cpu());
    list.option("-smp", machine.cpus.to_string());
    list.option("-m", format!("{}M", machine.memory_mib));
    list.flags(&["-nodefaults", "-no-user-config"]);
    list.option("-display", "none");
    match run.serial {
        Serial::Pipes => {
            list.option("-monitor", "none");
            list.option("-chardev", "stdio,id=serial0,signal=off");
            list.option("-serial", "chardev:serial0");
        }
        Serial::Terminal => list.option("-serial", "mon:stdio"),
    }
    list.option("-qmp", joined("unix:", &escaped(&run.socket), ",server=on,wait=off"));
    match machine.restart {
        Restart::Exit => list.flags(&["-no-reboot"]),
        Restart::Continue => {}
    }
    if run.paused {
        list.flags(&["-S"]);
    }
    match &machine.boot {
        Boot::Uefi(firmware) => flash(&mut list, firmware, run),
        Boot::Bios => {}
        Boot::Kernel(kernel) => {
            list.option("-kernel", &kernel.kernel);
            if let Some(initrd) = &kernel.initrd {
                list.option("-initrd", initrd);
            }
            list.option("-append", &kernel.command_line);
        }
    }
    list.option("-device", "virtio-rng-pci");
    let is_booted = match &machine.boot {
        Boot::Uefi(_) | Boot::Bios => true,
        Boot::Kernel(_) => false,
    };
    for (index, disk) in machine.disks.iter().enumerate() {
        list.words.extend(disk.arguments(Slot { index, is_booted }));
    }
    if let Some(network) = &machine.network {
        list.option("-netdev", network.netdev());
        list.option("-device", "virtio-net-pci,netdev=net0");
    }
    list.words.extend(machine.extra.iter().cloned());
    list.words
}

/// A command line as a shell would take it, one option per line.
pub(crate) fn shell_text(program: &OsStr, arguments: &[OsString]) -> String {
    let mut text = quoted(&program.to_string_lossy());
    for word in arguments {
        let word = word.to_string_lossy();
        text.push_str(if word.starts_with('-') { " \\\n  " } else { " " });
        text.push_str(&quoted(&word));
    }
    text.push('\n');
    text
}

fn machine_value(machine: &Machine) -> String {
    let name = machine.architecture.machine();
    match machine.architecture {
        Architecture::X86_64 => name.to_owned(),
        // Otherwise QEMU offers an interrupt controller that some hosts' KVM lacks.
        Architecture::Aarch64 => format!("{name},gic-version=max"),
    }
}

fn flash(list: &mut Arguments, firmware: &Firmware, run: &Run) {
    let drive = |unit: u8, format: FlashFormat, access: &str| {
        format!("if=pflash,unit={unit},format={}{access},file=", format.name())
    };
    let code = drive(0, firmware.code.format, ",readonly=on");
    list.option("-drive", joined(&code, &escaped(&firmware.code.path), ""));
    let vars = drive(1, firmware.vars.format, "");
    list.option("-drive", joined(&vars, &escaped(&run.vars), ""));
}

fn joined(head: &str, middle: &OsStr, tail: &str) -> OsString {
    let mut value = OsString::from(head);
    value.push(middle);
    value.push(tail);
    value
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[derive(Debug, Default)]
struct Arguments {
    words: Vec<OsString>,
}

impl Arguments {
    fn flags(&mut self, flags: &[&str]) {
        self.words.extend(flags.iter().map(OsString::from));
    }

    fn option(&mut self, name: &str, value: impl AsRef<OsStr>) {
        self.words.push(name.into());
        self.words.push(value.as_ref().to_owned());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::disk::Disk;
    use crate::firmware::Flash;
    use crate::machine::DirectKernel;
    use crate::network::Network;

    fn run() -> Run {
        Run {
            accel: Chosen::Tcg,
            socket: "/run/qmp".into(),
            vars: "/run/vars.fd".into(),
            serial: Serial::Pipes,
            paused: false,
        }
    }

    fn uefi(architecture: Architecture) -> Boot {
        let flash = |path: &str| Flash { path: path.into(), format: FlashFormat::Raw };
        Boot::Uefi(Firmware {
            architecture,
            code: flash("/fw/C,ODE.fd"),
            vars: flash("/fw/VARS.fd"),
        })
    }

    fn text(machine: &Machine, run: &Run) -> String {
        let words: Vec<String> =
            arguments(machine, run).into_iter().map(|word| word.into_string().unwrap()).collect();
        words.join(" ")
    }

    #[test]
    fn uefi_machine() {
        let machine = Machine {
            network: Some(Network::ssh(2222)),
            ..Machine::new(uefi(Architecture::X86_64))
        };
        assert_eq!(
            text(&machine, &run()),
            "-machine q35 -accel tcg -cpu max -smp 2 -m 2048M -nodefaults -no-user-config \
             -display none -monitor none -chardev stdio,id=serial0,signal=off \
             -serial chardev:serial0 -qmp unix:/run/qmp,server=on,wait=off -no-reboot \
             -drive if=pflash,unit=0,format=raw,readonly=on,file=/fw/C,,ODE.fd \
             -drive if=pflash,unit=1,format=raw,file=/run/vars.fd -device virtio-rng-pci \
             -netdev user,id=net0,hostfwd=tcp:127.0.0.1:2222-:22 \
             -device virtio-net-pci,netdev=net0"
        );
    }

    #[test]
    fn direct_kernel_at_the_terminal() {
        let disk = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(disk.path(), [0; 512]).unwrap();
        let machine = Machine {
            restart: Restart::Continue,
            disks: vec![Disk::open(disk.path()).unwrap()],
            ..Machine::new(Boot::Kernel(DirectKernel {
                kernel: "/k".into(),
                initrd: Some("/i".into()),
                command_line: "console=ttyS0 quiet".into(),
            }))
        };
        let run = Run { serial: Serial::Terminal, paused: true, accel: Chosen::Kvm, ..run() };
        let text = text(&machine, &run);
        assert!(text.contains("-accel kvm -cpu host"), "{text}");
        assert!(text.contains("-serial mon:stdio -qmp"), "{text}");
        assert!(text.contains(" -S -kernel /k -initrd /i -append console=ttyS0 quiet"), "{text}");
        assert!(!text.contains("pflash") && !text.contains("-no-reboot"), "{text}");
        assert!(text.ends_with("-device virtio-blk-pci,drive=disk0"), "{text}");
    }

    #[test]
    fn aarch64_machine() {
        let machine = Machine::new(uefi(Architecture::Aarch64));
        assert!(text(&machine, &run()).starts_with("-machine virt,gic-version=max -accel tcg"));
    }

    #[test]
    fn evidence_can_be_pasted_into_a_shell() {
        let words = ["-m", "1M", "-append", "it's quiet", ""].map(OsString::from);
        assert_eq!(
            shell_text("qemu".as_ref(), &words),
            "qemu \\\n  -m 1M \\\n  -append 'it'\\''s quiet' ''\n"
        );
    }
}
