//! The passphrase is typed on the serial console, a wrong one first, and what the guest then writes is
//! there when it is opened again.
#![allow(missing_docs)]

use calve_qemu_tests::encrypted::{PASSPHRASE, WRONG};
use calve_qemu_tests::{Encrypted, Error, Sample};

#[test]
fn a_script_is_answered_on_the_console() -> Result<(), Error> {
    answered("encrypted-console", Sample::Encrypted)
}

#[test]
fn systemd_is_answered_on_the_console() -> Result<(), Error> {
    answered("encrypted-systemd-console", Sample::EncryptedSystemd)
}

fn answered(name: &'static str, sample: Sample) -> Result<(), Error> {
    let Some(encrypted) = Encrypted::new(name, sample)? else { return Ok(()) };
    let locked = encrypted.build("disk.img", &[])?;
    let mut running = encrypted.start(&encrypted.machine(&locked.disk)?)?;
    running.send_line(WRONG)?;
    encrypted.asked(&mut running)?;
    running.send_line(PASSPHRASE)?;
    let mut guest = encrypted.up(running)?;
    let root = guest.run("grep ' / ' /proc/mounts")?;
    assert!(root.contains("/dev/mapper/cryptroot / ext4 rw"), "{root}");
    let status = guest.run("cryptsetup status cryptroot")?;
    assert!(status.contains("aes-xts-plain64") && status.contains("discards"), "{status}");
    guest.run("echo kept >/root/kept")?;

    guest.restart()?;
    encrypted.asked(guest.running())?;
    guest.running().send_line(PASSPHRASE)?;
    guest.wait_up()?;
    assert_eq!(guest.run("cat /root/kept")?, "kept");
    // systemd asks first and switches the echo off then; nobody else types that fast.
    if sample == Sample::Encrypted {
        let shown = guest.running().console().text();
        assert!(!shown.contains(PASSPHRASE) && !shown.contains(WRONG), "a passphrase was shown");
    }
    guest.power_off()
}
