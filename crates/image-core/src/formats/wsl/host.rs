//! The programs that WSL calls before the system is active, and what starts the system.
//!
//! Where the activation's text says what it puts into `/bin`, that is put there; NixOS-WSL's shell and
//! shim are wrappers that wait for the system. What is missing then is taken from the system's
//! profile, by a link that survives an upgrade.
//!
//! WSL starts `/sbin/init` (with `container=wsl` in its environment) where `boot.systemd` is set and the
//! file is a program. NixOS-WSL's shim activates the system and becomes systemd. A configuration
//! without it that was made for containers has an `init` which does the same; nobody is known to have
//! tried that, so it is said. One that was made for a machine waits for devices and is refused.

use super::{Error, Findings, MODULE};
use crate::boot::preflight::Severity;
use crate::epoch::Epoch;
use crate::formats::Input;
use crate::inputs::activation::{Activation, Placed};
use crate::inputs::script::Program;
use crate::inputs::store;
use crate::inputs::store_path::{STORE_DIR, StoreFile};
use crate::tree::{Entry, HostDir, Meta, Mode, TreePath};

/// What WSL calls, and how bad it is without (`init.cpp`, `config.cpp`, `util.h`).
pub(super) const CALLED: [(&str, Severity); 4] = [
    ("sh", Severity::Refusal),
    ("mount", Severity::Refusal),
    ("bash", Severity::Warning),
    ("login", Severity::Warning),
];

/// WSL's own program, which it mounts into the distribution.
pub(super) const WSL_INIT: &str = "/init";

/// The system's profile, whatever generation it leads to.
const PROFILE: &str = "/nix/var/nix/profiles/system";

/// Decides what lies in `/bin` and `/sbin`.
pub(super) fn programs(
    input: Input<'_>,
    activation: &Activation,
    epoch: Epoch,
    findings: &mut Findings,
) -> Result<Vec<(TreePath, Entry)>, Error> {
    let (bin, sbin) = (TreePath::parse("/bin")?, TreePath::parse("/sbin")?);
    let mut files = Vec::new();
    // A later command of the activation replaces what an earlier one made.
    for placed in activation.placed_in(&bin) {
        files.retain(|(path, _)| *path != placed.path);
        if let Some(entry) = entry(input, &placed, epoch, findings)? {
            files.push((placed.path, entry));
        }
    }
    for (name, severity) in CALLED {
        let path = bin.join(&TreePath::parse(name)?);
        if files.iter().any(|(placed, _)| *placed == path) {
            continue;
        }
        let inner = format!("sw/bin/{name}");
        if is_program(input, &input.system.main.toplevel.join(&inner)?)? {
            files.push((path, Entry::symlink(format!("{PROFILE}/{inner}"), epoch)));
        } else {
            let wants = format!("no {name}: neither its activation nor its sw/bin has one");
            let gives = format!("a call of {path} before the system is active");
            findings.add(severity, name, wants, &gives, MODULE);
        }
    }
    let wslpath = bin.join(&TreePath::parse("wslpath")?);
    if files.iter().all(|(path, _)| *path != wslpath) {
        files.push((wslpath, Entry::symlink(WSL_INIT, epoch)));
    }
    if let Some(target) = init(input, activation, &sbin, findings)? {
        files.push((bin.join(&TreePath::parse("init")?), Entry::symlink(target, epoch)));
    }
    files.push((sbin, Entry::symlink("/bin", epoch)));
    Ok(files)
}

/// What the activation puts somewhere, if the image has it.
fn entry(
    input: Input<'_>,
    placed: &Placed,
    epoch: Epoch,
    findings: &mut Findings,
) -> Result<Option<Entry>, Error> {
    if !placed.source.starts_with(STORE_DIR) {
        // A link to something outside of the store, such as WSL's own /init, is as good as it says.
        let is_path = placed.source.starts_with('/') && !placed.copied;
        return Ok(is_path.then(|| Entry::symlink(&placed.source, epoch)));
    }
    let file = placed.source.parse::<StoreFile>().ok();
    let program = match file {
        Some(file) if is_program(input, &file)? => Some(input.store.resolve(&file)?),
        Some(_) | None => None,
    };
    let Some(real) = program else {
        let wants = format!("{} at {}", placed.source, placed.path);
        let gives = "the store paths of the closure, and it is not among them";
        findings.refuse("programs", wants, gives, "give the registration of this very system");
        return Ok(None);
    };
    if !placed.copied {
        return Ok(Some(Entry::symlink(&placed.source, epoch)));
    }
    let below = real.to_string();
    let below = below.trim_start_matches(STORE_DIR).trim_start_matches('/');
    let source = HostDir::open(input.store.directory())?.file(below.as_bytes())?;
    Ok(Some(Entry::file(Meta::root(Mode::D755, epoch), source)))
}

/// What `/sbin/init` leads to.
fn init(
    input: Input<'_>,
    activation: &Activation,
    sbin: &TreePath,
    findings: &mut Findings,
) -> Result<Option<String>, Error> {
    let name = sbin.join(&TreePath::parse("init")?);
    let shim = activation.placed_in(sbin).into_iter().rfind(|placed| placed.path == name);
    if let Some(shim) = shim {
        let file = shim.source.parse::<StoreFile>().ok();
        if let Some(file) = file
            && is_program(input, &file)?
        {
            return Ok(Some(shim.source));
        }
        let gives = "the store paths of the closure, and it is not among them";
        let wants = format!("{} to be started", shim.source);
        findings.refuse("init", wants, gives, "give the registration of this very system");
        return Ok(None);
    }
    let system = &input.system.main;
    let file = system.toplevel.join("init")?;
    let gives = "a start of /sbin/init in a container: no kernel, initrd or devices of its own";
    if system.bootspec.is_some() {
        let wants = "to be booted by a kernel and an initrd of its own".to_owned();
        findings.refuse("init", wants, gives, MODULE);
        return Ok(None);
    }
    if !is_program(input, &file)? {
        let wants = format!("nothing that can be started: {} has no init", system.toplevel);
        findings.refuse("init", wants, gives, MODULE);
        return Ok(None);
    }
    if !matches!(Program::at(input.store, &file)?, Program::Script(_)) {
        let wants = "a stage 1 before it: its init is no script that would activate it".to_owned();
        findings.refuse("init", wants, gives, MODULE);
        return Ok(None);
    }
    let wants = "to be started by its own init, as in any container".to_owned();
    findings.warn("init", wants, "a start that is not known to have been tried", MODULE);
    Ok(Some(format!("{PROFILE}/init")))
}

/// Whether a file of the closure can be run, links followed.
fn is_program(input: Input<'_>, file: &StoreFile) -> Result<bool, Error> {
    use std::os::unix::fs::PermissionsExt;
    let real = match input.store.resolve(file) {
        Ok(real) => real,
        // A link to a wrapper in /run leads nowhere before the system is active.
        Err(store::Error::Outside { .. }) => return Ok(false),
        Err(error) if error.is_not_found() => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    if !input.closure.contains(file.path()) || !input.closure.contains(real.path()) {
        return Ok(false);
    }
    let metadata = input.store.open(&real)?.metadata();
    Ok(metadata.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o100 != 0))
}
