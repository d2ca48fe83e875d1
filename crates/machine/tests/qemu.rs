//! Real machines: QEMU and OVMF with guests made of OVMF's own shell.
//!
//! A FAT disk with a `startup.nsh` is a guest that prints, takes input, writes files, restarts
//! and powers off, without any operating system. Where QEMU, OVMF or mtools are missing the
//! tests say so and pass, except when `CI=true`.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use calve_machine::console::LOG;
use calve_machine::machine::Error;
use calve_machine::{
    Accel, Architecture, Boot, Disk, Fatal, Firmware, Machine, Network, Reason, Restart, Running,
    Search, Write,
};

const PATIENCE: Duration = Duration::from_secs(90);

/// The firmware, if this machine has all that a test needs.
fn firmware() -> Option<Firmware> {
    let tools = ["qemu-system-x86_64", "mformat", "mcopy"];
    let missing = tools.into_iter().find(|tool| {
        let mut run = Command::new(tool);
        run.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        run.status().is_err()
    });
    let firmware = Firmware::find(&Search::new(Architecture::X86_64));
    let reason = match (missing, firmware) {
        (None, Ok(firmware)) => return Some(firmware),
        (Some(tool), _) => format!("{tool} not found"),
        (None, Err(error)) => error.to_string(),
    };
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{reason}");
    // Not `eprintln!`, which the test runner hides when a test passes.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {reason}");
    None
}

struct Guest {
    dir: tempfile::TempDir,
    image: PathBuf,
    firmware: Firmware,
}

/// A disk whose `startup.nsh` is `script`.
fn guest(script: &str) -> Option<Guest> {
    let firmware = firmware()?;
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("disk.raw");
    std::fs::write(&image, vec![0; 8 << 20]).unwrap();
    let nsh = dir.path().join("startup.nsh");
    std::fs::write(&nsh, script.replace('\n', "\r\n")).unwrap();
    mtools("mformat", &image, &["::".as_ref()]);
    mtools("mcopy", &image, &[&nsh, "::startup.nsh".as_ref()]);
    Some(Guest { dir, image, firmware })
}

