//! `calve install` of an encrypted system: the passphrase opens the volume once it has restarted, over SSH to the
//! first stage, which has the key that the installer put there, and the system is verified.
#![allow(missing_docs)]

use std::fs;
use std::process::Command;

use calve_machine::Bus;
use calve_qemu_tests::encrypted::{PASSPHRASE, PROFILE};
use calve_qemu_tests::installing::{tell_logins, told_logins};
use calve_qemu_tests::{Error, Images, Installing, Sample};
use serde_json::Value;

const SIZE: u64 = 2 << 30;

#[test]
fn an_encrypted_system_is_installed_unlocked_and_verified() -> Result<(), Error> {
    let Some(installing) = Installing::new("install-encrypted")? else { return Ok(()) };
    let scratch = installing.images().scratch();
    fs::write(scratch.join("passphrase"), PASSPHRASE)?;
    fs::write(scratch.join("profile.toml"), PROFILE)?;
    let disk = installing.blank("disk.raw", SIZE)?;
    let mut guest = installing.start(&installing.machine(&[(&disk, Bus::Nvme)])?)?;
    tell_logins(&mut guest)?;

    // By the serial number that the drive says it has.
    let by_id = guest.run("ls /dev/disk/by-id | grep -m 1 ^nvme-QEMU")?;
    let device = format!("main=/dev/disk/by-id/{by_id}");
    let mut install = installing.install(
        Sample::EncryptedSystemd,
        &["-p", "profile.toml", "--disk", &device, "--yes-wipe", "nvme0n1", "--json"],
    );
    install.args(["--luks-key", "cryptroot=file:passphrase", "--unlock-ssh"]);
    // The system's own host key is one that was there before.
    let mut keygen = Command::new("ssh-keygen");
    installing.images().expect(
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-f", "host_key"]).current_dir(scratch),
    )?;
    install.args(["--host-key", "host_key"]);
    let said = installing.succeed(install)?;
    assert!(!said.out.contains(PASSPHRASE) && !said.err.contains(PASSPHRASE), "{}", said.err);
    let report: Value = serde_json::from_str(&said.out)
        .map_err(|_| Error::Garbled { command: "calve install".to_owned(), answer: said.out })?;
    assert_eq!(report["verified"]["state"], "running", "{report}");

    guest.wait_up()?;
    assert_eq!(told_logins(&mut guest), 1, "logins to the installer");
    guest.all_units_up()?;
    let system = Images::closure_info(Sample::EncryptedSystemd).join("system").canonicalize()?;
    assert_eq!(guest.run("readlink -f /run/booted-system")?, system.display().to_string());
    assert_eq!(guest.run("findmnt -n -o SOURCE /")?, "/dev/mapper/cryptroot");
    // One login to the first stage's server, and one to the system's.
    let events = "journalctl -u sshd -o cat | grep -E -o '^(Server listening on 0|Accepted publickey for root)'";
    let events = guest.run(events)?;
    let each = ["Server listening on 0", "Accepted publickey for root"];
    assert_eq!(events.lines().collect::<Vec<_>>(), [each, each].concat());
    // The next initrd is made with the same key, and nobody else may read it.
    let source = "/etc/secrets/initrd/ssh_host_ed25519_key";
    assert_eq!(guest.run(&format!("stat -c '%a %u' {source}"))?, "600 0");
    let key = guest.run(&format!("ssh-keygen -y -f {source} | cut -d' ' -f1,2"))?;
    assert!(report["initrdKey"].as_str().is_some_and(|found| found.starts_with(&key)), "{report}");
    let public = fs::read_to_string(scratch.join("host_key.pub"))?;
    let installed = guest.run("cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub")?;
    assert!(public.starts_with(&installed), "{installed}: {public}");
    guest.power_off()
}
