//! Whether Proxmox could start a system, read off the system's own files.
//!
//! Proxmox starts `/sbin/init`, the copy of the system's `init`, and before that reads the
//! architecture from the ELF header of its interpreter (`PVE::LXC::Setup::NixOS`,
//! `PVE::LXC::Tools::detect_elf_architecture`): so `init` has to be a script, and its interpreter a
//! program of the closure. NixOS makes a script of it unless stage 1 is systemd's, where `init` is
//! systemd itself and needs a stage 1 that no container has (nixpkgs' `top-level.nix`).

use super::Error;
use crate::boot::preflight::{Finding, Severity};
use crate::formats::Input;
use crate::inputs::script::Program;
use crate::inputs::store;
use crate::inputs::store_path::StoreFile;
use crate::units::{Bytes, MIB};

/// No text that is read here is larger.
const TEXT_MAX: Bytes = Bytes::new(16 * MIB.get());

/// Nix' names of platforms, and Proxmox' and ELF's names of the same (`e_machine`).
const PLATFORMS: [(&str, &str, u16); 6] = [
    ("x86_64-linux", "amd64", 0x3e),
    ("i686-linux", "i386", 0x03),
    ("aarch64-linux", "arm64", 0xb7),
    ("armv7l-linux", "armhf", 0x28),
    ("armv6l-linux", "armhf", 0x28),
    ("riscv64-linux", "riscv64", 0xf3),
];

const MODULE: &str = "import nixpkgs' virtualisation/proxmox-lxc.nix (it sets boot.isContainer)";

/// A system that Proxmox can start.
#[derive(Debug)]
pub struct Checked {
    /// The text of its `init`.
    pub init: Vec<u8>,
    /// Its os-release, where it has one.
    pub os_release: Option<Vec<u8>>,
    /// Warnings.
    pub findings: Vec<Finding>,
}

/// Holds a system against what Proxmox does.
///
/// # Errors
/// [`Error::Refused`] with all findings, or what cannot be read.
pub fn check(input: Input<'_>) -> Result<Checked, Error> {
    let mut findings = Vec::new();
    let init = init(input, &mut findings)?;
    let os_release = os_release(input, &mut findings)?;
    warn_of_machine(input, &mut findings);
    findings.sort_by_key(|finding| finding.severity);
    match init {
        Some(init) if findings.iter().all(|found| found.severity == Severity::Warning) => {
            Ok(Checked { init, os_release, findings })
        }
        Some(_) | None => Err(Error::Refused(findings)),
    }
}

/// Reads the text of `init`, or says why there is nothing that Proxmox could start.
fn init(input: Input<'_>, findings: &mut Vec<Finding>) -> Result<Option<Vec<u8>>, Error> {
    let toplevel = &input.system.main.toplevel;
    let file = toplevel.join("init")?;
    let mut refuse = |wants: String| {
        let gives = "a start of /sbin/init, a copy of the system's init: a script".to_owned();
        findings.push(finding(Severity::Refusal, "init", wants, gives, MODULE));
    };
    if !input.store.kind(&file)?.is_some_and(|kind| kind.is_file()) {
        refuse(format!("nothing that can be started: {toplevel} has no init"));
        return Ok(None);
    }
    match Program::at(input.store, &file)? {
        Program::Script(interpreter) => {
            self::interpreter(input, &interpreter, findings)?;
            Ok(Some(input.store.read(&file, TEXT_MAX)?))
        }
        Program::Elf(_) => {
            refuse(
                "a stage 1 of its own before it: its init is no script but systemd \
                 (boot.initrd.systemd.enable)"
                    .to_owned(),
            );
            Ok(None)
        }
        Program::Other => {
            refuse(format!("{file}, which is neither a script nor a program"));
            Ok(None)
        }
    }
}