fn mtools(tool: &str, image: &Path, arguments: &[&Path]) -> String {
    let output = Command::new(tool).arg("-i").arg(image).args(arguments).output().unwrap();
    assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Guest {
    /// A machine that takes the shell for a guest, not for a failure.
    fn machine(&self) -> Machine {
        Machine {
            accel: Accel::Tcg,
            memory_mib: 256,
            cpus: 1,
            disks: vec![Disk::open(&self.image).unwrap()],
            fatal: Vec::new(),
            evidence: Some(self.dir.path().join("evidence")),
            ..Machine::new(Boot::Uefi(self.firmware.clone()))
        }
    }
}

/// Starts a machine and presses a key at the shell, which otherwise waits five seconds.
fn start(machine: &Machine) -> Running {
    let mut running = machine.boot().unwrap();
    running.expect("any other key to continue", PATIENCE).unwrap();
    running.console().send(b"\r").unwrap();
    running
}

#[test]
fn a_disk_without_anything_to_boot_fails_at_once_with_evidence() {
    let Some(guest) = guest("") else { return };
    let machine = Machine { fatal: Fatal::ALL.to_vec(), ..guest.machine() };
    let mut running = machine.boot().unwrap();
    let process = running.process();
    let failure = running.expect_all(&["login:"], PATIENCE).unwrap_err();
    assert!(
        matches!(*failure.reason, Reason::Fatal { fatal: Fatal::NothingToBoot, .. }),
        "{failure:?}"
    );
    assert!(!failure.tail.is_empty());
    drop(running);
    assert!(!Path::new(&format!("/proc/{process}")).exists(), "QEMU outlived its owner");
    let read = |name| std::fs::read_to_string(failure.evidence.join(name)).unwrap();
    assert!(read(LOG).contains("UEFI Interactive Shell"));
    assert!(read("command.txt").contains("snapshot=on"));
    assert!(read("reason.txt").starts_with("the firmware found nothing to boot"));
    assert!(failure.evidence.join("vars.fd").exists());
}

#[test]
fn a_guest_is_talked_to_and_its_writes_are_thrown_away_unless_they_persist() {
    let Some(guest) = guest("@echo -off\necho guest is up\n") else {
        return;
    };
    let before = std::fs::read(&guest.image).unwrap();
    for write in [Write::Throwaway, Write::Persist] {
        let mut machine = guest.machine();
        machine.disks[0].write = write;
        let mut running = start(&machine);
        running.expect_all(&["is up", "Shell> "], PATIENCE).unwrap();
        running.send_line("echo written > fs0:\\kept.txt").unwrap();
        running.expect("Shell> ", PATIENCE).unwrap();
        running.send_line("type fs0:\\kept.txt").unwrap();
        running.expect("written", PATIENCE).unwrap();
        let evidence = running.evidence().to_owned();
        running.send_line("reset -s").unwrap();
        running.wait_off(PATIENCE).unwrap();
        assert!(!evidence.exists(), "evidence of a good run stayed");
        let listing = mtools("mdir", &guest.image, &["-b".as_ref(), "::".as_ref()]);
        assert_eq!(listing.contains("kept.txt"), write == Write::Persist, "{listing}");
        assert_eq!(before == std::fs::read(&guest.image).unwrap(), write == Write::Throwaway);
    }
}

#[test]
fn a_guest_that_goes_off_or_restarts_too_early_is_told() {
    let Some(guest) = guest("echo going\nreset -s\n") else {
        return;
    };
    let failure = start(&guest.machine()).expect("login:", PATIENCE).unwrap_err();
    let text = failure.to_string();
    assert_eq!(text, "the guest powered off before \"login:\" appeared");

    let restarting = self::guest("echo going\nreset -c\n").unwrap();
    let failure = start(&restarting.machine()).expect("login:", PATIENCE).unwrap_err();
    let text = failure.to_string();
    assert_eq!(text, "the guest restarted before \"login:\" appeared");
}

#[test]
fn a_restart_keeps_the_overlay_and_a_grown_disk_leaves_the_image_alone() {
    let Some(guest) = guest(
        "if exist fs0:\\twice then\n echo second time\nelse\n echo x > fs0:\\twice\n reset -c\nendif\n",
    ) else {
        return;
    };
    let mut machine = Machine { restart: Restart::Continue, ..guest.machine() };
    let size = std::fs::metadata(&guest.image).unwrap().len();
    machine.disks[0].grown_to = Some(size + (4 << 30));
    let mut running = machine.boot().unwrap();
    let blocks =
        running.qmp().unwrap().execute("query-block", &serde_json::json!({})).unwrap().to_string();
    assert!(blocks.contains(&format!("\"virtual-size\":{}", size + (4 << 30))), "{blocks}");
    running.expect("second time", PATIENCE).unwrap();
    assert_eq!(std::fs::metadata(&guest.image).unwrap().len(), size);
    // The shell does not listen to the power button.
    let failure = running.shutdown(Duration::from_secs(1)).unwrap_err();
    assert_eq!(failure.to_string(), "the machine is still on after 1 s");
}

#[test]
fn what_qemu_refuses_is_told_in_its_own_words() {
    let Some(guest) = guest("") else { return };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let machine = Machine { network: Some(Network::ssh(port)), ..guest.machine() };
    let error = machine.boot().unwrap_err();
    assert!(error.to_string().contains("Could not set up host forwarding"), "{error}");
    assert!(matches!(error, Error::Early(_)));
    let machine = Machine { qemu: Some("no-such-qemu".into()), ..guest.machine() };
    assert!(matches!(machine.boot(), Err(Error::NoQemu { .. })));
}

#[test]
fn every_bus_and_sector_size_starts_the_guest() {
    use calve_machine::{Bus, SectorSize};
    let Some(guest) = guest("echo guest is up\nreset -s\n") else {
        return;
    };
    for bus in [Bus::Nvme, Bus::Usb, Bus::ScsiCd] {
        let mut machine = guest.machine();
        machine.disks[0].bus = bus;
        let mut running = start(&machine);
        // OVMF reads FAT at any sector size it was made for; here only the arguments are tried.
        if bus == Bus::Nvme {
            machine.disks[0].sector_size = SectorSize::B4096;
            machine.boot().unwrap().stop();
        }
        running.expect("is up", PATIENCE).unwrap();
        running.wait_off(PATIENCE).unwrap();
    }
}

#[test]
fn auto_acceleration_never_stands_in_the_way() {
    let Some(guest) = guest("echo guest is up\n") else {
        return;
    };
    let machine = Machine { accel: Accel::Auto, ..guest.machine() };
    let mut running = start(&machine);
    running.expect("is up", PATIENCE).unwrap();
    running.stop();
}
