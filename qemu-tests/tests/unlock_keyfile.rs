//! `calve unlock` with a file that holds the passphrase: both kinds of first stage are unlocked, and
//! `--wait` sees the system that comes up then.
#![allow(missing_docs)]

use calve_qemu_tests::{Encrypted, Error, Sample};

#[test]
fn a_script_is_unlocked_by_a_key_file() -> Result<(), Error> {
    // With the derivation that everybody gets.
    unlocked("unlock-keyfile", Sample::Encrypted, Some("server-encrypted"))
}

#[test]
fn systemd_is_unlocked_by_a_key_file() -> Result<(), Error> {
    unlocked("unlock-systemd-keyfile", Sample::EncryptedSystemd, None)
}

fn unlocked(
    name: &'static str,
    sample: Sample,
    profile: Option<&'static str>,
) -> Result<(), Error> {
    let Some(encrypted) = Encrypted::new(name, sample)? else { return Ok(()) };
    let locked = match profile {
        Some(profile) => encrypted.build_by(profile, "disk.img", &[])?,
        None => encrypted.build("disk.img", &[])?,
    };
    let running = encrypted.start(&encrypted.machine(&locked.disk)?)?;
    encrypted.unlock_by_file(&locked)?;
    let mut guest = encrypted.up(running)?;
    let root = guest.run("grep ' / ' /proc/mounts")?;
    assert!(root.contains("/dev/mapper/cryptroot / ext4 rw"), "{root}");
    guest.power_off()
}