/// Checks that the program behind `init` is in the image, and of the system's architecture.
fn interpreter(
    input: Input<'_>,
    interpreter: &str,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let mut refuse = |wants: String, gives: String, mend: &str| {
        findings.push(finding(Severity::Refusal, "interpreter of init", wants, gives, mend));
    };
    let platform = &input.system.main.platform;
    let Some((_, name, machine)) = PLATFORMS.iter().find(|(nix, ..)| nix == platform) else {
        let known = PLATFORMS.map(|(nix, ..)| nix).join(", ");
        refuse(platform.clone(), format!("one of {known}"), "build the system for one of these");
        return Ok(());
    };
    let wants = || format!("{interpreter} for {platform}");
    let Some(file) = inside(input, interpreter)? else {
        let gives = "the store paths of the closure, and it is not among them".to_owned();
        refuse(wants(), gives, "build the system with NixOS' own second stage");
        return Ok(());
    };
    let gives = match Program::at(input.store, &file)? {
        Program::Elf(found) if found == *machine => return Ok(()),
        Program::Elf(found) => match PLATFORMS.iter().find(|(.., machine)| *machine == found) {
            Some((_, other, _)) => format!("{file}, from which Proxmox reads {other}, not {name}"),
            None => format!("{file}, a program for a machine ({found:#x}) that is not {name}"),
        },
        Program::Script(_) | Program::Other => {
            format!("{file}, which is no program that tells its architecture (ELF)")
        }
    };
    refuse(wants(), gives, "build the system for one platform, with a shell of its own");
    Ok(())
}

/// Finds a program of the closure, links followed; `None` where the image would not have it.
fn inside(input: Input<'_>, path: &str) -> Result<Option<StoreFile>, Error> {
    let Ok(file) = path.parse::<StoreFile>() else { return Ok(None) };
    let is_file = match input.store.kind(&file) {
        Ok(kind) => kind.is_some_and(|kind| kind.is_file()),
        Err(store::Error::Outside { .. }) => false,
        Err(error) => return Err(error.into()),
    };
    if !is_file || !input.closure.contains(file.path()) {
        return Ok(None);
    }
    let real = input.store.resolve(&file)?;
    Ok(input.closure.contains(real.path()).then_some(real))
}

/// Reads os-release, by whose `ID` Proxmox decides how to configure the container.
fn os_release(input: Input<'_>, findings: &mut Vec<Finding>) -> Result<Option<Vec<u8>>, Error> {
    let file = input.system.main.toplevel.join("etc/os-release")?;
    let text = match input.store.read(&file, TEXT_MAX) {
        Ok(text) => text,
        // Proxmox then knows NixOS by its /nix/store.
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let lines = String::from_utf8_lossy(&text);
    let id = lines.lines().find_map(|line| line.strip_prefix("ID="));
    let id = id.unwrap_or_default().trim_matches(['"', '\'']);
    if id != "nixos" {
        let wants = format!("to be known as {id:?}: ID in /etc/os-release");
        let gives = "network, host name and name servers to those known as \"nixos\"".to_owned();
        let mend = "leave system.nixos.distroId at \"nixos\"";
        findings.push(finding(Severity::Warning, "os-release", wants, gives, mend));
    }
    Ok(Some(text))
}

/// Warns of a system that is made for a machine: `boot.json` is written with a kernel and not without.
fn warn_of_machine(input: Input<'_>, findings: &mut Vec<Finding>) {
    if input.system.main.bootspec.is_some() {
        let wants = "a kernel and an initrd of its own, which stay in the image".to_owned();
        let gives = "the host's kernel, and no devices".to_owned();
        findings.push(finding(Severity::Warning, "kernel", wants, gives, MODULE));
    }
    if input.system.main.etc_overlay {
        let wants = "to mount /etc from an image".to_owned();
        let gives = "no such mounts, least of all without privileges".to_owned();
        let mend = "set system.etc.overlay.enable = false";
        findings.push(finding(Severity::Warning, "/etc", wants, gives, mend));
    }
}

/// A finding; what a container gives is always about Proxmox.
fn finding(severity: Severity, about: &str, wants: String, gives: String, mend: &str) -> Finding {
    let (about, mend) = (about.to_owned(), mend.to_owned());
    Finding { severity, about, wants, gives, mend, specialisation: None }
}
